/** Arithmetic on bounds: what an ALU operation makes of what is known of its operands. Pure functions. */
import type { AluOp } from '../isa/ops.js';
import { Bounds } from './bounds.js';
import {
  S32_MAX,
  S32_MIN,
  S64_MAX,
  S64_MIN,
  U32_MAX,
  U64_MAX,
  s64,
  tnumAdd,
  tnumAnd,
  tnumArshift,
  tnumCast,
  tnumLshift,
  tnumMul,
  tnumOr,
  tnumRange,
  tnumRshift,
  tnumSub,
  tnumSubreg,
  tnumXor,
  u64,
} from './tnum.js';

type Width = 32 | 64;

/** Shifts are computed for a known count only; division and modulo never. */
function isComputable(sub: AluOp, width: Width, src: Bounds): boolean {
  switch (sub) {
    case 'add':
    case 'sub':
    case 'and':
    case 'xor':
    case 'or':
    case 'mul':
      return true;
    case 'lsh':
    case 'rsh':
    case 'arsh': {
      const isKnown =
        width === 32
          ? src.isConst32() && src.s32min === src.s32max && src.u32min === src.u32max
          : src.isConst() && src.smin === src.smax && src.umin === src.umax;
      return isKnown && src.umax < BigInt(width);
    }
    case 'mov':
    case 'div':
    case 'mod':
    case 'sdiv':
    case 'smod':
      return false;
  }
}

/** Bounds of `dst OP src`, of `width` bits; a 32-bit result is zero-extended. */
export function aluBounds(sub: AluOp, width: Width, dst: Bounds, src: Bounds): Bounds {
  const r = dst.clone();
  if (isComputable(sub, width, src)) apply(sub, width, r, src);
  else r.setUnknown();
  if (width === 32) r.zext32();
  r.sync();
  return r;
}

function apply(sub: AluOp, width: Width, r: Bounds, src: Bounds): void {
  switch (sub) {
    case 'add':
      add32(r, src);
      add64(r, src);
      r.tnum = tnumAdd(r.tnum, src.tnum);
      break;
    case 'sub':
      sub32(r, src);
      sub64(r, src);
      r.tnum = tnumSub(r.tnum, src.tnum);
      break;
    case 'mul':
      r.tnum = tnumMul(r.tnum, src.tnum);
      mul32(r, src);
      mul64(r, src);
      break;
    case 'and':
    case 'or':
    case 'xor':
      bitwise(sub, r, src);
      break;
    case 'lsh':
      lsh(width, r, Number(src.umin));
      break;
    case 'rsh':
      rsh(width, r, Number(src.umin));
      break;
    case 'arsh':
      arsh(width, r, Number(src.umin));
      break;
    default:
      r.setUnknown();
  }
}

const fitsS32 = (value: number): boolean => value >= S32_MIN && value <= S32_MAX;
const fitsS64 = (value: bigint): boolean => value >= S64_MIN && value <= S64_MAX;

// A range stays one when neither of its ends wraps around, or both do.

function add32(r: Bounds, src: Bounds): void {
  const smin = r.s32min + src.s32min;
  const smax = r.s32max + src.s32max;
  setS32(r, smin, smax, fitsS32(smin) && fitsS32(smax));
  const umin = r.u32min + src.u32min;
  const umax = r.u32max + src.u32max;
  setU32(r, umin, umax, umin > U32_MAX === umax > U32_MAX);
}

function sub32(r: Bounds, src: Bounds): void {
  const smin = r.s32min - src.s32max;
  const smax = r.s32max - src.s32min;
  setS32(r, smin, smax, fitsS32(smin) && fitsS32(smax));
  const umin = r.u32min - src.u32max;
  const umax = r.u32max - src.u32min;
  setU32(r, umin, umax, umin < 0 === umax < 0);
}

function add64(r: Bounds, src: Bounds): void {
  const smin = r.smin + src.smin;
  const smax = r.smax + src.smax;
  setS64(r, smin, smax, fitsS64(smin) && fitsS64(smax));
  const umin = r.umin + src.umin;
  const umax = r.umax + src.umax;
  setU64(r, umin, umax, umin > U64_MAX === umax > U64_MAX);
}

function sub64(r: Bounds, src: Bounds): void {
  const smin = r.smin - src.smax;
  const smax = r.smax - src.smin;
  setS64(r, smin, smax, fitsS64(smin) && fitsS64(smax));
  const umin = r.umin - src.umax;
  const umax = r.umax - src.umin;
  setU64(r, umin, umax, umin < 0n === umax < 0n);
}

function mul32(r: Bounds, src: Bounds): void {
  const umin = BigInt(r.u32min) * BigInt(src.u32min);
  const umax = BigInt(r.u32max) * BigInt(src.u32max);
  const products = [
    BigInt(r.s32min) * BigInt(src.s32min),
    BigInt(r.s32min) * BigInt(src.s32max),
    BigInt(r.s32max) * BigInt(src.s32min),
    BigInt(r.s32max) * BigInt(src.s32max),
  ];
  const ok = umax <= BigInt(U32_MAX);
  setU32(r, ok ? Number(umin) : 0, ok ? Number(umax) : 0, ok);
  const low = products.reduce((a, b) => (a < b ? a : b));
  const high = products.reduce((a, b) => (a > b ? a : b));
  const fits = low >= BigInt(S32_MIN) && high <= BigInt(S32_MAX);
  setS32(r, fits ? Number(low) : 0, fits ? Number(high) : 0, fits);
}

function mul64(r: Bounds, src: Bounds): void {
  const umin = r.umin * src.umin;
  const umax = r.umax * src.umax;
  const products = [r.smin * src.smin, r.smin * src.smax, r.smax * src.smin, r.smax * src.smax];
  setU64(r, umin, umax, umax <= U64_MAX);
  const low = products.reduce((a, b) => (a < b ? a : b));
  const high = products.reduce((a, b) => (a > b ? a : b));
  setS64(r, low, high, fitsS64(low) && fitsS64(high));
}

function setS32(r: Bounds, min: number, max: number, ok: boolean): void {
  r.s32min = ok ? min | 0 : S32_MIN;
  r.s32max = ok ? max | 0 : S32_MAX;
}

function setU32(r: Bounds, min: number, max: number, ok: boolean): void {
  r.u32min = ok ? min >>> 0 : 0;
  r.u32max = ok ? max >>> 0 : U32_MAX;
}

function setS64(r: Bounds, min: bigint, max: bigint, ok: boolean): void {
  r.smin = ok ? s64(min) : S64_MIN;
  r.smax = ok ? s64(max) : S64_MAX;
}

function setU64(r: Bounds, min: bigint, max: bigint, ok: boolean): void {
  r.umin = ok ? u64(min) : 0n;
  r.umax = ok ? u64(max) : U64_MAX;
}

/** The tnum says most; and/or add that the result is at most, at least, either operand. */
function bitwise(sub: 'and' | 'or' | 'xor', r: Bounds, src: Bounds): void {
  const isKnown = r.isConst() && src.isConst();
  const isKnown32 = r.isConst32() && src.isConst32();
  const tnum = { and: tnumAnd, or: tnumOr, xor: tnumXor }[sub](r.tnum, src.tnum);
  const low = tnumSubreg(tnum);
  const lowMax = Number(low.value | low.mask);
  r.tnum = tnum;
  if (isKnown) {
    r.setConst(tnum.value);
    return;
  }
  if (isKnown32) r.setConst32(Number(low.value));
  else {
    r.u32min = sub === 'or' ? Math.max(r.u32min, src.u32min) : Number(low.value);
    r.u32max = sub === 'and' ? Math.min(r.u32max, src.u32max) : lowMax;
    const isOrdered = (r.u32min | 0) <= (r.u32max | 0);
    setS32(r, r.u32min | 0, r.u32max | 0, isOrdered);
  }
  if (sub === 'or') r.umin = r.umin > src.umin ? r.umin : src.umin;
  else r.umin = tnum.value;
  if (sub === 'and') r.umax = r.umax < src.umax ? r.umax : src.umax;
  else r.umax = tnum.value | tnum.mask;
  setS64(r, r.umin, r.umax, s64(r.umin) <= s64(r.umax));
}

function lsh(width: Width, r: Bounds, by: number): void {
  const n = BigInt(by);
  const isU32Lost = by > 31 || r.u32max > 2 ** (31 - by);
  const shifted32 = [r.u32min * 2 ** Math.min(by, 31), r.u32max * 2 ** Math.min(by, 31)] as const;
  if (width === 32) {
    r.tnum = tnumSubreg(tnumLshift(tnumSubreg(r.tnum), by));
    r.setUnbounded64();
  } else {
    // clang sign-extends by << 32, s>> 32: the signed 32-bit range moves up unharmed.
    const s32 = [BigInt(r.s32min) << 32n, BigInt(r.s32max) << 32n] as const;
    setS64(r, s32[0], s32[1], by === 32);
    setU64(r, r.umin << n, r.umax << n, r.umax <= 1n << (63n - n));
    r.tnum = tnumLshift(r.tnum, by);
  }
  setS32(r, 0, 0, false);
  setU32(r, shifted32[0], shifted32[1], !isU32Lost);
}

function rsh(width: Width, r: Bounds, by: number): void {
  if (width === 32) {
    r.tnum = tnumRshift(tnumSubreg(r.tnum), by);
    setU32(r, r.u32min >>> by, r.u32max >>> by, true);
    setS32(r, 0, 0, false);
    r.setUnbounded64();
  } else {
    const n = BigInt(by);
    r.tnum = tnumRshift(r.tnum, by);
    setU64(r, r.umin >> n, r.umax >> n, true);
    setS64(r, 0n, 0n, false);
    r.setUnbounded32();
  }
}

function arsh(width: Width, r: Bounds, by: number): void {
  if (width === 32) {
    r.tnum = tnumArshift(tnumSubreg(r.tnum), by, 32);
    setS32(r, r.s32min >> by, r.s32max >> by, true);
    setU32(r, 0, 0, false);
    r.setUnbounded64();
  } else {
    const n = BigInt(by);
    r.tnum = tnumArshift(r.tnum, by, 64);
    setS64(r, r.smin >> n, r.smax >> n, true);
    setU64(r, 0n, 0n, false);
    r.setUnbounded32();
  }
}

/** Zero-extension of the low `bytes` bytes into the register. */
export function zeroExtend(b: Bounds, bytes: number): Bounds {
  if (bytes >= 8) return b;
  const r = b.clone();
  if (bytes === 4) {
    r.zext32();
    r.sync();
    return r;
  }
  const limit = (1n << BigInt(bytes * 8)) - 1n;
  const isUntouched = (b.umin & ~limit) === (b.umax & ~limit);
  r.tnum = tnumCast(b.tnum, bytes);
  r.umin = isUntouched ? b.umin & limit : 0n;
  r.umax = isUntouched ? b.umax & limit : limit;
  r.smin = r.umin;
  r.smax = r.umax;
  r.setUnbounded32();
  r.sync();
  return r;
}

/** Sign-extension of the low `bytes` bytes to `width` bits; a 32-bit result is zero-extended from there. */
export function signExtend(b: Bounds, bytes: number, width: Width): Bounds {
  const bits = bytes * 8;
  const r = new Bounds();
  if (b.isConst()) {
    r.setConst(BigInt.asUintN(width, BigInt.asIntN(bits, b.tnum.value)));
    return r;
  }
  const [min, max] = width === 64 ? [b.smin, b.smax] : [BigInt(b.s32min), BigInt(b.s32max)];
  const from = BigInt.asIntN(bits, min);
  const to = BigInt.asIntN(bits, max);
  // Kept where all values share the bits above and the sign bit does not change within.
  const isKept = min >> BigInt(bits) === max >> BigInt(bits) && from < 0n === to < 0n;
  const half = 1n << BigInt(bits - 1);
  setSigned(r, width, isKept ? from : -half, isKept ? to : half - 1n);
  if (isKept) r.tnum = tnumCast(tnumRange(u64(from), u64(to)), width / 8);
  else if (width === 32) r.tnum = tnumSubreg(r.tnum);
  if (width === 32) r.assign32Into64();
  r.sync();
  return r;
}

function setSigned(r: Bounds, width: Width, min: bigint, max: bigint): void {
  setS32(r, Number(min), Number(max), true);
  if (width === 64) setS64(r, min, max, true);
}
