/** Conditional jumps on scalars: whether a jump is decided, and what each of its two outcomes teaches. */
import type { JmpCond } from '../isa/ops.js';
import type { Bounds } from './bounds.js';
import { s64, tnumAnd, tnumConst, tnumIntersect, tnumOr, tnumSubreg, tnumWithSubreg } from './tnum.js';
import type { Tnum } from './tnum.js';

/** A condition and the negation of jset, which no instruction has. */
export type Cond = JmpCond | 'jnset';

/** The condition with its operands exchanged. */
export const FLIPPED: Readonly<Record<Cond, Cond>> = {
  jeq: 'jeq',
  jne: 'jne',
  jset: 'jset',
  jnset: 'jnset',
  jgt: 'jlt',
  jge: 'jle',
  jlt: 'jgt',
  jle: 'jge',
  jsgt: 'jslt',
  jsge: 'jsle',
  jslt: 'jsgt',
  jsle: 'jsge',
};

export const NEGATED: Readonly<Record<Cond, Cond>> = {
  jeq: 'jne',
  jne: 'jeq',
  jset: 'jnset',
  jnset: 'jset',
  jgt: 'jle',
  jge: 'jlt',
  jlt: 'jge',
  jle: 'jgt',
  jsgt: 'jsle',
  jsge: 'jslt',
  jslt: 'jsge',
  jsle: 'jsgt',
};

/** Whether two tnums have a value in common. */
const overlap = (a: Tnum, b: Tnum): boolean => {
  const known = ~a.mask & ~b.mask;
  return (a.value & known) === (b.value & known);
};

/** true: always jumps; false: never; undefined: both may happen. `is32` compares the low words. */
export function isBranchTaken(a: Bounds, b: Bounds, cond: Cond, is32: boolean): boolean | undefined {
  switch (cond) {
    case 'jeq':
    case 'jne': {
      const equal = compareEqual(a, b, is32);
      return equal === undefined ? undefined : equal === (cond === 'jeq');
    }
    case 'jset':
    case 'jnset': {
      const set = compareSet(a, b, is32);
      return set === undefined ? undefined : set === (cond === 'jset');
    }
    case 'jgt':
      return is32 ? less(b.u32min, b.u32max, a.u32min, a.u32max) : less(b.umin, b.umax, a.umin, a.umax);
    case 'jlt':
      return is32 ? less(a.u32min, a.u32max, b.u32min, b.u32max) : less(a.umin, a.umax, b.umin, b.umax);
    case 'jsgt':
      return is32 ? less(b.s32min, b.s32max, a.s32min, a.s32max) : less(b.smin, b.smax, a.smin, a.smax);
    case 'jslt':
      return is32 ? less(a.s32min, a.s32max, b.s32min, b.s32max) : less(a.smin, a.smax, b.smin, b.smax);
    default: {
      const negated = isBranchTaken(a, b, NEGATED[cond], is32);
      return negated === undefined ? undefined : !negated;
    }
  }
}

function less<T extends number | bigint>(aMin: T, aMax: T, bMin: T, bMax: T): boolean | undefined {
  if (aMax < bMin) return true;
  if (aMin >= bMax) return false;
  return undefined;
}

function compareEqual(a: Bounds, b: Bounds, is32: boolean): boolean | undefined {
  const ta = is32 ? tnumSubreg(a.tnum) : a.tnum;
  const tb = is32 ? tnumSubreg(b.tnum) : b.tnum;
  if (ta.mask === 0n && tb.mask === 0n) return ta.value === tb.value;
  if (!overlap(ta, tb)) return false;
  if (!is32 && (a.umin > b.umax || a.umax < b.umin || a.smin > b.smax || a.smax < b.smin)) return false;
  if (a.u32min > b.u32max || a.u32max < b.u32min || a.s32min > b.s32max || a.s32max < b.s32min) return false;
  return undefined;
}

function compareSet(a: Bounds, b: Bounds, is32: boolean): boolean | undefined {
  const isKnown = (x: Bounds): boolean => (is32 ? x.isConst32() : x.isConst());
  const [other, known] = isKnown(b) ? [a, b] : [b, a];
  if (!isKnown(known)) return undefined;
  const t = is32 ? tnumSubreg(other.tnum) : other.tnum;
  const bits = is32 ? known.tnum.value & 0xffff_ffffn : known.tnum.value;
  if ((t.value & bits) !== 0n) return true;
  if (((t.value | t.mask) & bits) === 0n) return false;
  return undefined;
}

/** Narrows both (in place; neither synced yet) by the knowledge that `a cond b` holds. */
export function refine(a: Bounds, b: Bounds, cond: Cond, is32: boolean): void {
  switch (cond) {
    case 'jge':
    case 'jgt':
    case 'jsge':
    case 'jsgt':
      refine(b, a, FLIPPED[cond], is32);
      return;
    case 'jeq':
      refineEqual(a, b, is32);
      return;
    case 'jne':
      refineNotEqual(a, b, is32);
      return;
    case 'jset':
    case 'jnset':
      refineSet(a, b, cond === 'jset', is32);
      return;
    case 'jle':
    case 'jlt':
      refineUnsigned(a, b, cond === 'jlt' ? 1 : 0, is32);
      return;
    case 'jsle':
    case 'jslt':
      refineSigned(a, b, cond === 'jslt' ? 1 : 0, is32);
  }
}

const maxBig = (x: bigint, y: bigint): bigint => (x > y ? x : y);
const minBig = (x: bigint, y: bigint): bigint => (x < y ? x : y);

function refineUnsigned(a: Bounds, b: Bounds, strict: 0 | 1, is32: boolean): void {
  if (is32) {
    a.u32max = Math.min(a.u32max, b.u32max - strict);
    b.u32min = Math.max(a.u32min + strict, b.u32min);
  } else {
    a.umax = minBig(a.umax, b.umax - BigInt(strict));
    b.umin = maxBig(a.umin + BigInt(strict), b.umin);
  }
}

function refineSigned(a: Bounds, b: Bounds, strict: 0 | 1, is32: boolean): void {
  if (is32) {
    a.s32max = Math.min(a.s32max, b.s32max - strict);
    b.s32min = Math.max(a.s32min + strict, b.s32min);
  } else {
    a.smax = minBig(a.smax, b.smax - BigInt(strict));
    b.smin = maxBig(a.smin + BigInt(strict), b.smin);
  }
}

function refineEqual(a: Bounds, b: Bounds, is32: boolean): void {
  if (is32) {
    a.u32min = b.u32min = Math.max(a.u32min, b.u32min);
    a.u32max = b.u32max = Math.min(a.u32max, b.u32max);
    a.s32min = b.s32min = Math.max(a.s32min, b.s32min);
    a.s32max = b.s32max = Math.min(a.s32max, b.s32max);
    const low = tnumIntersect(tnumSubreg(a.tnum), tnumSubreg(b.tnum));
    a.tnum = tnumWithSubreg(a.tnum, low);
    b.tnum = tnumWithSubreg(b.tnum, low);
  } else {
    a.umin = b.umin = maxBig(a.umin, b.umin);
    a.umax = b.umax = minBig(a.umax, b.umax);
    a.smin = b.smin = maxBig(a.smin, b.smin);
    a.smax = b.smax = minBig(a.smax, b.smax);
    a.tnum = b.tnum = tnumIntersect(a.tnum, b.tnum);
  }
}

/** A constant that is an edge of the other's range cuts that edge off. */
function refineNotEqual(a: Bounds, b: Bounds, is32: boolean): void {
  const isKnown = (x: Bounds): boolean => (is32 ? x.isConst32() : x.isConst());
  const [x, known] = isKnown(b) ? [a, b] : [b, a];
  if (!isKnown(known)) return;
  if (is32) {
    const value = Number(known.tnum.value & 0xffff_ffffn);
    if (x.u32min === value) x.u32min++;
    if (x.u32max === value) x.u32max--;
    if (x.s32min === (value | 0)) x.s32min++;
    if (x.s32max === (value | 0)) x.s32max--;
  } else {
    const value = known.tnum.value;
    if (x.umin === value) x.umin++;
    if (x.umax === value) x.umax--;
    if (x.smin === s64(value)) x.smin++;
    if (x.smax === s64(value)) x.smax--;
  }
}

/** `a & b` not 0 tells which bit it is only where b has one; `a & b` being 0 clears all of b's bits. */
function refineSet(a: Bounds, b: Bounds, isSet: boolean, is32: boolean): void {
  const isKnown = (x: Bounds): boolean => (is32 ? x.isConst32() : x.isConst());
  const [x, known] = isKnown(b) ? [a, b] : [b, a];
  if (!isKnown(known)) return;
  const bits = is32 ? known.tnum.value & 0xffff_ffffn : known.tnum.value;
  if (isSet && (bits === 0n || (bits & (bits - 1n)) !== 0n)) return;
  const whole = is32 ? tnumSubreg(x.tnum) : x.tnum;
  const t = isSet ? tnumOr(whole, tnumConst(bits)) : tnumAnd(whole, tnumConst(~bits));
  x.tnum = is32 ? tnumWithSubreg(x.tnum, t) : t;
}
