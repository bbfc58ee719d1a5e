/** Loads and stores: which memory a pointer names, whether the access is allowed, what a load leaves behind. */
import { Errno } from '../errors.js';
import { progTypeRow } from '../progs/prog-table.js';
import { AttachType, ProgType } from '../progs/prog-types.js';
import { ctxAccess, iteratorAccess, sockAccess } from './ctx-access.js';
import { Bounds } from './bounds.js';
import type { Env } from './env.js';
import { accessBtf, accessMapStruct } from './btf-access.js';
import { formatTnum } from './print-state.js';
import { Reg, RegFlag, RegType, UNKNOWN_SCALAR, withBounds } from './reg-state.js';
import {
  assertBuffer,
  assertMapCapability,
  assertMapValue,
  assertPacket,
  assertRegion,
  assertUnmoved,
  isReadOnly,
} from './region-access.js';
import { signExtend, zeroExtend } from './scalar-alu.js';
import { assertStackBounds, readStack, writeStack } from './stack-access.js';
import { s64, tnumAdd, tnumConst, tnumIsAligned } from './tnum.js';

export interface MemAccess {
  /** Register that holds the address. */
  readonly regno: number;
  readonly off: number;
  readonly size: number;
  readonly isWrite: boolean;
  /** Register loaded or stored; -1: none. */
  readonly value: number;
  /** The constant that is stored. */
  readonly imm?: number;
  readonly isSigned?: boolean;
  /** Alignment is checked even where unaligned access is cheap. */
  readonly isStrict?: boolean;
}

const POINTER_DESCRIPTION: Partial<Record<RegType, string>> = {
  [RegType.FlowKeys]: 'flow keys ',
  [RegType.MapKey]: 'key ',
  [RegType.MapValue]: 'value ',
  [RegType.Ctx]: 'context ',
  [RegType.Stack]: 'stack ',
  [RegType.Sock]: 'sock ',
  [RegType.SockCommon]: 'sock_common ',
  [RegType.TcpSock]: 'tcp_sock ',
  [RegType.XdpSock]: 'xdp_sock ',
};

/** What drivers leave before the Ethernet header, so that the IP header is aligned. */
const NET_IP_ALIGN = 2;

function assertAligned(env: Env, reg: Reg, a: MemAccess): void {
  const isStrict =
    reg.type === RegType.Stack || a.isStrict === true || env.input.flags.strictAlignment === true;
  if (!isStrict || a.size === 1 || reg.type === RegType.Arena) return;
  const pad = reg.isPacket ? NET_IP_ALIGN : 0;
  const at = tnumAdd(reg.bounds.tnum, tnumConst(BigInt(pad + reg.off + a.off)));
  if (tnumIsAligned(at, BigInt(a.size))) return;
  const variable = formatTnum(reg.bounds.tnum);
  const what = reg.isPacket
    ? `packet access off ${pad}+${variable}`
    : `${POINTER_DESCRIPTION[reg.type] ?? ''}access off ${variable}`;
  env.reject(Errno.EACCES, `misaligned ${what}+${reg.off}+${a.off} size ${a.size}`);
}

/** Checks one access and, for a load, sets the loaded register. */
export function accessMemory(env: Env, a: MemAccess): void {
  const reg = env.reg(a.regno);
  assertAligned(env, reg, a);
  noteProved(env, reg);
  dispatch(env, reg, { ...a, off: a.off + reg.off });
  if (!a.isWrite && a.size < 8 && a.value >= 0) narrowLoaded(env, a);
}

/** Memory whose end is known only when the program runs: its accesses stay checked. */
const CHECKED_AT_RUN_TIME = new Set<RegType>([
  RegType.Buf,
  RegType.TpBuffer,
  RegType.BtfId,
  RegType.Arena,
  RegType.MapPtr,
]);

/** An access is proved when every path that reaches it names memory whose bounds are checked here. */
function noteProved(env: Env, reg: Reg): void {
  const isOpenCtx =
    reg.type === RegType.Ctx &&
    (env.input.progType === ProgType.Syscall || env.input.progType === ProgType.Tracepoint);
  if (isOpenCtx || CHECKED_AT_RUN_TIME.has(reg.type)) env.unproved[env.pc] = 1;
  else env.proved[env.pc] = 1;
}

function narrowLoaded(env: Env, a: MemAccess): void {
  const loaded = env.reg(a.value);
  if (loaded.type !== RegType.Scalar) return;
  const { bounds } = loaded;
  const narrowed = a.isSigned === true ? signExtend(bounds, a.size, 64) : zeroExtend(bounds, a.size);
  env.setReg(a.value, withBounds(loaded, narrowed));
}

const setUnknown = (env: Env, a: MemAccess): void => {
  if (!a.isWrite && a.value >= 0) env.setReg(a.value, UNKNOWN_SCALAR);
};

function dispatch(env: Env, reg: Reg, a: MemAccess): void {
  switch (reg.type) {
    case RegType.Stack:
      if (reg.mayBeNull) break;
      assertStackBounds(env, a.regno, a.off, a.size, 'direct', a.isWrite ? 'write' : 'read');
      if (a.isWrite) writeStack(env, a.regno, a.off, a.size, a.value, a.imm);
      else readStack(env, a.regno, a.off, a.size, a.value);
      return;
    case RegType.MapValue:
      if (reg.mayBeNull) break;
      accessMapValue(env, reg, a);
      return;
    case RegType.MapKey:
      if (reg.mayBeNull) break;
      if (a.isWrite) env.reject(Errno.EACCES, `write to change key R${a.regno} not allowed`);
      assertRegion(env, a.regno, a.off, a.size, reg.map!.keySize, false);
      setUnknown(env, a);
      return;
    case RegType.Mem:
      if (reg.mayBeNull) break;
      if (a.isWrite) assertWritable(env, reg, a.regno);
      assertRegion(env, a.regno, a.off, a.size, reg.memSize, false);
      setUnknown(env, a);
      return;
    case RegType.Ctx:
      if (reg.mayBeNull) break;
      accessCtx(env, reg, a);
      return;
    case RegType.Packet:
    case RegType.PacketMeta:
      if (a.isWrite && !mayAccessPacket(env, true)) env.reject(Errno.EACCES, 'cannot write into packet');
      assertPacket(env, a.regno, a.off, a.size, false);
      setUnknown(env, a);
      return;
    case RegType.FlowKeys:
      if (a.off < 0 || a.off + a.size > FLOW_KEYS_SIZE)
        env.reject(Errno.EACCES, `invalid access to flow keys off=${a.off} size=${a.size}`);
      setUnknown(env, a);
      return;
    case RegType.Sock:
    case RegType.SockCommon:
    case RegType.TcpSock:
    case RegType.XdpSock:
      if (reg.mayBeNull) break;
      accessSock(env, reg, a);
      return;
    case RegType.TpBuffer:
      assertBuffer(env, a.regno, a.off, a.size, 'tracepoint');
      setUnknown(env, a);
      return;
    case RegType.BtfId:
      if (reg.mayBeNull) break;
      accessBtf(env, reg, a);
      return;
    case RegType.MapPtr:
      accessMapStruct(env, reg, a);
      return;
    case RegType.Buf:
      if (reg.mayBeNull) break;
      if (a.isWrite) assertWritable(env, reg, a.regno);
      assertBuffer(env, a.regno, a.off, a.size, isReadOnly(reg) ? 'rdonly' : 'rdwr');
      setUnknown(env, a);
      return;
    case RegType.Arena:
      setUnknown(env, a);
      return;
    default:
  }
  env.reject(Errno.EACCES, `R${a.regno} invalid mem access '${reg.typeName()}'`);
}

const FLOW_KEYS_SIZE = 56;

function assertWritable(env: Env, reg: Reg, regno: number): void {
  if (isReadOnly(reg)) env.reject(Errno.EACCES, `R${regno} cannot write into ${reg.typeName()}`);
}

function accessMapValue(env: Env, reg: Reg, a: MemAccess): void {
  const map = reg.map!;
  assertMapCapability(env, map, a.off, a.size, a.isWrite ? 'write' : 'read');
  assertMapValue(env, a.regno, a.off, a.size, false, 'direct');
  const { bounds } = reg;
  const at = bounds.isConst() ? a.off + Number(s64(bounds.tnum.value)) : -1;
  const kptr = map.fields.find((f) => f.offset === at && f.kind.startsWith('kptr'));
  if (kptr !== undefined) {
    accessKptr(env, a, kptr.kind, kptr.target ?? '');
    return;
  }
  if (a.isWrite || a.value < 0) return;
  if (map.constant !== undefined && at >= 0 && a.size <= 8 && at + a.size <= map.constant.length) {
    env.setReg(a.value, Reg.constant(readConstant(map.constant, at, a.size, a.isSigned === true)));
  } else env.setReg(a.value, UNKNOWN_SCALAR);
}

function readConstant(bytes: Uint8Array, at: number, size: number, isSigned: boolean): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]);
  return isSigned ? BigInt.asUintN(64, BigInt.asIntN(size * 8, value)) : value;
}

function accessKptr(env: Env, a: MemAccess, kind: string, target: string): void {
  const { kind: insn } = env.row;
  if (insn !== 'ldx' && insn !== 'stx' && insn !== 'st')
    env.reject(Errno.EACCES, 'kptr in map can only be accessed using BPF_MEM instruction mode');
  if (a.isWrite && kind === 'kptr_ref') env.reject(Errno.EACCES, 'store to referenced kptr disallowed');
  if (!a.isWrite && a.value >= 0) {
    const loaded = Reg.pointer(RegType.BtfId, RegFlag.OrNull | RegFlag.Untrusted);
    loaded.btfName = target;
    loaded.id = env.nextId();
    env.setReg(a.value, loaded);
    return;
  }
  const stored = a.value >= 0 ? env.reg(a.value) : undefined;
  const isNull = stored === undefined ? a.imm === 0 : stored.isNullScalar;
  if (isNull) return;
  if (stored === undefined)
    env.reject(Errno.EACCES, 'BPF_ST imm must be 0 when storing to kptr at off=' + String(a.off));
  if (stored.type !== RegType.BtfId || stored.btfName !== target)
    env.reject(
      Errno.EINVAL,
      `invalid kptr access, R${a.value} type=${stored.typeName()}${stored.btfName} expected=ptr_${target}`,
    );
}

function accessCtx(env: Env, reg: Reg, a: MemAccess): void {
  // Syscall programs may address their context through a variable or fixed offset; all others only through r1 itself.
  assertUnmoved(env, reg, a.regno, env.input.progType === ProgType.Syscall);
  const access = { off: a.off, size: a.size, isWrite: a.isWrite, isSigned: a.isSigned === true };
  const { progType, attachType, attachTo } = env.input;
  const isIterator = progType === ProgType.Tracing && attachType === AttachType.TraceIter;
  const value =
    (isIterator ? iteratorAccess(attachTo, access) : undefined) ?? ctxAccess(progType, attachType, access);
  if (value === undefined) {
    env.reject(Errno.EACCES, `invalid bpf_context access off=${a.off} size=${a.size}`);
  }
  if (a.isWrite || a.value < 0) return;
  if (value.type === RegType.Scalar) {
    env.setReg(
      a.value,
      value.range === undefined ? UNKNOWN_SCALAR : ranged(value.range.min, value.range.max),
    );
    return;
  }
  const loaded = Reg.pointer(value.type, value.flags ?? RegFlag.None);
  loaded.btfName = value.btfName ?? '';
  if (loaded.mayBeNull) loaded.id = env.nextId();
  env.setReg(a.value, loaded);
}

export function ranged(min: number, max: number): Reg {
  const bounds = new Bounds();
  bounds.smin = BigInt(min);
  bounds.smax = BigInt(max);
  bounds.s32min = min;
  bounds.s32max = max;
  bounds.sync();
  return Reg.scalar(bounds);
}

function accessSock(env: Env, reg: Reg, a: MemAccess): void {
  if (a.isWrite) env.reject(Errno.EACCES, `R${a.regno} cannot write into ${reg.typeName()}`);
  if (reg.bounds.smin < 0n) {
    env.reject(
      Errno.EACCES,
      `R${a.regno} min value is negative, either use unsigned index or do a if (index >=0) check.`,
    );
  }
  if (!sockAccess(reg.type, a.off, a.size) || !reg.bounds.isConst()) {
    env.reject(Errno.EACCES, `R${a.regno} invalid ${reg.typeName()} access off=${a.off} size=${a.size}`);
  }
  setUnknown(env, a);
}

/** Whether the program type may touch packet bytes directly. */
export function mayAccessPacket(env: Env, isWrite: boolean): boolean {
  const { progType } = env.input;
  // Programs of sockets' operations see headers only through their own context's pointers.
  if (progType === ProgType.SockOps) return false;
  const rule = progTypeRow(progType)?.packet;
  return rule === 'write' || (rule === 'read' && !isWrite);
}
