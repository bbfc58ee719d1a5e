/** Arbitrary instructions of every row of the table, for properties that hold of any instruction. */
import fc from 'fast-check';
import type { OpFields } from '../../src/isa/encode.js';
import type { Op } from '../../src/isa/op.gen.js';
import type { FieldUse, OpRow } from '../../src/isa/ops.js';
import { ROWS } from '../../src/isa/ops.js';
import { EDGE_INT32 } from './random.js';

const int32 = fc.oneof(fc.constantFrom(...EDGE_INT32), fc.integer({ min: -0x80000000, max: 0x7fffffff }));
const int16 = fc.oneof(fc.constantFrom(0, 1, -1, 0x7fff, -0x8000), fc.integer({ min: -0x8000, max: 0x7fff }));
const register = fc.integer({ min: 0, max: 10 });

function field(use: FieldUse, values: fc.Arbitrary<number>): fc.Arbitrary<number> {
  return use === 'zero' || use === 'select' ? fc.constant(0) : values;
}

function insnOf(op: number, row: OpRow): fc.Arbitrary<OpFields> {
  return fc.record({
    op: fc.constant(op as Op),
    dst: field(row.dst, register),
    src: field(row.src, register),
    off: field(row.off, int16),
    imm: field(row.imm, int32),
    immHi: row.next === 'imm' ? int32 : fc.constant(0),
  });
}

/** Any instruction: all rows equally often. */
export const anyInsn: fc.Arbitrary<OpFields> = fc.oneof(...ROWS.map((row, op) => insnOf(op, row)));

/** Any sequence of instructions; jumps lead anywhere. */
export const anyProgram: fc.Arbitrary<OpFields[]> = fc.array(anyInsn, { minLength: 1, maxLength: 60 });
