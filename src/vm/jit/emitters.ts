/** The emitter of every instruction: a row of the instruction table without one does not compile. */
import type { OpName } from '../../isa/op.gen.js';
import { ROWS } from '../../isa/ops.js';
import type { Emit } from './emit-alu.js';
import { ALU } from './emit-alu.js';
import { CALLS } from './emit-call.js';
import { JUMPS } from './emit-jump.js';
import { MEMORY } from './emit-memory.js';

const BY_NAME: Readonly<Record<OpName, Emit>> = { ...ALU, ...MEMORY, ...JUMPS, ...CALLS };

/** Indexed by `Op`. */
export const EMITTERS: readonly Emit[] = ROWS.map((row) => BY_NAME[row.name as OpName]);
