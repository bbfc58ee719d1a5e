/**
 * The stack of a frame: slots of 8 bytes, slot 0 at fp-8. What each byte holds is packed four bits a byte, counted
 * from the highest address down, as the log prints them.
 *
 *      fp-16                          fp-8                           fp
 *      | slot 1: b7 b6 ... b0         | slot 0: b7 b6 ... b0         |
 */
import type { Reg } from './reg-state.js';
import { NOT_INIT, RegType } from './reg-state.js';

export const enum Byte {
  /** Never written. */
  Invalid = 0,
  /** Part of a spilled register. */
  Spill = 1,
  /** Written, value unknown. */
  Misc = 2,
  Zero = 3,
  Dynptr = 4,
  Iter = 5,
  Irq = 6,
}

export const BYTE_CHAR = ['?', 'r', 'm', '0', 'd', 'i', 'f'] as const;

/** Immutable: states share slots. */
export interface Slot {
  readonly bytes: number;
  readonly reg: Reg;
}

export const byteAt = (slot: Slot, index: number): Byte => ((slot.bytes >>> (index * 4)) & 15) as Byte;

/** All 8 bytes alike. */
export const fill = (byte: Byte): number => Math.imul(byte, 0x11111111) >>> 0;

export function withByte(bytes: number, index: number, byte: Byte): number {
  const shift = index * 4;
  return ((bytes & ~(15 << shift)) | (byte << shift)) >>> 0;
}

export const EMPTY_SLOT: Slot = { bytes: fill(Byte.Invalid), reg: NOT_INIT };
export const MISC_SLOT: Slot = { bytes: fill(Byte.Misc), reg: NOT_INIT };

const byte7 = (slot: Slot): Byte => (slot.bytes >>> 28) as Byte;

/** The slot's top byte belongs to a spilled register. */
export const isSpill = (slot: Slot): boolean => byte7(slot) === Byte.Spill;
export const isScalarSpill = (slot: Slot): boolean => isSpill(slot) && slot.reg.type === RegType.Scalar;
/** A spill of a whole 64-bit scalar. */
export const isScalarSpill64 = (slot: Slot): boolean =>
  byteAt(slot, 0) === Byte.Spill && slot.reg.type === RegType.Scalar;

/** Spilled registers, dynptrs and iterators: what a plain write destroys. */
export function isSpecial(slot: Slot): boolean {
  const type = byte7(slot);
  return type === Byte.Spill || type === Byte.Dynptr || type === Byte.Iter || type === Byte.Irq;
}

/** The bytes of a special slot after a plain write nearby: what was a spill is unknown data. */
export function scrubbed(slot: Slot): number {
  if (!isSpecial(slot)) return slot.bytes;
  let bytes = slot.bytes;
  for (let i = 0; i < 8; i++) if (byteAt(slot, i) !== Byte.Invalid) bytes = withByte(bytes, i, Byte.Misc);
  return bytes;
}

/** Slot index of the byte at `off` from the frame pointer (negative). */
export const slotIndex = (off: number): number => (-off - 1) >> 3;
/** Position within its slot of the byte at `off`. */
export const byteIndex = (off: number): number => (-off - 1) & 7;
