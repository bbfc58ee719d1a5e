/** Memory arguments of helpers and kfuncs. */
import { Errno } from '../errors.js';
import { ProgType } from '../progs/prog-types.js';
import { MAX_VAR_SIZE } from './env.js';
import type { Env } from './env.js';
import { accessBtf } from './btf-access.js';
import { notNull } from './jumps.js';
import { accessMemory } from './mem-access.js';
import { markPrecise } from './precision.js';
import { RegType, regTypeName } from './reg-state.js';
import {
  assertBuffer,
  assertMapCapability,
  assertMapValue,
  assertPacket,
  assertRegion,
  isReadOnly,
} from './region-access.js';
import type { Access, RawMemory } from './stack-access.js';
import { assertInitialized } from './stack-access.js';

export interface MemArg {
  readonly regno: number;
  readonly size: number;
  readonly access: Access;
  readonly zeroAllowed: boolean;
  /** Set for memory that the helper fills, which need not be initialised. */
  readonly raw?: RawMemory | undefined;
}

/** `size` bytes at the register may be read or written by a helper. */
export function assertHelperMemory(env: Env, m: MemArg): void {
  const reg = env.reg(m.regno);
  const rejectWrite = (): void => {
    if (m.access === 'write') env.reject(Errno.EACCES, `R${m.regno} cannot write into ${reg.typeName()}`);
  };
  switch (reg.type) {
    case RegType.Packet:
    case RegType.PacketMeta:
      assertPacket(env, m.regno, reg.off, m.size, m.zeroAllowed);
      return;
    case RegType.MapKey:
      rejectWrite();
      assertRegion(env, m.regno, reg.off, m.size, reg.map!.keySize, false);
      return;
    case RegType.MapValue:
      assertMapCapability(env, reg.map!, reg.off, m.size, m.access);
      assertMapValue(env, m.regno, reg.off, m.size, m.zeroAllowed, 'helper');
      return;
    case RegType.Mem:
      if (isReadOnly(reg)) rejectWrite();
      assertRegion(env, m.regno, reg.off, m.size, reg.memSize, m.zeroAllowed);
      return;
    case RegType.Buf:
      if (isReadOnly(reg)) rejectWrite();
      assertBuffer(env, m.regno, reg.off, m.size, isReadOnly(reg) ? 'rdonly' : 'rdwr');
      return;
    case RegType.Stack:
      assertInitialized(env, m.regno, reg.off, m.size, m.zeroAllowed, 'helper', m.raw, m.access === 'write');
      return;
    case RegType.BtfId:
      accessBtf(env, reg, { regno: m.regno, off: reg.off, size: m.size, isWrite: false, value: -1 });
      return;
    case RegType.Ctx:
      if (env.input.progType === ProgType.Syscall || env.input.progType === ProgType.Tracepoint) {
        assertCtxMemory(env, m);
        return;
      }
      break;
    default:
  }
  if (m.zeroAllowed && m.size === 0 && reg.isNullScalar) return;
  env.reject(Errno.EACCES, `R${m.regno} type=${reg.typeName()} expected=${regTypeName(RegType.Stack, 0)}`);
}

/** Contexts without fields are memory: their last byte must be accessible. */
function assertCtxMemory(env: Env, m: MemArg): void {
  if (m.size === 0) {
    if (!m.zeroAllowed) env.reject(Errno.EACCES, '');
    return;
  }
  accessMemory(env, {
    regno: m.regno,
    off: m.size - 1,
    size: 1,
    isWrite: m.access === 'write',
    value: -1,
  });
}

/** A size in `regno`, of the memory in the register before it. */
export function assertSizedMemory(env: Env, regno: number, m: Omit<MemArg, 'regno' | 'size'>): void {
  const { bounds } = env.reg(regno);
  if (bounds.smin < 0n) {
    env.reject(Errno.EACCES, `R${regno} min value is negative, either use unsigned or 'var &= const'`);
  }
  if (bounds.umin === 0n && !m.zeroAllowed) {
    env.reject(
      Errno.EACCES,
      `R${regno} invalid zero-sized read: u64=[${bounds.umin},${BigInt.asIntN(64, bounds.umax)}]`,
    );
  }
  if (bounds.umax >= BigInt(MAX_VAR_SIZE)) {
    env.reject(Errno.EACCES, `R${regno} unbounded memory access, use 'var &= const' or 'if (var < const)'`);
  }
  // What is filled only up to a variable length must have been initialised as a whole.
  const raw = bounds.isConst() ? m.raw : undefined;
  assertHelperMemory(env, { ...m, raw, regno: regno - 1, size: Number(bounds.umax) });
  markPrecise(env, regno);
}

/** Memory that is read and written, by a pointer that may be NULL: as global functions and kfuncs take it. */
export function assertReadWrite(env: Env, regno: number, check: () => void): void {
  const reg = env.reg(regno);
  if (reg.isNullScalar) return;
  if (!reg.mayBeNull) {
    check();
    return;
  }
  const { regs } = env.frame;
  regs[regno] = notNull(reg);
  check();
  regs[regno] = reg;
}
