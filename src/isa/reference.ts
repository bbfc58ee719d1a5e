/**
 * Reference semantics of pure operations in BigInt, a column of the instruction table kept out of it so that nothing
 * fast ever loads it: tests compare the engines with it. Registers are unsigned 64-bit BigInts, here and in the
 * results; immediates arrive sign-extended to 64 bits. Source: RFC 9669 sections 4.1 to 4.3 and 5.3.
 */
import type { AluOp, AtomicOp, JmpCond, OpRow } from './ops.js';

export type AluReference = (dst: bigint, src: bigint) => bigint;
export type ConditionReference = (dst: bigint, src: bigint) => boolean;
/** What an atomic operation leaves in memory, from what is there, src and r0; all of the operation's width. */
export type AtomicReference = (old: bigint, src: bigint, r0: bigint) => bigint;

/** Operands are cut to the width, signed where the name begins with s; the result may be any integer. */
type Arithmetic = (dst: bigint, src: bigint, width: number) => bigint;

const signed = (value: bigint, width: number): bigint => BigInt.asIntN(width, value);

const ALU: Readonly<Record<AluOp, Arithmetic>> = {
  add: (dst, src) => dst + src,
  sub: (dst, src) => dst - src,
  mul: (dst, src) => dst * src,
  div: (dst, src) => (src === 0n ? 0n : dst / src),
  or: (dst, src) => dst | src,
  and: (dst, src) => dst & src,
  lsh: (dst, src, width) => dst << (src & BigInt(width - 1)),
  rsh: (dst, src, width) => dst >> (src & BigInt(width - 1)),
  mod: (dst, src) => (src === 0n ? dst : dst % src),
  xor: (dst, src) => dst ^ src,
  mov: (_dst, src) => src,
  arsh: (dst, src, width) => signed(dst, width) >> (src & BigInt(width - 1)),
  sdiv: (dst, src, width) => (src === 0n ? 0n : signed(dst, width) / signed(src, width)),
  smod: (dst, src, width) => (src === 0n ? dst : signed(dst, width) % signed(src, width)),
};

const CONDITION: Readonly<Record<JmpCond, (dst: bigint, src: bigint, width: number) => boolean>> = {
  jeq: (dst, src) => dst === src,
  jgt: (dst, src) => dst > src,
  jge: (dst, src) => dst >= src,
  jset: (dst, src) => (dst & src) !== 0n,
  jne: (dst, src) => dst !== src,
  jsgt: (dst, src, width) => signed(dst, width) > signed(src, width),
  jsge: (dst, src, width) => signed(dst, width) >= signed(src, width),
  jlt: (dst, src) => dst < src,
  jle: (dst, src) => dst <= src,
  jslt: (dst, src, width) => signed(dst, width) < signed(src, width),
  jsle: (dst, src, width) => signed(dst, width) <= signed(src, width),
};

const ATOMIC: Readonly<Record<AtomicOp, AtomicReference>> = {
  add: (old, src) => old + src,
  or: (old, src) => old | src,
  and: (old, src) => old & src,
  xor: (old, src) => old ^ src,
  xchg: (_old, src) => src,
  cmpxchg: (old, src, r0) => (old === r0 ? src : old),
  load_acq: (old) => old,
  store_rel: (_old, src) => src,
};

function swapBytes(value: bigint, width: number): bigint {
  let swapped = 0n;
  for (let byte = 0; byte < width / 8; byte++)
    swapped = (swapped << 8n) | ((value >> BigInt(8 * byte)) & 0xffn);
  return swapped;
}

/** dst after an ALU, negation, sign extension or byte order operation; undefined for other rows. */
export function aluReference(row: OpRow): AluReference | undefined {
  const { width } = row;
  switch (row.kind) {
    case 'alu': {
      const operation = ALU[row.sub as AluOp];
      return (dst, src) =>
        BigInt.asUintN(width, operation(BigInt.asUintN(width, dst), BigInt.asUintN(width, src), width));
    }
    case 'neg':
      return (dst) => BigInt.asUintN(width, -dst);
    case 'movsx': {
      const bits = row.select!.value;
      return (_dst, src) => BigInt.asUintN(width, signed(src, bits));
    }
    case 'end':
      // The machine is little-endian: le only truncates.
      return row.sub === 'le'
        ? (dst) => BigInt.asUintN(width, dst)
        : (dst) => swapBytes(BigInt.asUintN(width, dst), width);
    default:
      return undefined;
  }
}

/** Whether a conditional jump is taken; undefined for other rows. */
export function conditionReference(row: OpRow): ConditionReference | undefined {
  if (row.kind !== 'jcc') return undefined;
  const condition = CONDITION[row.sub as JmpCond];
  const { width } = row;
  return (dst, src) => condition(BigInt.asUintN(width, dst), BigInt.asUintN(width, src), width);
}

/** The memory operand after an atomic operation; undefined for other rows. */
export function atomicReference(row: OpRow): AtomicReference | undefined {
  if (row.kind !== 'atomic') return undefined;
  const operation = ATOMIC[row.sub as AtomicOp];
  const cut = (value: bigint): bigint => BigInt.asUintN(row.width, value);
  return (old, src, r0) => cut(operation(cut(old), cut(src), cut(r0)));
}
