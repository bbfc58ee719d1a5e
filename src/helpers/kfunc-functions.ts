/** Kfuncs: iterators, dynptrs of packets, exceptions, and those that have nothing to do here. */
import { Errno } from '../errors.js';
import { PacketSkb } from '../progs/ctx/packet-skb.js';
import { clearDynptr, DynptrType, inDynptr, readDynptr, writeDynptr } from './dynptr-memory.js';
import type { HelperFn } from './proto.js';
import type { RunState } from './run-state.js';
import { FUNC_POINTER_BASE } from './run-state.js';

/** bpf_throw: unwinds the whole program, whose result is then the cookie or what the exception callback makes of it. */
export class ProgramThrow extends Error {
  private readonly result: () => number;

  constructor(result: () => number) {
    super('bpf_throw');
    this.result = result;
  }

  /** Runs the callback, if there is one: the low word of r0. */
  finish(): number {
    return this.result();
  }
}

/** bpf_throw of a program whose exception callback is the subprogram at `slot`; undefined: it has none. */
export const throwWith =
  (slot: number | undefined): HelperFn =>
  (run, low, high) => {
    const { callback } = run;
    throw new ProgramThrow(() =>
      slot === undefined ? low : callback(FUNC_POINTER_BASE + slot, [low, high]),
    );
  };

const MAX_ITERATIONS = 1 << 23;

/** `struct bpf_iter_num`: the current and the last number, 4 bytes each. */
const iterNumNew: HelperFn = (run, it, start, end) => {
  const { i32 } = run.vm.memory;
  i32[it >>> 2] = i32[(it >>> 2) + 1] = 0;
  if (start > end) return -Errno.EINVAL;
  if (end - start > MAX_ITERATIONS) return -Errno.E2BIG;
  i32[it >>> 2] = start - 1;
  i32[(it >>> 2) + 1] = end;
  return 0;
};

/** Address of the next number, or 0 at the end. */
const iterNumNext: HelperFn = (run, it) => {
  const { i32 } = run.vm.memory;
  const at = it >>> 2;
  if (((i32[at] + 1) | 0) >= i32[at + 1]) {
    i32[at] = i32[at + 1] = 0;
    return 0;
  }
  i32[at]++;
  return it;
};

const iterNumDestroy: HelperFn = (run, it) => {
  run.vm.memory.i32.fill(0, it >>> 2, (it >>> 2) + 2);
  return 0;
};

const fromPacket =
  (type: DynptrType.Skb | DynptrType.Xdp): HelperFn =>
  (run, _ctx, flags, flagsHi, dynptr) => {
    const { memory } = run.vm;
    const length = type === DynptrType.Skb ? run.skb?.len : run.xdp?.length;
    clearDynptr(memory, dynptr);
    if (flags !== 0 || flagsHi !== 0 || length === undefined) return -Errno.EINVAL;
    const readOnly = run.skb instanceof PacketSkb && run.skb.readOnly;
    writeDynptr(memory, dynptr, { type, data: run.ctx, size: length, offset: 0, readOnly });
    return 0;
  };

/** Address of `size` bytes: in place where they are linear, else copied to the buffer. */
function slice(run: RunState, dynptr: number, offset: number, buffer: number, size: number): number {
  const found = readDynptr(run.vm.memory, dynptr);
  if (found === null || !inDynptr(found, offset, size)) return 0;
  const at = found.offset + offset;
  if (found.type === DynptrType.Xdp) return run.xdp === null ? 0 : run.xdp.data + at;
  if (found.type !== DynptrType.Skb) return found.data + at;
  if (run.skb instanceof PacketSkb) return run.skb.data + at;
  return buffer !== 0 && run.skb?.loadBytes(at, buffer, size) === 0 ? buffer : 0;
}

const sliceWritable: HelperFn = (run, dynptr, offset, buffer, size) =>
  readDynptr(run.vm.memory, dynptr)?.readOnly === true ? 0 : slice(run, dynptr, offset, buffer, size);

/** Cuts `start` bytes off the front and all from `end` on. */
const adjust: HelperFn = (run, dynptr, start, end) => {
  const found = readDynptr(run.vm.memory, dynptr);
  if (found === null || start >>> 0 > end >>> 0) return -Errno.EINVAL;
  if (start >>> 0 > found.size || end >>> 0 > found.size) return -Errno.ERANGE;
  writeDynptr(run.vm.memory, dynptr, { ...found, offset: found.offset + start, size: end - start });
  return 0;
};

const clone: HelperFn = (run, dynptr, to) => {
  const found = readDynptr(run.vm.memory, dynptr);
  if (found === null) {
    clearDynptr(run.vm.memory, to);
    return -Errno.EINVAL;
  }
  writeDynptr(run.vm.memory, to, found);
  return 0;
};

/** One thread runs programs: nothing to lock or to hold off. */
const nothing: HelperFn = () => 0;
const same: HelperFn = (_run, object) => object;

export const KFUNC_FUNCTIONS: Readonly<Record<string, HelperFn>> = {
  bpf_throw: throwWith(undefined),
  bpf_iter_num_new: iterNumNew,
  bpf_iter_num_next: iterNumNext,
  bpf_iter_num_destroy: iterNumDestroy,
  bpf_dynptr_from_skb: fromPacket(DynptrType.Skb),
  bpf_dynptr_from_xdp: fromPacket(DynptrType.Xdp),
  bpf_dynptr_slice: slice,
  bpf_dynptr_slice_rdwr: sliceWritable,
  bpf_dynptr_adjust: adjust,
  bpf_dynptr_clone: clone,
  bpf_dynptr_is_null: (run, dynptr) => (readDynptr(run.vm.memory, dynptr) === null ? 1 : 0),
  bpf_dynptr_is_rdonly: (run, dynptr) => (readDynptr(run.vm.memory, dynptr)?.readOnly === true ? 1 : 0),
  bpf_dynptr_size: (run, dynptr) => readDynptr(run.vm.memory, dynptr)?.size ?? -Errno.EINVAL,
  bpf_rcu_read_lock: nothing,
  bpf_rcu_read_unlock: nothing,
  bpf_preempt_disable: nothing,
  bpf_preempt_enable: nothing,
  bpf_rdonly_cast: same,
  bpf_kfunc_call_test1: (run, _sk, a, b, bHi, c, d, dHi) => {
    const sum = BigInt(a >>> 0) + u64(b, bHi) + BigInt(c >>> 0) + u64(d, dHi);
    run.retHi = Number((sum >> 32n) & 0xffff_ffffn) | 0;
    return Number(sum & 0xffff_ffffn) | 0;
  },
  bpf_kfunc_call_test2: (_run, _sk, a, b) => (a + b) | 0,
  bpf_kfunc_call_test3: same,
};

const u64 = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
