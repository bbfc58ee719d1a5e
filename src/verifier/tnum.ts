/**
 * Tracked numbers: what is known of each bit of a 64-bit value. A bit of `mask` is set where the bit is unknown;
 * `value` holds the known bits and is 0 wherever `mask` is 1. The arithmetic is that of Vishwanathan et al., "Sound,
 * Precise, and Fast Abstract Interpretation with Tristate Numbers" (CGO 2022), which the kernel uses too.
 */

export interface Tnum {
  readonly value: bigint;
  readonly mask: bigint;
}

export const U64_MAX = 0xffff_ffff_ffff_ffffn;
export const S64_MIN = -0x8000_0000_0000_0000n;
export const S64_MAX = 0x7fff_ffff_ffff_ffffn;
export const U32_MAX = 0xffff_ffff;
export const S32_MIN = -0x8000_0000;
export const S32_MAX = 0x7fff_ffff;
const LOW32 = 0xffff_ffffn;

export const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
export const s64 = (value: bigint): bigint => BigInt.asIntN(64, value);

export const TNUM_UNKNOWN: Tnum = { value: 0n, mask: U64_MAX };

export const tnumConst = (value: bigint): Tnum => ({ value: u64(value), mask: 0n });

/** Number of bits of `value`, 0 for 0. */
function bitLength(value: bigint): number {
  const high = Number(value >> 32n);
  return high === 0 ? 32 - Math.clz32(Number(value & LOW32)) : 64 - Math.clz32(high);
}

/** The smallest tnum that holds all of [min, max], unsigned. */
export function tnumRange(min: bigint, max: bigint): Tnum {
  const bits = bitLength(min ^ max);
  if (bits > 63) return TNUM_UNKNOWN;
  const delta = (1n << BigInt(bits)) - 1n;
  return { value: min & ~delta, mask: delta };
}

export function tnumAdd(a: Tnum, b: Tnum): Tnum {
  const sumMask = a.mask + b.mask;
  const sumValue = a.value + b.value;
  const mask = u64((sumMask + sumValue) ^ sumValue) | a.mask | b.mask;
  return { value: u64(sumValue) & ~mask, mask };
}

export function tnumSub(a: Tnum, b: Tnum): Tnum {
  const difference = a.value - b.value;
  const mask = u64((difference + a.mask) ^ (difference - b.mask)) | a.mask | b.mask;
  return { value: u64(difference) & ~mask, mask };
}

export function tnumAnd(a: Tnum, b: Tnum): Tnum {
  const value = a.value & b.value;
  return { value, mask: (a.value | a.mask) & (b.value | b.mask) & ~value };
}

export function tnumOr(a: Tnum, b: Tnum): Tnum {
  const value = a.value | b.value;
  return { value, mask: (a.mask | b.mask) & ~value };
}

export function tnumXor(a: Tnum, b: Tnum): Tnum {
  const mask = a.mask | b.mask;
  return { value: (a.value ^ b.value) & ~mask, mask };
}

export const tnumNeg = (a: Tnum): Tnum => tnumSub({ value: 0n, mask: 0n }, a);

/** Long multiplication, gathering certain and uncertain partial products apart. */
export function tnumMul(a: Tnum, b: Tnum): Tnum {
  const certain = u64(a.value * b.value);
  let uncertain: Tnum = { value: 0n, mask: 0n };
  let multiplier = a;
  let shifted = b;
  while (multiplier.value !== 0n || multiplier.mask !== 0n) {
    if ((multiplier.value & 1n) !== 0n) uncertain = tnumAdd(uncertain, { value: 0n, mask: shifted.mask });
    else if ((multiplier.mask & 1n) !== 0n)
      uncertain = tnumAdd(uncertain, { value: 0n, mask: shifted.value | shifted.mask });
    multiplier = tnumRshift(multiplier, 1);
    shifted = tnumLshift(shifted, 1);
  }
  return tnumAdd({ value: certain, mask: 0n }, uncertain);
}

export function tnumLshift(a: Tnum, by: number): Tnum {
  const n = BigInt(by);
  return { value: u64(a.value << n), mask: u64(a.mask << n) };
}

export function tnumRshift(a: Tnum, by: number): Tnum {
  const n = BigInt(by);
  return { value: a.value >> n, mask: a.mask >> n };
}

/** Arithmetic shift right of a `bits`-wide (32 or 64) value; an unknown sign bit spreads as unknown. */
export function tnumArshift(a: Tnum, by: number, bits: 32 | 64): Tnum {
  const n = BigInt(by);
  if (bits === 32) {
    return {
      value: BigInt.asUintN(32, BigInt.asIntN(32, a.value) >> n),
      mask: BigInt.asUintN(32, BigInt.asIntN(32, a.mask) >> n),
    };
  }
  return { value: u64(s64(a.value) >> n), mask: u64(s64(a.mask) >> n) };
}

/** What both say; meaningless where they contradict each other. */
export function tnumIntersect(a: Tnum, b: Tnum): Tnum {
  const mask = a.mask & b.mask;
  return { value: (a.value | b.value) & ~mask, mask };
}

/** Zero-extension of the low `bytes` bytes. */
export function tnumCast(a: Tnum, bytes: number): Tnum {
  return { value: BigInt.asUintN(bytes * 8, a.value), mask: BigInt.asUintN(bytes * 8, a.mask) };
}

export const tnumSubreg = (a: Tnum): Tnum => ({ value: a.value & LOW32, mask: a.mask & LOW32 });

export function tnumWithSubreg(a: Tnum, low: Tnum): Tnum {
  return {
    value: ((a.value >> 32n) << 32n) | (low.value & LOW32),
    mask: ((a.mask >> 32n) << 32n) | (low.mask & LOW32),
  };
}

/** Whether every value of `b` is one of `a`. */
export function tnumIn(a: Tnum, b: Tnum): boolean {
  if ((b.mask & ~a.mask) !== 0n) return false;
  return a.value === (b.value & ~a.mask);
}

/** Whether the value is known to be a multiple of `size`, a power of two. */
export const tnumIsAligned = (a: Tnum, size: bigint): boolean => ((a.value | a.mask) & (size - 1n)) === 0n;
