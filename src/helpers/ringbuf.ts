/** Helpers: ring buffers of both directions. */
import { Errno } from '../errors.js';
import { RingbufMap } from '../maps/ringbuf-map.js';
import { UserRingbufMap } from '../maps/user-ringbuf-map.js';
import { returnU64 } from './base.js';
import { clearDynptr, DYNPTR_MAX_SIZE, DynptrType, readDynptr, writeDynptr } from './dynptr-memory.js';
import { BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

function ring(run: RunState, map: number): RingbufMap | null {
  const found = run.vm.mapByHandle(map);
  return found instanceof RingbufMap ? found : null;
}

function ringbufOutput(
  run: RunState,
  map: number,
  from: number,
  size: number,
  flags: number,
  flagsHi: number,
): number {
  if (flagsHi !== 0) return -Errno.EINVAL;
  return ring(run, map)?.output(from, size, flags) ?? -Errno.EINVAL;
}

function ringbufReserve(run: RunState, map: number, size: number, flags: number, flagsHi: number): number {
  return flags !== 0 || flagsHi !== 0 ? 0 : (ring(run, map)?.reserve(size) ?? 0);
}

/** A record names its ring in its header. */
function commit(run: RunState, sample: number, flags: number, discard: boolean): void {
  const map = run.vm.mapById(RingbufMap.mapIdOf(run.vm.memory, sample));
  if (map instanceof RingbufMap && map.isReserved(sample)) map.commit(sample, flags, discard);
}

function ringbufSubmit(run: RunState, sample: number, flags: number): number {
  commit(run, sample, flags, false);
  return 0;
}

function ringbufDiscard(run: RunState, sample: number, flags: number): number {
  commit(run, sample, flags, true);
  return 0;
}

function ringbufQuery(run: RunState, map: number, what: number, whatHi: number): number {
  return returnU64(run, BigInt(whatHi === 0 ? (ring(run, map)?.query(what) ?? 0) : 0));
}

function ringbufReserveDynptr(
  run: RunState,
  map: number,
  size: number,
  flags: number,
  flagsHi: number,
  dynptr: number,
): number {
  const { memory } = run.vm;
  clearDynptr(memory, dynptr);
  if (flags !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  if (size >>> 0 > DYNPTR_MAX_SIZE) return -Errno.E2BIG;
  const data = ring(run, map)?.reserve(size) ?? 0;
  if (data === 0) return -Errno.EINVAL;
  writeDynptr(memory, dynptr, { type: DynptrType.Ringbuf, data, size, offset: 0, readOnly: false });
  return 0;
}

function commitDynptr(run: RunState, dynptr: number, flags: number, discard: boolean): number {
  const { memory } = run.vm;
  const found = readDynptr(memory, dynptr);
  if (found !== null) commit(run, found.data, flags, discard);
  clearDynptr(memory, dynptr);
  return 0;
}

const ringbufSubmitDynptr = (run: RunState, dynptr: number, flags: number): number =>
  commitDynptr(run, dynptr, flags, false);
const ringbufDiscardDynptr = (run: RunState, dynptr: number, flags: number): number =>
  commitDynptr(run, dynptr, flags, true);

const MAX_DRAINED = 128 * 1024;
const WAKEUP_FLAGS = 3;

/** `callback(dynptr, ctx)` for each sample until it returns 1; the number of samples. */
function userRingbufDrain(
  run: RunState,
  map: number,
  callback: number,
  ctx: number,
  flags: number,
  flagsHi: number,
): number {
  const samples = run.vm.mapByHandle(map);
  if ((flags & ~WAKEUP_FLAGS) !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  if (!(samples instanceof UserRingbufMap)) return -Errno.EINVAL;
  if (samples.busy) return -Errno.EBUSY;
  samples.busy = true;
  try {
    let drained = 0;
    for (let sample = samples.peekSample(); sample !== undefined && drained < MAX_DRAINED;) {
      const dynptr = { type: DynptrType.Local, data: sample.address, size: sample.size, offset: 0 };
      writeDynptr(run.vm.memory, samples.dynptrAddress, { ...dynptr, readOnly: true });
      const stop = run.callback(callback, [samples.dynptrAddress, 0, ctx, 0]) !== 0;
      samples.release();
      drained++;
      if (stop) break;
      sample = samples.peekSample();
    }
    return drained;
  } finally {
    samples.busy = false;
  }
}

export const RINGBUF_HELPERS: readonly Helper[] = [
  helper(
    130,
    'bpf_ringbuf_output',
    RET.int,
    [ARG.map, ARG.memRead, ARG.sizeOrZero, ARG.u64],
    BASE,
    ringbufOutput,
  ),
  helper(
    131,
    'bpf_ringbuf_reserve',
    RET.ringbufMemOrNull,
    [ARG.map, ARG.make('const_alloc_size_or_zero')(), ARG.u64],
    BASE,
    ringbufReserve,
    { acquires: true },
  ),
  helper(
    132,
    'bpf_ringbuf_submit',
    RET.void,
    [ARG.make('ringbuf_mem')({ release: true }), ARG.u64],
    BASE,
    ringbufSubmit,
  ),
  helper(
    133,
    'bpf_ringbuf_discard',
    RET.void,
    [ARG.make('ringbuf_mem')({ release: true }), ARG.u64],
    BASE,
    ringbufDiscard,
  ),
  helper(134, 'bpf_ringbuf_query', RET.u64, [ARG.map, ARG.u64], BASE, ringbufQuery),
  helper(
    198,
    'bpf_ringbuf_reserve_dynptr',
    RET.int,
    [ARG.map, ARG.u32, ARG.u64, ARG.make('dynptr')({ uninit: true, write: true, dynptr: 'ringbuf' })],
    BASE,
    ringbufReserveDynptr,
  ),
  helper(
    199,
    'bpf_ringbuf_submit_dynptr',
    RET.void,
    [ARG.make('dynptr')({ release: true, dynptr: 'ringbuf' }), ARG.u64],
    BASE,
    ringbufSubmitDynptr,
  ),
  helper(
    200,
    'bpf_ringbuf_discard_dynptr',
    RET.void,
    [ARG.make('dynptr')({ release: true, dynptr: 'ringbuf' }), ARG.u64],
    BASE,
    ringbufDiscardDynptr,
  ),
  helper(
    209,
    'bpf_user_ringbuf_drain',
    RET.int,
    [ARG.map, ARG.func, ARG.stackOrNull, ARG.u64],
    BASE,
    userRingbufDrain,
    { callsBack: true },
  ),
];
