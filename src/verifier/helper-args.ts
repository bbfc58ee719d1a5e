/** The arguments of a helper against its prototype. */
import { Errno } from '../errors.js';
import type { ArgBase, ArgSpec, Helper } from '../helpers/proto.js';
import { MapType } from '../maps/map-types.js';
import { makeDynptr, useDynptr } from './dynptr.js';
import type { Env } from './env.js';
import { assertHelperMemory, assertSizedMemory } from './helper-mem.js';
import type { VerifierMap } from './input.js';
import { useSpinLock, useTimer } from './locks.js';
import { mayAccessPacket } from './mem-access.js';
import { markPrecise } from './precision.js';
import { assertInit } from './registers.js';
import type { DynptrType, Reg } from './reg-state.js';
import { RegFlag, RegType, regTypeName } from './reg-state.js';
import { assertUnmoved } from './region-access.js';
import { isKeyInArray } from './constant-key.js';
import { objectSlot } from './stack-object.js';
import { frameOf } from './stack-access.js';
import { readConstString } from './const-string.js';
import type { RawMemory } from './stack-access.js';

/** What checking the arguments gathers for the call as a whole. */
export interface CallArgs {
  map: VerifierMap | null;
  mapUid: number;
  /** Reference among the arguments. */
  refObjId: number;
  dynptrId: number;
  /** Argument register whose reference ends. */
  release: number;
  raw: RawMemory | undefined;
  /** Size of the memory that the helper returns. */
  memSize: number;
  subprog: number;
  /** Largest size given for memory that the helper fills. */
  maxSize: bigint;
  /** The key, where it is a known number below the array's size: the look-up cannot fail. */
  isKeyPresent: boolean;
  /** A kernel pointer's place in a map, for bpf_kptr_xchg. */
  kptrTarget: string;
  percpu: Reg | null;
}

export const newCallArgs = (): CallArgs => ({
  map: null,
  mapUid: 0,
  refObjId: 0,
  dynptrId: 0,
  release: 0,
  raw: undefined,
  memSize: 0,
  subprog: -1,
  maxSize: 0n,
  isKeyPresent: false,
  kptrTarget: '',
  percpu: null,
});

type TypeRow = readonly [RegType, number];
const plain = (...types: RegType[]): TypeRow[] => types.map((type) => [type, 0]);
const BTF_TRUSTED: TypeRow = [RegType.BtfId, RegFlag.Trusted];

const SOCKS = plain(RegType.SockCommon, RegType.Sock, RegType.TcpSock, RegType.XdpSock);
const MEMORY: readonly TypeRow[] = [
  ...plain(RegType.Stack, RegType.Packet, RegType.PacketMeta, RegType.MapKey, RegType.MapValue, RegType.Mem),
  [RegType.Mem, RegFlag.Ringbuf],
  [RegType.Buf, 0],
  BTF_TRUSTED,
];
const BTF: readonly TypeRow[] = [[RegType.BtfId, 0], BTF_TRUSTED, [RegType.BtfId, RegFlag.Rcu]];
const PERCPU: readonly TypeRow[] = [
  [RegType.BtfId, RegFlag.Percpu],
  [RegType.BtfId, RegFlag.Percpu | RegFlag.Rcu],
  [RegType.BtfId, RegFlag.Percpu | RegFlag.Trusted],
];
const VALUE_OR_ALLOC: readonly TypeRow[] = [
  [RegType.MapValue, 0],
  [RegType.BtfId, RegFlag.Alloc],
];

/** Register types that each kind of argument takes, in the order in which the kernel names them. */
const ACCEPTED: Readonly<Record<Exclude<ArgBase, 'anything' | 'unchecked'>, readonly TypeRow[]>> = {
  map_key: MEMORY,
  map_value: MEMORY,
  const_size: plain(RegType.Scalar),
  const_size_or_zero: plain(RegType.Scalar),
  const_alloc_size_or_zero: plain(RegType.Scalar),
  const_map_ptr: plain(RegType.MapPtr),
  ctx: plain(RegType.Ctx),
  sock_common: SOCKS,
  btf_id_sock_common: [...SOCKS, [RegType.BtfId, 0], BTF_TRUSTED],
  socket: plain(RegType.Sock),
  btf_id: BTF,
  spin_lock: VALUE_OR_ALLOC,
  mem: MEMORY,
  ringbuf_mem: [[RegType.Mem, RegFlag.Ringbuf]],
  percpu_btf_id: PERCPU,
  func: plain(RegType.Func),
  stack: plain(RegType.Stack),
  const_str: plain(RegType.MapValue),
  timer: plain(RegType.MapValue),
  kptr: VALUE_OR_ALLOC,
  dynptr: plain(RegType.Stack, RegType.Dynptr),
};

function assertType(env: Env, regno: number, arg: ArgSpec, base: ArgBase, helper: string): void {
  if (base === 'anything' || base === 'unchecked') return;
  const reg = env.reg(regno);
  let { flags } = reg;
  if (arg.rdonly === true) flags &= ~RegFlag.RdOnly;
  if (arg.nullable === true) flags &= ~RegFlag.OrNull;
  if (base === 'mem') flags &= ~RegFlag.PacketSlice;
  if (helper === 'bpf_kptr_xchg' && regno === 2) flags &= ~(RegFlag.Alloc | RegFlag.Percpu);
  const accepted = ACCEPTED[base];
  if (!accepted.some(([type, wanted]) => type === reg.type && wanted === flags)) {
    const expected = accepted.map(([type, wanted]) => regTypeName(type, wanted)).join(', ');
    env.reject(Errno.EACCES, `R${regno} type=${reg.typeName()} expected=${expected}`);
  }
  if (reg.type === RegType.BtfId) assertBtf(env, regno, reg, arg, base, helper);
}

/** Kernel structures that begin with another one, so that a pointer to it will do. */
const EMBEDS: Readonly<Record<string, readonly string[]>> = {
  tcp_sock: ['inet_connection_sock', 'inet_sock', 'sock', 'sock_common'],
  udp_sock: ['inet_sock', 'sock', 'sock_common'],
  udp6_sock: ['udp_sock', 'inet_sock', 'sock', 'sock_common'],
  tcp6_sock: ['tcp_sock', 'inet_connection_sock', 'inet_sock', 'sock', 'sock_common'],
  inet_sock: ['sock', 'sock_common'],
  sock: ['sock_common'],
  tcp_request_sock: ['inet_request_sock', 'request_sock', 'sock_common'],
  tcp_timewait_sock: ['inet_timewait_sock', 'sock_common'],
  unix_sock: ['sock', 'sock_common'],
  mptcp_sock: ['inet_connection_sock', 'inet_sock', 'sock', 'sock_common'],
};

const isStruct = (actual: string, wanted: string): boolean =>
  actual.replace(/___.*/, '') === wanted || EMBEDS[actual]?.includes(wanted) === true;

function assertBtf(env: Env, regno: number, reg: Reg, arg: ArgSpec, base: ArgBase, helper: string): void {
  if (ACCEPTED[base as 'mem'] === MEMORY) {
    if (arg.rdonly !== true)
      env.reject(
        Errno.EACCES,
        `${helper}() may write into memory pointed by R${regno} type=${reg.typeName()}`,
      );
    return;
  }
  if (reg.mayBeNull && (arg.nullable !== true || arg.release === true)) {
    env.reject(Errno.EACCES, `Possibly NULL pointer passed to helper arg${regno}`);
  }
  if (reg.has(RegFlag.Alloc) || reg.has(RegFlag.Percpu) || helper === 'bpf_kptr_xchg') return;
  const wanted = base === 'btf_id_sock_common' ? ['sock_common'] : (arg.btf ?? []);
  if (wanted.length > 0 && !wanted.some((name) => isStruct(reg.btfName, name))) {
    env.reject(Errno.EACCES, `R${regno} is of type ${reg.btfName} but ${wanted[0]} is expected`);
  }
}

const MAY_BE_MOVED = new Set<RegType>([
  RegType.Stack,
  RegType.Packet,
  RegType.PacketMeta,
  RegType.MapKey,
  RegType.MapValue,
  RegType.Mem,
  RegType.Buf,
  RegType.Arena,
  RegType.Scalar,
]);

/** Pointers that must be passed as they were got. */
export function assertArgOffset(env: Env, regno: number, isRelease: boolean, isDynptr: boolean): void {
  const reg = env.reg(regno);
  if (isRelease) {
    if (isDynptr && reg.type === RegType.Stack) return;
    if (reg.off !== 0) {
      env.reject(
        Errno.EINVAL,
        `R${regno} must have zero offset when passed to release func or trusted arg to kfunc`,
      );
    }
    assertUnmoved(env, reg, regno, false);
    return;
  }
  if (MAY_BE_MOVED.has(reg.type) && !reg.mayBeNull) return;
  assertUnmoved(env, reg, regno, reg.type === RegType.BtfId);
}

/** Checks argument `index` (0 to 4). */
export function checkArg(env: Env, fn: Helper, index: number, args: CallArgs): void {
  const arg = fn.args[index];
  const regno = index + 1;
  if (arg === undefined || arg.base === 'unchecked') return;
  assertInit(env, regno);
  if (arg.base === 'anything') return;
  const reg = env.reg(regno);
  if (reg.isPacket && !mayPassPacket(env, fn)) {
    env.reject(Errno.EACCES, 'helper access to the packet is not allowed');
  }
  const base = effectiveBase(arg, args);
  if (reg.isNullScalar && arg.nullable === true) markPrecise(env, regno);
  else {
    assertType(env, regno, arg, base, fn.name);
    assertArgOffset(env, regno, arg.release === true, base === 'dynptr');
  }
  if (arg.release === true) noteRelease(env, regno, arg, args);
  if (reg.refObjId !== 0 && base !== 'kptr') {
    if (args.refObjId !== 0) {
      env.reject(
        Errno.EFAULT,
        `more than one arg with ref_obj_id R${regno} ${reg.refObjId} ${args.refObjId}`,
      );
    }
    args.refObjId = reg.refObjId;
  }
  checkMeaning(env, fn, index, base, args);
}

function mayPassPacket(env: Env, fn: Helper): boolean {
  return mayAccessPacket(env, false) && (fn.pktAccess === true || env.input.progType === 25);
}

/** Values of socket maps are sockets. */
function effectiveBase(arg: ArgSpec, args: CallArgs): ArgBase {
  const type = args.map?.type;
  if (arg.base === 'map_value' && (type === MapType.Sockmap || type === MapType.Sockhash)) {
    return 'btf_id_sock_common';
  }
  return arg.base;
}

function noteRelease(env: Env, regno: number, arg: ArgSpec, args: CallArgs): void {
  const reg = env.reg(regno);
  if (arg.base === 'dynptr') {
    if (reg.type !== RegType.Stack) {
      env.reject(Errno.EINVAL, 'cannot release unowned const bpf_dynptr');
    }
    const slot = objectSlot(env, reg, 'dynptr', 2);
    const held = typeof slot === 'number' ? frameOf(env, reg).stack[slot].reg.refObjId : 0;
    if (held === 0) env.reject(Errno.EINVAL, `arg ${regno} is an unacquired reference`);
  } else if (reg.refObjId === 0 && !reg.isNullScalar) {
    env.reject(Errno.EINVAL, `R${regno} must be referenced when passed to release function`);
  }
  args.release = regno;
}

function checkMeaning(env: Env, fn: Helper, index: number, base: ArgBase, args: CallArgs): void {
  const arg = fn.args[index];
  const regno = index + 1;
  const reg = env.reg(regno);
  const access = arg.write === true ? 'write' : 'read';
  switch (base) {
    case 'const_map_ptr':
      if (args.map !== null && (args.map !== reg.map || args.mapUid !== reg.mapUid)) {
        env.reject(
          Errno.EINVAL,
          `timer pointer in R1 map_uid=${args.mapUid} doesn't match map pointer in R2 map_uid=${reg.mapUid}`,
        );
      }
      args.map = reg.map;
      args.mapUid = reg.mapUid;
      return;
    case 'map_key':
      assertHelperMemory(env, { regno, size: args.map!.keySize, access: 'read', zeroAllowed: false });
      args.isKeyPresent = isKeyInArray(env, regno, args.map!);
      return;
    case 'map_value':
      if (arg.nullable === true && reg.isNullScalar) return;
      args.raw = arg.uninit === true ? { regno: 0, size: 0 } : undefined;
      assertHelperMemory(env, {
        regno,
        size: args.map!.valueSize,
        access,
        zeroAllowed: false,
        raw: args.raw,
      });
      return;
    case 'mem':
      args.raw = arg.uninit === true ? { regno: 0, size: 0 } : undefined;
      if (arg.size !== undefined) {
        assertHelperMemory(env, { regno, size: arg.size, access, zeroAllowed: false, raw: args.raw });
        if (arg.aligned === true) assertFixedAlignment(env, regno, arg.size);
      }
      return;
    case 'const_size':
    case 'const_size_or_zero':
      args.maxSize = reg.bounds.umax;
      assertSizedMemory(env, regno, {
        access: fn.args[index - 1].write === true ? 'write' : 'read',
        zeroAllowed: base === 'const_size_or_zero',
        raw: args.raw,
      });
      return;
    case 'const_alloc_size_or_zero':
      if (!reg.bounds.isConst()) env.reject(Errno.EACCES, `R${regno} is not a known constant'`);
      args.memSize = Number(reg.bounds.tnum.value);
      markPrecise(env, regno);
      return;
    case 'spin_lock':
      useSpinLock(env, regno, fn.name === 'bpf_spin_lock');
      return;
    case 'timer':
      useTimer(env, regno, 'timer');
      if (fn.name === 'bpf_timer_init') {
        args.map = reg.map;
        args.mapUid = reg.mapUid;
      }
      return;
    case 'func':
      args.subprog = reg.subprog;
      return;
    case 'dynptr':
      checkDynptr(env, regno, arg, args, fn);
      return;
    case 'const_str':
      readConstString(env, regno);
      return;
    case 'kptr':
      checkKptr(env, regno, args);
      return;
    case 'percpu_btf_id':
      args.percpu = reg;
      return;
    case 'anything':
    case 'unchecked':
    case 'ctx':
    case 'sock_common':
    case 'btf_id_sock_common':
    case 'socket':
    case 'stack':
    case 'ringbuf_mem':
    case 'btf_id':
  }
}

function assertFixedAlignment(env: Env, regno: number, size: number): void {
  const reg = env.reg(regno);
  const at = BigInt(reg.off) + reg.bounds.tnum.value;
  if (((at | reg.bounds.tnum.mask) & BigInt(size - 1)) === 0n) return;
  const what = reg.type === RegType.Stack ? 'stack ' : reg.type === RegType.MapValue ? 'value ' : '';
  env.reject(Errno.EACCES, `misaligned ${what}access off ${reg.bounds.tnum.value}+${reg.off}+0 size ${size}`);
}

function checkDynptr(env: Env, regno: number, arg: ArgSpec, args: CallArgs, fn: Helper): void {
  if (arg.uninit === true) {
    makeDynptr(env, regno, (arg.dynptr ?? 'local') as DynptrType);
    return;
  }
  const found = useDynptr(env, regno, { type: arg.dynptr ?? 'any', isReadOnly: arg.rdonly === true });
  if (fn.name === 'bpf_dynptr_data') {
    args.dynptrId = found.id;
    args.refObjId = found.refObjId;
  }
}

function checkKptr(env: Env, regno: number, args: CallArgs): void {
  const reg = env.reg(regno);
  if (!reg.bounds.isConst()) {
    env.reject(Errno.EINVAL, `R${regno} doesn't have constant offset. kptr has to be at the constant offset`);
  }
  const at = reg.off + Number(BigInt.asIntN(64, reg.bounds.tnum.value));
  const field = (reg.map?.fields ?? reg.fields).find((f) => f.offset === at && f.kind.startsWith('kptr'));
  if (field === undefined) env.reject(Errno.EACCES, `off=${at} doesn't point to kptr`);
  if (field.kind === 'kptr_unref') env.reject(Errno.EACCES, `off=${at} kptr isn't referenced kptr`);
  args.kptrTarget = field.target ?? '';
}
