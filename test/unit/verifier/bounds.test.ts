/** Arithmetic on bounds holds every concrete result: random ranges, random members, against the table's reference. */
import { describe, expect, it } from 'vitest';
import type { AluOp, JmpCond } from '../../../src/isa/ops.js';
import { Bounds } from '../../../src/verifier/bounds.js';
import { isBranchTaken, refine } from '../../../src/verifier/branch.js';
import { aluBounds, signExtend, zeroExtend } from '../../../src/verifier/scalar-alu.js';
import { s64, tnumIn, tnumConst, u64 } from '../../../src/verifier/tnum.js';
import { Random } from '../../lib/random.js';
import { testCount, testSeed } from '../../lib/seed.js';

const seed = testSeed();
const count = testCount(3000);

const word = (rng: Random): bigint =>
  u64((BigInt(rng.int32()) << 32n) ^ BigInt(rng.int32())) >> BigInt(rng.pick([0, 0, 8, 32, 40, 56, 60]));

/** Bounds of one to three random values, and one of those values. */
function sample(rng: Random): { bounds: Bounds; value: bigint } {
  const values = Array.from({ length: 1 + rng.below(3) }, () =>
    rng.chance(30) ? u64(-word(rng)) : word(rng),
  );
  const bounds = new Bounds();
  const min = (list: bigint[]): bigint => list.reduce((a, b) => (a < b ? a : b));
  const max = (list: bigint[]): bigint => list.reduce((a, b) => (a > b ? a : b));
  const signed = values.map(s64);
  const low = values.map((v) => Number(v & 0xffff_ffffn));
  if (rng.chance(70)) [bounds.umin, bounds.umax] = [min(values), max(values)];
  if (rng.chance(70)) [bounds.smin, bounds.smax] = [min(signed), max(signed)];
  if (rng.chance(70)) [bounds.u32min, bounds.u32max] = [Math.min(...low), Math.max(...low)];
  if (rng.chance(70))
    [bounds.s32min, bounds.s32max] = [Math.min(...low.map((v) => v | 0)), Math.max(...low.map((v) => v | 0))];
  const mask = values.reduce((all, v) => all | (v ^ values[0]), 0n);
  if (rng.chance(70)) bounds.tnum = { value: values[0] & ~mask, mask };
  bounds.sync();
  return { bounds, value: rng.pick(values) };
}

function holds(bounds: Bounds, value: bigint): boolean {
  const low = Number(value & 0xffff_ffffn);
  const s = s64(value);
  return (
    tnumIn(bounds.tnum, tnumConst(value)) &&
    bounds.umin <= value && value <= bounds.umax &&
    bounds.smin <= s && s <= bounds.smax &&
    bounds.u32min <= low && low <= bounds.u32max &&
    bounds.s32min <= (low | 0) && (low | 0) <= bounds.s32max
  ); // prettier-ignore
}

const OPS: Readonly<Partial<Record<AluOp, (a: bigint, b: bigint, bits: 32 | 64) => bigint>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  lsh: (a, b, bits) => a << (b & BigInt(bits - 1)),
  rsh: (a, b, bits) => BigInt.asUintN(bits, a) >> (b & BigInt(bits - 1)),
  arsh: (a, b, bits) => BigInt.asIntN(bits, a) >> (b & BigInt(bits - 1)),
};

const CONDITIONS: Readonly<Record<JmpCond, (a: bigint, b: bigint, bits: 32 | 64) => boolean>> = {
  jeq: (a, b) => a === b,
  jne: (a, b) => a !== b,
  jset: (a, b) => (a & b) !== 0n,
  jgt: (a, b) => a > b,
  jge: (a, b) => a >= b,
  jlt: (a, b) => a < b,
  jle: (a, b) => a <= b,
  jsgt: (a, b, bits) => BigInt.asIntN(bits, a) > BigInt.asIntN(bits, b),
  jsge: (a, b, bits) => BigInt.asIntN(bits, a) >= BigInt.asIntN(bits, b),
  jslt: (a, b, bits) => BigInt.asIntN(bits, a) < BigInt.asIntN(bits, b),
  jsle: (a, b, bits) => BigInt.asIntN(bits, a) <= BigInt.asIntN(bits, b),
};

const WIDTHS = [32, 64] as const;

describe(`bounds (BPFVM_SEED=${seed}, BPFVM_COUNT=${count})`, () => {
  it('narrow each other without losing a value', () => {
    const rng = new Random(seed);
    for (let i = 0; i < count; i++) {
      const { bounds, value } = sample(rng);
      expect({ i, value, ok: holds(bounds, value) }).toEqual({ i, value, ok: true });
    }
  });

  it.each(Object.keys(OPS) as AluOp[])('hold every result of %s', (op) => {
    const rng = new Random(seed);
    for (let i = 0; i < count; i++) {
      const a = sample(rng);
      const b = sample(rng);
      for (const bits of WIDTHS) {
        const result = BigInt.asUintN(
          bits,
          OPS[op]!(BigInt.asUintN(bits, a.value), BigInt.asUintN(bits, b.value), bits),
        );
        const bounds = aluBounds(op, bits, a.bounds, b.bounds);
        expect({ i, bits, ok: holds(bounds, result) }).toEqual({ i, bits, ok: true });
      }
    }
  });

  it('hold every extension of a part', () => {
    const rng = new Random(seed);
    for (let i = 0; i < count; i++) {
      const { bounds, value } = sample(rng);
      for (const bytes of [1, 2, 4]) {
        expect(holds(zeroExtend(bounds, bytes), BigInt.asUintN(bytes * 8, value))).toBe(true);
        expect(holds(signExtend(bounds, bytes, 64), u64(BigInt.asIntN(bytes * 8, value)))).toBe(true);
      }
    }
  });

  it.each(Object.keys(CONDITIONS) as JmpCond[])(
    'predict %s only where it is decided, and learn only what holds',
    (cond) => {
      const rng = new Random(seed);
      for (let i = 0; i < count; i++) {
        const a = sample(rng);
        const b = sample(rng);
        for (const bits of WIDTHS) {
          const taken = CONDITIONS[cond](BigInt.asUintN(bits, a.value), BigInt.asUintN(bits, b.value), bits);
          const predicted = isBranchTaken(a.bounds, b.bounds, cond, bits === 32);
          if (predicted !== undefined) expect({ i, bits, predicted }).toEqual({ i, bits, predicted: taken });
          if (!taken || predicted !== undefined) continue;
          const [left, right] = [a.bounds.clone(), b.bounds.clone()];
          refine(left, right, cond, bits === 32);
          left.sync();
          right.sync();
          expect({ i, bits, ok: holds(left, a.value) && holds(right, b.value) }).toEqual({
            i,
            bits,
            ok: true,
          });
        }
      }
    },
  );
});
