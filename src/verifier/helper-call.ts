/** Calls of helpers. */
import { Errno } from '../errors.js';
import type { Helper } from '../helpers/proto.js';
import { helperById } from '../helpers/registry.js';
import { MapType } from '../maps/map-types.js';
import { AttachType, ProgType } from '../progs/prog-types.js';
import { Bounds } from './bounds.js';
import { callback } from './callbacks.js';
import { releaseDynptr } from './dynptr.js';
import type { Env } from './env.js';
import type { CallArgs } from './helper-args.js';
import { checkArg, newCallArgs } from './helper-args.js';
import { assertMapFits, assertMapWritable } from './map-compat.js';
import { accessMemory } from './mem-access.js';
import { markPrecise } from './precision.js';
import { NOT_INIT, Reg, RegFlag, RegType, UNKNOWN_SCALAR } from './reg-state.js';
import { scratchCallerSaved } from './registers.js';
import { acquireRef, assertNothingHeld, dropRef, invalidate, invalidatePacket, releaseRef } from './refs.js';
import { dynptrOf } from './dynptr.js';

const MAX_ERRNO = 4095;

function resolve(env: Env, id: number): Helper {
  const fn = env.helper(id);
  if (fn === undefined || isDenied(env, fn.name)) {
    const known = helperById(id);
    env.reject(
      Errno.EINVAL,
      known === undefined
        ? `invalid func unknown#${id}`
        : `program of this type cannot use helper ${known.name}#${id}`,
    );
  }
  if (fn.gplOnly === true && !env.input.isGpl) {
    env.reject(Errno.EINVAL, 'cannot call GPL-restricted function from non-GPL compatible program');
  }
  if (fn.maySleep === true) assertMaySleep(env, fn);
  return fn;
}

function assertMaySleep(env: Env, fn: Helper): void {
  if (!env.isSleepable) {
    env.reject(Errno.EINVAL, 'helper call might sleep in a non-sleepable prog');
  }
  const { state } = env;
  const region =
    state.rcuLocks > 0
      ? 'rcu_read_lock region'
      : state.preemptLocks > 0
        ? 'non-preemptible region'
        : state.activeIrqId !== 0
          ? 'IRQ-disabled region'
          : undefined;
  if (region !== undefined) env.reject(Errno.EINVAL, `sleepable helper ${fn.name}#${fn.id} in ${region}`);
}

/** Attach points that only observe have no return value to read or change. */
const OBSERVING = new Set<AttachType>([
  AttachType.CgroupUdp4Recvmsg,
  AttachType.CgroupUdp6Recvmsg,
  AttachType.CgroupUnixRecvmsg,
  AttachType.CgroupInet4Getpeername,
  AttachType.CgroupInet6Getpeername,
  AttachType.CgroupUnixGetpeername,
  AttachType.CgroupInet4Getsockname,
  AttachType.CgroupInet6Getsockname,
  AttachType.CgroupUnixGetsockname,
]);

const isDenied = (env: Env, helper: string): boolean =>
  (helper === 'bpf_get_retval' || helper === 'bpf_set_retval') &&
  env.input.progType === ProgType.CgroupSockAddr &&
  OBSERVING.has(env.input.attachType);

/** Returns the slot to continue at. */
export function checkHelperCall(env: Env, id: number): number {
  if (env.state.activeLocks > 0 && id !== SPIN_UNLOCK) {
    env.reject(Errno.EINVAL, 'function calls are not allowed while holding a lock');
  }
  const fn = resolve(env, id);
  const args = newCallArgs();
  for (let i = 0; i < 5; i++) checkArg(env, fn, i, args);
  if (args.map !== null) assertMapWritable(env, args.map, fn.name);
  if (fn.name === 'bpf_tail_call') noteTailIndex(env, args);
  fillRaw(env, args);
  if (args.release !== 0) release(env, fn, args);
  const changesPacket = particular(env, fn, args) || fn.invalidatesPacket === true;
  const kptr = args.kptrTarget;
  scratchCallerSaved(env);
  env.setReg(0, result(env, fn, args, kptr));
  finishReturn(env, fn, args);
  if (args.map !== null) assertMapFits(env, args.map, fn.name, fn.id);
  if (changesPacket) invalidatePacket(env);
  return env.pc + 1;
}

const SPIN_UNLOCK = 94;

function noteTailIndex(env: Env, args: CallArgs): void {
  const index = env.reg(3).constValue();
  if (index !== undefined && index < BigInt(args.map?.maxEntries ?? 0)) markPrecise(env, 3);
}

/** The helper fills it: every byte becomes plain data. */
function fillRaw(env: Env, args: CallArgs): void {
  if (args.raw === undefined) return;
  for (let i = 0; i < args.raw.size; i++) {
    accessMemory(env, { regno: args.raw.regno, off: i, size: 1, isWrite: true, value: -1 });
  }
}

function release(env: Env, fn: Helper, args: CallArgs): void {
  const reg = env.reg(args.release);
  const arg = fn.args[args.release - 1];
  let isReleased: boolean;
  if (arg.base === 'dynptr') isReleased = releaseDynptr(env, args.release);
  else if (fn.name === 'bpf_kptr_xchg' && args.refObjId !== 0) {
    isReleased = dropRef(env.state, args.refObjId);
    invalidate(env.state, (other) => other.refObjId === args.refObjId);
  } else if (args.refObjId !== 0) isReleased = releaseRef(env, args.refObjId);
  else isReleased = reg.isNullScalar;
  if (!isReleased) {
    env.reject(Errno.EINVAL, `func ${fn.name}#${fn.id} reference has not been acquired before`);
  }
}

/** What single helpers ask beyond their prototype. True where pointers into the packet become void. */
function particular(env: Env, fn: Helper, args: CallArgs): boolean {
  switch (fn.name) {
    case 'bpf_tail_call':
      assertNothingHeld(env, 'tail_call', false, true);
      return true;
    case 'bpf_get_local_storage':
      if (!env.reg(2).isNullScalar) {
        env.reject(Errno.EINVAL, "get_local_storage() doesn't support non-zero flags");
      }
      markPrecise(env, 2);
      return false;
    case 'bpf_dynptr_from_mem':
      if (env.reg(1).type !== RegType.MapValue) {
        env.reject(
          Errno.EACCES,
          `Unsupported reg type ${env.reg(1).typeName()} for bpf_dynptr_from_mem data`,
        );
      }
      return false;
    case 'bpf_dynptr_write':
      return dynptrOf(env, env.reg(1))?.dynptrType === 'skb';
    case 'bpf_snprintf':
      if (env.reg(5).bounds.tnum.value % 8n !== 0n) env.reject(Errno.EINVAL, '');
      return false;
    default:
      if (fn.callsBack === true) callback(env, fn.name, args);
      return false;
  }
}

function result(env: Env, fn: Helper, args: CallArgs, kptr: string): Reg {
  const { ret } = fn;
  const isSure = args.isKeyPresent && fn.name === 'bpf_map_lookup_elem';
  const flags =
    (ret.nullable === true && !isSure ? RegFlag.OrNull : 0) | (ret.rdonly === true ? RegFlag.RdOnly : 0);
  switch (ret.base) {
    case 'integer':
      return UNKNOWN_SCALAR;
    case 'void':
      return NOT_INIT;
    case 'map_value': {
      const value = Reg.pointer(RegType.MapValue, flags);
      value.map = args.map;
      value.mapUid = args.mapUid;
      if ((flags & RegFlag.OrNull) === 0 && args.map?.fields.some((f) => f.kind === 'spin_lock') === true) {
        value.id = env.nextId();
      }
      return value;
    }
    case 'socket':
      return Reg.pointer(RegType.Sock, flags);
    case 'sock_common':
      return Reg.pointer(RegType.SockCommon, flags);
    case 'tcp_sock':
      return Reg.pointer(RegType.TcpSock, flags);
    case 'mem':
    case 'dynptr_mem': {
      const memory = Reg.pointer(RegType.Mem, flags | (ret.ringbuf === true ? RegFlag.Ringbuf : 0));
      memory.memSize = args.memSize;
      return memory;
    }
    case 'mem_or_btf_id': {
      const object = Reg.pointer(RegType.BtfId, flags & ~RegFlag.RdOnly);
      object.btfName = args.percpu?.btfName ?? '';
      if (args.percpu?.memSize === 0 || args.percpu === null) return object;
      const memory = Reg.pointer(RegType.Mem, flags);
      memory.memSize = args.percpu.memSize;
      return memory;
    }
    case 'btf_id': {
      const isTask = fn.name === 'bpf_get_current_task_btf';
      const object = Reg.pointer(RegType.BtfId, flags | (isTask ? RegFlag.Trusted : 0));
      object.btfName = ret.btf ?? kptr;
      return object;
    }
  }
}

const CASTS = new Set([
  'bpf_tcp_sock',
  'bpf_sk_fullsock',
  'bpf_skc_to_tcp_sock',
  'bpf_skc_to_tcp6_sock',
  'bpf_skc_to_udp6_sock',
  'bpf_skc_to_mptcp_sock',
  'bpf_skc_to_tcp_timewait_sock',
  'bpf_skc_to_tcp_request_sock',
]);
const LENGTHS = new Set([
  'bpf_get_stack',
  'bpf_get_task_stack',
  'bpf_probe_read_str',
  'bpf_probe_read_kernel_str',
  'bpf_probe_read_user_str',
]);

/** Ids, references and bounds of r0. */
function finishReturn(env: Env, fn: Helper, args: CallArgs): void {
  const r0 = env.reg(0).clone();
  if (r0.mayBeNull) r0.id = env.nextId();
  if (fn.name === 'bpf_dynptr_data') r0.dynptrId = args.dynptrId;
  const type = args.map?.type;
  const isSockLookup =
    fn.name === 'bpf_map_lookup_elem' && (type === MapType.Sockmap || type === MapType.Sockhash);
  if (CASTS.has(fn.name) || fn.name === 'bpf_dynptr_data') r0.refObjId = args.refObjId;
  else if (fn.acquires === true || isSockLookup) {
    const id = acquireRef(env);
    r0.id = id;
    r0.refObjId = id;
  }
  if (LENGTHS.has(fn.name)) r0.bounds = between(-MAX_ERRNO, Number(args.maxSize));
  if (fn.name === 'bpf_get_smp_processor_id') r0.bounds = between(0, env.cpus - 1);
  if (r0.type !== RegType.NotInit) env.setReg(0, r0);
}

function between(min: number, max: number): Bounds {
  const b = new Bounds();
  b.smin = BigInt(min);
  b.smax = BigInt(max);
  b.s32min = min;
  b.s32max = Math.min(max, 0x7fff_ffff);
  b.sync();
  return b;
}
