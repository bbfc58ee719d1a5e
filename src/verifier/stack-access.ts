/** Reads and writes of the stack: what must hold, and what becomes of slots and registers. */
import { Errno } from '../errors.js';
import { MAX_STACK, MAX_VAR_OFF } from './env.js';
import type { Env } from './env.js';
import { markPrecise, pushHistory } from './precision.js';
import { formatTnum } from './print-state.js';
import { NOT_INIT, Reg, RegType, UNKNOWN_SCALAR, ZERO_SCALAR, withoutId } from './reg-state.js';
import type { Slot } from './stack.js';
import { Byte, byteAt, byteIndex, isScalarSpill, isSpill, scrubbed, slotIndex, withByte } from './stack.js';
import { destroyDynptrAt } from './dynptr.js';
import type { FuncState } from './state.js';
import { Live } from './state.js';
import { s64 } from './tnum.js';

export type AccessSource = 'direct' | 'helper';
export type Access = 'read' | 'write';

/** The frame that a stack pointer points into. */
export const frameOf = (env: Env, reg: Reg): FuncState => env.state.frames[reg.frameno];

/** A slot was read: what was there before matters to the checkpoints before. */
export function markSlotRead(frame: FuncState, slot: number): void {
  let below = frame;
  for (let parent = frame.parent; parent !== null; parent = parent.parent) {
    if ((below.live[slot] & Live.Written) !== 0) return;
    if (slot >= parent.stack.length) return;
    if ((parent.live[slot] & Live.Read) !== 0) return;
    parent.live[slot] |= Live.Read;
    below = parent;
  }
}

/** Lowest and highest first byte that the pointer may name, from the frame pointer. */
function offsets(reg: Reg, off: number): { min: number; max: number } {
  if (reg.bounds.isConst()) {
    const at = Number(s64(reg.bounds.tnum.value)) + off;
    return { min: at, max: at };
  }
  return { min: Number(reg.bounds.smin) + off, max: Number(reg.bounds.smax) + off };
}

/** Refuses an access outside the 512 bytes of the frame; grows the frame's used stack to cover it. */
export function assertStackBounds(
  env: Env,
  regno: number,
  off: number,
  size: number,
  source: AccessSource,
  access: Access,
): void {
  const reg = env.reg(regno);
  const what = source === 'helper' ? ' indirect access to' : access === 'read' ? ' read from' : ' write to';
  const { bounds } = reg;
  const isFixed = bounds.isConst();
  if (!isFixed && (bounds.smax >= BigInt(MAX_VAR_OFF) || bounds.smin <= BigInt(-MAX_VAR_OFF))) {
    env.reject(Errno.EACCES, `invalid unbounded variable-offset${what} stack R${regno}`);
  }
  const { min, max } = offsets(reg, off);
  const end = max + size;
  const errno =
    min < -MAX_STACK || min > -1 ? Errno.EACCES : end > 0 ? Errno.EINVAL : size < 0 ? Errno.EFAULT : 0;
  if (errno !== 0) {
    env.reject(
      errno,
      isFixed
        ? `invalid${what} stack R${regno} off=${min} size=${size}`
        : `invalid variable-offset${what} stack R${regno} var_off=${formatTnum(bounds.tnum)} off=${off} size=${size}`,
    );
  }
  growStack(env, frameOf(env, reg), -min);
}

function growStack(env: Env, frame: FuncState, bytes: number): void {
  frame.growStack((bytes + 7) >> 3);
  const subprog = env.subprogs[frame.subprog];
  if (bytes > subprog.stackDepth) subprog.stackDepth = bytes;
}

/** `*(size *)(reg + off) = value`; `valueRegno` -1 stores `imm`, undefined: something unknown. */
export function writeStack(
  env: Env,
  regno: number,
  off: number,
  size: number,
  valueRegno: number,
  imm: number | undefined,
): void {
  const reg = env.reg(regno);
  const frame = frameOf(env, reg);
  if (reg.bounds.isConst()) {
    writeFixed(env, frame, off + Number(s64(reg.bounds.tnum.value)), size, valueRegno, imm);
  } else writeVariable(env, frame, reg, off, size, valueRegno, imm);
}

const SPILLABLE = new Set<RegType>([
  RegType.MapValue,
  RegType.Stack,
  RegType.Ctx,
  RegType.Packet,
  RegType.PacketMeta,
  RegType.PacketEnd,
  RegType.FlowKeys,
  RegType.MapPtr,
  RegType.Sock,
  RegType.SockCommon,
  RegType.TcpSock,
  RegType.XdpSock,
  RegType.BtfId,
  RegType.Buf,
  RegType.Mem,
  RegType.Func,
  RegType.MapKey,
  RegType.Arena,
]);

/** Whether the value needs no more than `size` bytes. */
const fitsIn = (reg: Reg, size: number): boolean => size >= 8 || reg.bounds.umax < 1n << BigInt(size * 8);

function spill(frame: FuncState, index: number, reg: Reg, size: number): void {
  const old = frame.stack[index];
  let { bytes } = old;
  for (let i = 0; i < 8; i++) {
    if (i >= 8 - size) bytes = withByte(bytes, i, Byte.Spill);
    else if (byteAt(old, i) !== Byte.Zero && byteAt(old, i) !== Byte.Invalid)
      bytes = withByte(bytes, i, Byte.Misc);
  }
  frame.stack[index] = { bytes, reg };
  if (size === 8) frame.live[index] |= Live.Written;
}

function writeFixed(
  env: Env,
  frame: FuncState,
  off: number,
  size: number,
  valueRegno: number,
  imm: number | undefined,
): void {
  const index = slotIndex(off);
  destroyDynptrAt(env, frame, index);
  env.log.touchSlot(index);
  const value = valueRegno >= 0 ? env.reg(valueRegno) : undefined;
  const isAligned = (off & 7) === 0;
  if (isAligned && value?.type === RegType.Scalar) {
    spill(frame, index, fitsIn(value, size) ? ensureId(env, valueRegno) : withoutId(value), size);
    pushHistory(env, frame.frameno, index);
  } else if (isAligned && value === undefined && imm !== undefined) {
    spill(frame, index, Reg.constant(BigInt(imm)), size);
    pushHistory(env, frame.frameno, index);
  } else if (value !== undefined && SPILLABLE.has(value.type)) {
    if (size !== 8) env.reject(Errno.EACCES, 'invalid size of register spill');
    if (frame !== env.frame && value.type === RegType.Stack) {
      env.reject(Errno.EINVAL, 'cannot spill pointers to stack into stack frame of the caller');
    }
    spill(frame, index, value, 8);
    pushHistory(env, frame.frameno, index);
  } else writeBytes(env, frame, off, size, valueRegno, imm);
}

/** Plain data: what lies there loses its meaning, zeroes are remembered. */
function writeBytes(
  env: Env,
  frame: FuncState,
  off: number,
  size: number,
  valueRegno: number,
  imm: number | undefined,
): void {
  const index = slotIndex(off);
  const slot = frame.stack[index];
  let bytes = scrubbed(slot);
  if (size === 8) frame.live[index] |= Live.Written;
  const isZero = valueRegno >= 0 ? env.reg(valueRegno).isNullScalar : imm === 0;
  if (isZero && valueRegno >= 0) markPrecise(env, valueRegno);
  for (let i = 0; i < size; i++) bytes = withByte(bytes, byteIndex(off + i), isZero ? Byte.Zero : Byte.Misc);
  frame.stack[index] = { bytes, reg: NOT_INIT };
}

/** Any of the slots in the range may be written: none keeps what it was known to hold. */
function writeVariable(
  env: Env,
  frame: FuncState,
  pointer: Reg,
  off: number,
  size: number,
  valueRegno: number,
  imm: number | undefined,
): void {
  const { min, max } = offsets(pointer, off);
  const isZero = valueRegno >= 0 ? env.reg(valueRegno).isNullScalar : imm === 0;
  let isZeroUsed = false;
  for (let at = min; at < max + size; at++) destroyDynptrAt(env, frame, slotIndex(at));
  for (let at = min; at < max + size; at++) {
    const index = slotIndex(at);
    const slot = frame.stack[index];
    env.log.touchSlot(index);
    const byte = byteAt(slot, byteIndex(at));
    if (isZero && byte === Byte.Spill && isScalarSpill(slot) && slot.reg.isNullScalar) {
      isZeroUsed = true;
      continue;
    }
    const keepsZero = isZero && byte === Byte.Zero;
    isZeroUsed ||= keepsZero;
    const bytes = withByte(scrubbed(slot), byteIndex(at), keepsZero ? Byte.Zero : Byte.Misc);
    frame.stack[index] = { bytes, reg: NOT_INIT };
  }
  if (isZeroUsed && valueRegno >= 0) markPrecise(env, valueRegno);
}

/** Gives a scalar register an id, so that copies of it are known to be equal. */
export function ensureId(env: Env, regno: number): Reg {
  const reg = env.reg(regno);
  if (reg.type !== RegType.Scalar) return reg;
  if ((reg.id !== 0 && !reg.addConst) || (reg.bounds.isConst() && reg.id === 0)) return reg;
  const copy = withoutId(reg) === reg ? reg.clone() : withoutId(reg).clone();
  if (!copy.bounds.isConst()) copy.id = env.nextId();
  env.state.current.regs[regno] = copy;
  return copy;
}

/** `r[dst] = *(size *)(reg + off)`; dst -1: only the check, for atomics. */
export function readStack(env: Env, regno: number, off: number, size: number, dst: number): void {
  const reg = env.reg(regno);
  const frame = frameOf(env, reg);
  if (reg.bounds.isConst()) {
    readFixed(env, frame, off + Number(s64(reg.bounds.tnum.value)), size, dst);
    return;
  }
  if (dst < 0) {
    env.reject(
      Errno.EACCES,
      `variable offset stack pointer cannot be passed into helper function; var_off=${formatTnum(reg.bounds.tnum)} off=${off} size=${size}`,
    );
  }
  assertInitialized(env, regno, off, size, false, 'direct', undefined);
  const { min, max } = offsets(reg, off);
  loadBytes(env, frame, min, max + size, dst);
}

/** The result of reading plain data: 0 where all of it is, else unknown. */
function loadBytes(env: Env, frame: FuncState, from: number, to: number, dst: number): void {
  let isZero = true;
  for (let at = from; at < to; at++) {
    env.log.touchSlot(slotIndex(at));
    if (byteAt(frame.stack[slotIndex(at)], byteIndex(at)) !== Byte.Zero) isZero = false;
  }
  env.setReg(dst, isZero ? ZERO_SCALAR : UNKNOWN_SCALAR);
}

function readFixed(env: Env, frame: FuncState, off: number, size: number, dst: number): void {
  const index = slotIndex(off);
  const slot = frame.stack[index];
  env.log.touchSlot(index);
  if (!isSpill(slot)) {
    assertReadable(env, slot, off, size);
    markSlotRead(frame, index);
    if (dst >= 0) loadBytes(env, frame, off, off + size, dst);
    return;
  }
  let spillSize = 1;
  while (spillSize < 8 && byteAt(slot, 7 - spillSize) === Byte.Spill) spillSize++;
  if (size !== 8 || spillSize !== 8) {
    if (slot.reg.type !== RegType.Scalar) env.reject(Errno.EACCES, 'invalid size of register fill');
    markSlotRead(frame, index);
    if (dst >= 0) fillPart(env, frame, slot, off, size, spillSize, dst);
    return;
  }
  if (dst >= 0) env.setReg(dst, slot.reg);
  markSlotRead(frame, index);
  pushHistory(env, frame.frameno, index);
}

/** Reading less than was spilled, or beside it. */
function fillPart(
  env: Env,
  frame: FuncState,
  slot: Slot,
  off: number,
  size: number,
  spillSize: number,
  dst: number,
): void {
  const index = slotIndex(off);
  if (size <= spillSize && (off & 7) === 0) {
    env.setReg(dst, fitsIn(slot.reg, size) ? slot.reg : withoutId(slot.reg));
    pushHistory(env, frame.frameno, index);
    return;
  }
  let spills = 0;
  let zeroes = 0;
  for (let i = 0; i < size; i++) {
    const byte = byteAt(slot, byteIndex(off + i));
    if (byte === Byte.Spill) spills++;
    else if (byte === Byte.Zero) zeroes++;
  }
  if (spills === size && slot.reg.isNullScalar) {
    env.setReg(dst, ZERO_SCALAR);
    pushHistory(env, frame.frameno, index);
  } else env.setReg(dst, zeroes === size ? ZERO_SCALAR : UNKNOWN_SCALAR);
}

/** Programs with privileges may read what was never written, but no dynptr or iterator. */
function assertReadable(env: Env, slot: Slot, off: number, size: number): void {
  for (let i = 0; i < size; i++) {
    const byte = byteAt(slot, byteIndex(off + i));
    if (byte === Byte.Misc || byte === Byte.Zero || byte === Byte.Invalid) continue;
    env.reject(Errno.EACCES, `invalid read from stack off ${off}+${i} size ${size}`);
  }
}

/** Memory that a helper fills: where and how much is known once all arguments were checked. */
export interface RawMemory {
  regno: number;
  size: number;
}

/**
 * Memory on the stack given to a helper (`size` bytes at reg + off), or read at a variable offset: all of it must be
 * plain data or spilled scalars. Where the helper fills it (`raw`), it may be anything but a dynptr.
 */
export function assertInitialized(
  env: Env,
  regno: number,
  off: number,
  size: number,
  zeroAllowed: boolean,
  source: AccessSource,
  raw: RawMemory | undefined,
  isWritten = false,
): void {
  if (size === 0 && !zeroAllowed) env.reject(Errno.EACCES, 'invalid zero-sized read');
  assertStackBounds(env, regno, off, size, source, source === 'helper' ? 'write' : 'read');
  const reg = env.reg(regno);
  const frame = frameOf(env, reg);
  const { min, max } = offsets(reg, off);
  if (raw !== undefined && reg.bounds.isConst()) {
    for (let at = min; at < max + size; at++) {
      const slot = frame.stack[slotIndex(at)];
      if (slot !== undefined && byteAt(slot, byteIndex(at)) === Byte.Dynptr) {
        env.reject(Errno.EACCES, `potential write to dynptr at off=${at} disallowed`);
      }
    }
    raw.regno = regno;
    raw.size = size;
    return;
  }
  const isClobbered = source === 'helper' && isWritten;
  for (let at = min; at < max + size; at++) {
    const index = slotIndex(at);
    const slot = frame.stack[index];
    const byte = byteAt(slot, byteIndex(at));
    if (byte === Byte.Zero || byte === Byte.Invalid) {
      if (isClobbered)
        frame.stack[index] = { bytes: withByte(slot.bytes, byteIndex(at), Byte.Misc), reg: slot.reg };
    } else if (byte !== Byte.Misc && isSpill(slot)) {
      if (isClobbered) frame.stack[index] = { bytes: scrubbed(slot), reg: UNKNOWN_SCALAR };
    } else if (byte !== Byte.Misc) rejectUninitialized(env, reg, regno, min, at - min, size, source);
    markSlotRead(frame, index);
  }
}

function rejectUninitialized(
  env: Env,
  reg: Reg,
  regno: number,
  min: number,
  index: number,
  size: number,
  source: AccessSource,
): never {
  const indirect = source === 'helper' ? ' indirect' : '';
  env.reject(
    Errno.EACCES,
    reg.bounds.isConst()
      ? `invalid${indirect} read from stack R${regno} off ${min}+${index} size ${size}`
      : `invalid${indirect} read from stack R${regno} var_off ${formatTnum(reg.bounds.tnum)}+${index} size ${size}`,
  );
}
