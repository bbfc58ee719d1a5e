/**
 * What is known of a 64-bit scalar: its bits (`var_off` in the log) and its range as unsigned and signed, 64- and
 * 32-bit number. The five views narrow each other in `sync`, as the kernel's `reg_bounds_sync` does.
 */
import type { Tnum } from './tnum.js';
import {
  S32_MAX,
  S32_MIN,
  S64_MAX,
  S64_MIN,
  TNUM_UNKNOWN,
  U32_MAX,
  U64_MAX,
  s64,
  tnumConst,
  tnumIntersect,
  tnumRange,
  tnumSubreg,
  tnumWithSubreg,
  u64,
} from './tnum.js';

const maxBig = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const minBig = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const low32 = (value: bigint): number => Number(BigInt.asUintN(32, value));
const HIGH32 = 0xffff_ffff_0000_0000n;

/** Mutable while it is built; never changed any more once a register holds it, for states share it. */
export class Bounds {
  tnum: Tnum = TNUM_UNKNOWN;
  umin = 0n;
  umax = U64_MAX;
  smin = S64_MIN;
  smax = S64_MAX;
  u32min = 0;
  u32max = U32_MAX;
  s32min = S32_MIN;
  s32max = S32_MAX;

  static constant(value: bigint): Bounds {
    const b = new Bounds();
    b.setConst(value);
    return b;
  }

  clone(): Bounds {
    const b = new Bounds();
    b.tnum = this.tnum;
    b.umin = this.umin;
    b.umax = this.umax;
    b.smin = this.smin;
    b.smax = this.smax;
    b.u32min = this.u32min;
    b.u32max = this.u32max;
    b.s32min = this.s32min;
    b.s32max = this.s32max;
    return b;
  }

  setConst(value: bigint): void {
    const unsigned = u64(value);
    this.tnum = { value: unsigned, mask: 0n };
    this.umin = this.umax = unsigned;
    this.smin = this.smax = s64(unsigned);
    this.u32min = this.u32max = low32(unsigned);
    this.s32min = this.s32max = this.u32min | 0;
  }

  /** The low word becomes known, the high word keeps what is known of it. */
  setConst32(value: number): void {
    this.tnum = tnumWithSubreg(this.tnum, tnumConst(BigInt(value >>> 0)));
    this.u32min = this.u32max = value >>> 0;
    this.s32min = this.s32max = value | 0;
  }

  isConst(): boolean {
    return this.tnum.mask === 0n;
  }

  /** Whether the low word is known. */
  isConst32(): boolean {
    return (this.tnum.mask & 0xffff_ffffn) === 0n;
  }

  isUnknown(): boolean {
    return this.tnum.mask === U64_MAX && this.isUnbounded();
  }

  private isUnbounded(): boolean {
    return (
      this.umin === 0n &&
      this.umax === U64_MAX &&
      this.smin === S64_MIN &&
      this.smax === S64_MAX &&
      this.u32min === 0 &&
      this.u32max === U32_MAX &&
      this.s32min === S32_MIN &&
      this.s32max === S32_MAX
    );
  }

  setUnbounded64(): void {
    this.smin = S64_MIN;
    this.smax = S64_MAX;
    this.umin = 0n;
    this.umax = U64_MAX;
  }

  setUnbounded32(): void {
    this.s32min = S32_MIN;
    this.s32max = S32_MAX;
    this.u32min = 0;
    this.u32max = U32_MAX;
  }

  setUnknown(): void {
    this.tnum = TNUM_UNKNOWN;
    this.setUnbounded64();
    this.setUnbounded32();
  }

  equals(o: Bounds): boolean {
    return (
      this === o ||
      (this.tnum.value === o.tnum.value &&
        this.tnum.mask === o.tnum.mask &&
        this.umin === o.umin &&
        this.umax === o.umax &&
        this.smin === o.smin &&
        this.smax === o.smax &&
        this.u32min === o.u32min &&
        this.u32max === o.u32max &&
        this.s32min === o.s32min &&
        this.s32max === o.s32max)
    );
  }

  /** Whether every value of `inner` is within these ranges (tnums are not compared). */
  contains(inner: Bounds): boolean {
    return (
      this.umin <= inner.umin &&
      this.umax >= inner.umax &&
      this.smin <= inner.smin &&
      this.smax >= inner.smax &&
      this.u32min <= inner.u32min &&
      this.u32max >= inner.u32max &&
      this.s32min <= inner.s32min &&
      this.s32max >= inner.s32max
    );
  }

  /** Contradictory views: no value at all satisfies them. */
  isEmpty(): boolean {
    return (
      this.umin > this.umax || this.smin > this.smax || this.u32min > this.u32max || this.s32min > this.s32max
    );
  }

  /** After a 32-bit operation: the high word is 0. */
  assign32Into64(): void {
    this.umin = BigInt(this.u32min);
    this.umax = BigInt(this.u32max);
    if (this.s32min >= 0 && this.s32max >= this.s32min) {
      this.smin = BigInt(this.s32min);
      this.smax = BigInt(this.s32max);
    } else {
      this.smin = 0n;
      this.smax = BigInt(U32_MAX);
    }
  }

  /** Zero-extends the low word into the register. */
  zext32(): void {
    this.tnum = tnumSubreg(this.tnum);
    this.assign32Into64();
  }

  /** Makes the views agree. */
  sync(): void {
    if (this.tnum.mask === U64_MAX && this.isUnbounded()) return;
    this.narrowByTnum();
    this.deduce();
    this.deduce();
    this.deduce();
    this.narrowTnum();
    this.narrowByTnum();
  }

  private deduce(): void {
    this.deduce32();
    this.deduce64();
    this.deduceMixed();
  }

  private narrowByTnum(): void {
    const { value, mask } = this.tnum;
    const upper = value | mask;
    const lowValue = low32(value);
    const lowMask = low32(mask);
    const signMask = lowMask & S32_MIN;
    this.s32min = Math.max(this.s32min, lowValue | signMask);
    this.s32max = Math.min(this.s32max, lowValue | (lowMask & S32_MAX));
    this.u32min = Math.max(this.u32min, lowValue);
    this.u32max = Math.min(this.u32max, low32(upper));
    this.smin = maxBig(this.smin, s64(value | (mask & 0x8000_0000_0000_0000n)));
    this.smax = minBig(this.smax, s64(value | (mask & S64_MAX)));
    this.umin = maxBig(this.umin, value);
    this.umax = minBig(this.umax, upper);
  }

  private narrowU32(min: number, max: number): void {
    if (min > this.u32min) this.u32min = min;
    if (max < this.u32max) this.u32max = max;
  }

  private narrowS32(min: number, max: number): void {
    if (min > this.s32min) this.s32min = min;
    if (max < this.s32max) this.s32max = max;
  }

  private deduce32(): void {
    const uminHigh = this.umin >> 32n;
    const umaxHigh = this.umax >> 32n;
    if (uminHigh === umaxHigh) this.narrowLow(low32(this.umin), low32(this.umax), true);
    const sminHigh = this.smin >> 32n;
    const smaxHigh = this.smax >> 32n;
    if (sminHigh === smaxHigh) this.narrowLow(low32(this.smin), low32(this.smax), false);
    // The range crosses one multiple of 2^32 where the low word turns from negative to positive.
    if (low32(uminHigh + 1n) === low32(umaxHigh))
      this.narrowAcross(low32(this.umin) | 0, low32(this.umax) | 0);
    if (low32(sminHigh + 1n) === low32(smaxHigh))
      this.narrowAcross(low32(this.smin) | 0, low32(this.smax) | 0);
    const umin = this.u32min | 0;
    const umax = this.u32max | 0;
    if (umin <= umax) this.narrowS32(umin, umax);
    const smin = this.s32min >>> 0;
    const smax = this.s32max >>> 0;
    if (smin <= smax) this.narrowU32(smin, smax);
    else if (this.u32max < smin) {
      // As for 64 bits: one of the two parts of a range that crosses 0 is left.
      this.s32min = this.u32min | 0;
      this.u32max = Math.min(this.u32max, smax);
    } else if (smax < this.u32min) {
      this.s32max = this.u32max | 0;
      this.u32min = Math.max(this.u32min, smin);
    }
  }

  private narrowLow(min: number, max: number, ordered: boolean): void {
    if (ordered || min <= max) this.narrowU32(min, max);
    if ((min | 0) <= (max | 0)) this.narrowS32(min | 0, max | 0);
  }

  private narrowAcross(min: number, max: number): void {
    if (min < 0 && max >= 0) this.narrowS32(min, max);
  }

  private deduce64(): void {
    const umin = s64(this.umin);
    const umax = s64(this.umax);
    if (umin <= umax) {
      this.smin = maxBig(this.smin, umin);
      this.smax = minBig(this.smax, umax);
    }
    const smin = u64(this.smin);
    const smax = u64(this.smax);
    if (smin <= smax) {
      this.umin = maxBig(this.umin, smin);
      this.umax = minBig(this.umax, smax);
    } else if (this.umax < smin) {
      // The signed range crosses 0 and the unsigned one stays below its negative part: only the part above 0 is left.
      this.smin = s64(this.umin);
      this.umax = minBig(this.umax, smax);
    } else if (smax < this.umin) {
      this.smax = s64(this.umax);
      this.umin = maxBig(this.umin, smin);
    }
  }

  private deduceMixed(): void {
    const u32min = BigInt(this.u32min);
    const u32max = BigInt(this.u32max);
    this.umin = maxBig(this.umin, (this.umin & HIGH32) | u32min);
    this.umax = minBig(this.umax, (this.umax & HIGH32) | u32max);
    this.smin = maxBig(this.smin, s64((u64(this.smin) & HIGH32) | u32min));
    this.smax = minBig(this.smax, s64((u64(this.smax) & HIGH32) | u32max));
    // A sign-extended load whose low word turned out not to be negative.
    if (this.s32min >= 0 && this.smin >= BigInt(S32_MIN) && this.smax <= BigInt(S32_MAX)) {
      this.smin = this.umin = BigInt(this.s32min);
      this.smax = this.umax = BigInt(this.s32max);
      if (this.smin <= this.smax) this.tnum = tnumIntersect(this.tnum, tnumRange(this.umin, this.umax));
    }
  }

  private narrowTnum(): void {
    const whole =
      this.umin <= this.umax ? tnumIntersect(this.tnum, tnumRange(this.umin, this.umax)) : this.tnum;
    const low = tnumSubreg(this.tnum);
    const narrowed =
      this.u32min <= this.u32max
        ? tnumIntersect(low, tnumRange(BigInt(this.u32min), BigInt(this.u32max)))
        : low;
    this.tnum = {
      value: ((whole.value >> 32n) << 32n) | narrowed.value,
      mask: ((whole.mask >> 32n) << 32n) | narrowed.mask,
    };
  }
}

export const UNKNOWN_BOUNDS = new Bounds();
export const ZERO_BOUNDS = Bounds.constant(0n);
