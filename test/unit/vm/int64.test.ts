import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sdiv64, smod64, swap16, swap32, toBigInt, udiv64, umod64 } from '../../../src/vm/int64.js';
import { testSeed } from '../../lib/seed.js';

const seed = testSeed();
const D = 0;
const S = 2;

type Division = (regs: Int32Array, d: number, s: number) => void;

function divided(operation: Division, a: bigint, b: bigint): bigint {
  const regs = new Int32Array(4);
  for (const [at, value] of [
    [D, a],
    [S, b],
  ] as const) {
    regs[at] = Number(BigInt.asIntN(32, value));
    regs[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }
  operation(regs, D, S);
  return toBigInt(regs, D);
}

/** Numbers of every magnitude, and those next to powers of two, where rounding goes wrong. */
const any64 = fc.oneof(
  fc.bigInt(0n, 0xffff_ffff_ffff_ffffn),
  fc
    .tuple(fc.integer({ min: 0, max: 64 }), fc.integer({ min: -2, max: 2 }))
    .map(([bits, near]) => BigInt.asUintN(64, (1n << BigInt(bits)) + BigInt(near))),
  fc
    .tuple(fc.bigInt(0n, 0xffff_ffffn), fc.integer({ min: 0, max: 63 }))
    .map(([n, by]) => BigInt.asUintN(64, n << BigInt(by))),
);

const s64 = (value: bigint): bigint => BigInt.asIntN(64, value);
const CASES: readonly (readonly [string, Division, (a: bigint, b: bigint) => bigint])[] = [
  ['udiv64', udiv64, (a, b) => (b === 0n ? 0n : a / b)],
  ['umod64', umod64, (a, b) => (b === 0n ? a : a % b)],
  ['sdiv64', sdiv64, (a, b) => (b === 0n ? 0n : s64(a) / s64(b))],
  ['smod64', smod64, (a, b) => (b === 0n ? a : s64(a) % s64(b))],
];

describe(`64-bit division on pairs of words (BPFVM_SEED=${seed})`, () => {
  it.each(CASES)('%s equals the same on BigInt', (_name, operation, expected) => {
    fc.assert(
      fc.property(any64, any64, (a, b) => {
        expect(divided(operation, a, b)).toBe(BigInt.asUintN(64, expected(a, b)));
      }),
      { seed, numRuns: 5000 },
    );
  });

  it.each(CASES)('%s is exact next to multiples of the divisor', (_name, operation, expected) => {
    fc.assert(
      fc.property(any64, any64, fc.integer({ min: -1, max: 1 }), (q, b, near) => {
        const a = BigInt.asUintN(64, q * b + BigInt(near));
        expect(divided(operation, a, b)).toBe(BigInt.asUintN(64, expected(a, b)));
      }),
      { seed, numRuns: 5000 },
    );
  });
});

describe('byte swaps', () => {
  it('swap32 reverses four bytes, swap16 the low two', () => {
    expect(swap32(0x0102_0384) >>> 0).toBe(0x8403_0201);
    expect(swap16(0x0102_0384)).toBe(0x8403);
  });
});
