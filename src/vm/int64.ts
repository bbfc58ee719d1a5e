/**
 * 64-bit multiplication and division in 32-bit arithmetic. Operands are pairs in a register file: the low word at an
 * even index, the high word after it. Nothing here allocates or makes a BigInt.
 */

const TWO_32 = 0x1_0000_0000;

/** High word of the unsigned product of two words. */
export function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const t = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  const u = (Math.imul(a0, b1) + (t & 0xffff)) | 0;
  return (Math.imul(a1, b1) + (t >>> 16) + (u >>> 16)) | 0;
}

/** Writes the quotient (or, if `wantRest`, the remainder) of two unsigned pairs at `at`; the divisor is not 0. */
function divide(
  regs: Int32Array,
  at: number,
  ah: number,
  al: number,
  bh: number,
  bl: number,
  wantRest: boolean,
): void {
  if (bh === 0) divideByWord(regs, at, ah, al, bl >>> 0, wantRest);
  else divideByPair(regs, at, ah, al, bh, bl, wantRest);
}

/** Long division by one word: the high word first, then two digits of 16 bits, exact in doubles. */
function divideByWord(
  regs: Int32Array,
  at: number,
  ah: number,
  al: number,
  b: number,
  wantRest: boolean,
): void {
  if (ah === 0) {
    const a = al >>> 0;
    regs[at] = wantRest ? a % b : (a / b) >>> 0;
    regs[at + 1] = 0;
    return;
  }
  const high = ah >>> 0;
  const q2 = (high / b) >>> 0;
  const n1 = (high % b) * 65536 + (al >>> 16);
  const q1 = Math.floor(n1 / b);
  const n0 = (n1 - q1 * b) * 65536 + (al & 0xffff);
  const q0 = Math.floor(n0 / b);
  regs[at] = wantRest ? n0 - q0 * b : (q1 << 16) | q0;
  regs[at + 1] = wantRest ? 0 : q2;
}

/**
 * Division by a pair of 2^32 or more. The quotient is below 2^32, so the quotient of the rounded doubles is off by
 * one at most, and only where the exact one is within 2^-19 of an integer: the remainder tells.
 */
function divideByPair(
  regs: Int32Array,
  at: number,
  ah: number,
  al: number,
  bh: number,
  bl: number,
  wantRest: boolean,
): void {
  let q: number;
  if (bh < 0) q = ah >>> 0 > bh >>> 0 || (ah === bh && al >>> 0 >= bl >>> 0) ? 1 : 0;
  else q = Math.floor(((ah >>> 0) * TWO_32 + (al >>> 0)) / (bh * TWO_32 + (bl >>> 0)));
  const low = Math.imul(q, bl);
  let rl = (al - low) | 0;
  let rh = (ah - mulHigh(q | 0, bl) - Math.imul(q, bh) - (al >>> 0 < low >>> 0 ? 1 : 0)) | 0;
  if (bh > 0) {
    if (rh >>> 0 >= 0xf000_0000) {
      q--;
      const sum = (rl + bl) | 0;
      rh = (rh + bh + (sum >>> 0 < bl >>> 0 ? 1 : 0)) | 0;
      rl = sum;
    } else if (rh >>> 0 > bh || (rh === bh && rl >>> 0 >= bl >>> 0)) {
      q++;
      rh = (rh - bh - (rl >>> 0 < bl >>> 0 ? 1 : 0)) | 0;
      rl = (rl - bl) | 0;
    }
  }
  regs[at] = wantRest ? rl : q;
  regs[at + 1] = wantRest ? rh : 0;
}

/** `regs[d] /= regs[s]`, unsigned; x / 0 = 0. */
export function udiv64(regs: Int32Array, d: number, s: number): void {
  const bl = regs[s];
  const bh = regs[s + 1];
  if ((bl | bh) === 0) regs[d] = regs[d + 1] = 0;
  else divide(regs, d, regs[d + 1], regs[d], bh, bl, false);
}

/** `regs[d] %= regs[s]`, unsigned; x % 0 = x. */
export function umod64(regs: Int32Array, d: number, s: number): void {
  const bl = regs[s];
  const bh = regs[s + 1];
  if ((bl | bh) !== 0) divide(regs, d, regs[d + 1], regs[d], bh, bl, true);
}

/** `regs[d] = -regs[d]`. */
export function neg64(regs: Int32Array, d: number): void {
  const lo = -regs[d] | 0;
  regs[d] = lo;
  regs[d + 1] = (~regs[d + 1] + (lo === 0 ? 1 : 0)) | 0;
}

/** Signed division or remainder by magnitudes; the quotient truncates, the remainder has the dividend's sign. */
function signedDivide(regs: Int32Array, d: number, s: number, wantRest: boolean): void {
  let bl = regs[s];
  let bh = regs[s + 1];
  const isNegative = regs[d + 1] < 0;
  const isOpposite = (regs[d + 1] ^ bh) < 0;
  if (isNegative) neg64(regs, d);
  if (bh < 0) {
    bl = -bl | 0;
    bh = (~bh + (bl === 0 ? 1 : 0)) | 0;
  }
  divide(regs, d, regs[d + 1], regs[d], bh, bl, wantRest);
  if (wantRest ? isNegative : isOpposite) neg64(regs, d);
}

/** `regs[d] s/= regs[s]`; x / 0 = 0, the least number / -1 = itself. */
export function sdiv64(regs: Int32Array, d: number, s: number): void {
  if ((regs[s] | regs[s + 1]) === 0) regs[d] = regs[d + 1] = 0;
  else signedDivide(regs, d, s, false);
}

/** `regs[d] s%= regs[s]`; x % 0 = x, the least number % -1 = 0. */
export function smod64(regs: Int32Array, d: number, s: number): void {
  if ((regs[s] | regs[s + 1]) !== 0) signedDivide(regs, d, s, true);
}

/** A word with its bytes reversed. */
export function swap32(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}

/** The low 16 bits with their bytes swapped, zero-extended. */
export function swap16(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}

/** The pair at `at` as an unsigned 64-bit integer, for faults and debuggers. */
export function toBigInt(regs: Int32Array, at: number): bigint {
  return (BigInt(regs[at + 1] >>> 0) << 32n) | BigInt(regs[at] >>> 0);
}
