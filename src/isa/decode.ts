/** Bytes to decoded programs, with exact checks of reserved fields (RFC 9669 section 3, kernel `bpf_check`). */
import { BpfError } from '../errors.js';
import type { DecodedProgram, Insn } from './insn.js';
import { INSN_SIZE, readInsn } from './insn.js';
import { Op } from './op.gen.js';
import type { OpRow } from './ops.js';
import { ROWS } from './ops.js';

export type DecodeRule =
  | 'size' // not a multiple of 8 bytes, or empty
  | 'opcode' // no such opcode
  | 'variant' // opcode known, its off, imm or src selects nothing
  | 'reserved' // a reserved field is not 0
  | 'register' // r11..r15
  | 'lddw'; // second slot missing or malformed

/** Bytes that are not a program. `pc` is the slot. Code `ERR_BPF_INSN_<RULE>`. */
export class DecodeError extends BpfError {
  readonly pc: number;
  readonly rule: DecodeRule;

  constructor(pc: number, rule: DecodeRule, message: string, hint?: string) {
    super(`ERR_BPF_INSN_${rule.toUpperCase()}`, `insn ${pc}: ${message}`, hint === undefined ? {} : { hint });
    this.pc = pc;
    this.rule = rule;
  }
}

/** Rows of each opcode byte; the index into ROWS is the `Op`. */
const byOpcode: readonly (readonly number[])[] = (() => {
  const table: number[][] = Array.from({ length: 256 }, () => []);
  for (const [op, row] of ROWS.entries()) table[row.opcode].push(op);
  return table;
})();

export interface OpLookup {
  readonly op: Op;
  readonly row: OpRow;
}

/** The row that an instruction's opcode and selecting field name, or the rule that it breaks. */
export function lookupOp(insn: Insn): OpLookup | 'opcode' | 'variant' {
  const candidates = byOpcode[insn.opcode];
  if (candidates.length === 0) return 'opcode';
  for (const op of candidates) {
    const row = ROWS[op];
    if (row.select === undefined || insn[row.select.field] === row.select.value) return { op, row };
  }
  return 'variant';
}

/** Register numbers above r10, and reserved fields that are not 0, by the row's field uses. */
function checkFields(insn: Insn, row: OpRow, pc: number): void {
  for (const field of ['dst', 'src'] as const) {
    if (row[field] === 'reg' && insn[field] > 10) {
      throw new DecodeError(pc, 'register', `R${insn[field]} is invalid`, 'registers are r0 to r10');
    }
  }
  for (const field of ['dst', 'src', 'off', 'imm'] as const) {
    if (row[field] === 'zero' && insn[field] !== 0) {
      throw new DecodeError(
        pc,
        'reserved',
        `${row.name} uses reserved field ${field} = ${insn[field]}`,
        'it must be 0',
      );
    }
  }
}

const hex = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`;

/**
 * Decodes `bytes` (8 per slot).
 * @throws DecodeError on the first slot that no row allows. Jump targets are computed, not checked: see the
 * structural check.
 */
export function decode(bytes: Uint8Array): DecodedProgram {
  if (bytes.length === 0 || bytes.length % INSN_SIZE !== 0) {
    throw new DecodeError(
      0,
      'size',
      `program of ${bytes.length} bytes`,
      'a program is one or more slots of 8 bytes',
    );
  }
  const length = bytes.length / INSN_SIZE;
  const program = {
    length,
    op: new Uint8Array(length),
    dst: new Uint8Array(length),
    src: new Uint8Array(length),
    off: new Int32Array(length),
    imm: new Int32Array(length),
    immHi: new Int32Array(length),
    target: new Int32Array(length).fill(-1),
    bytes,
  };
  for (let pc = 0; pc < length; pc++) {
    const insn = readInsn(bytes, pc * INSN_SIZE);
    const found = lookupOp(insn);
    if (found === 'opcode') throw new DecodeError(pc, 'opcode', `unknown opcode ${hex(insn.opcode)}`);
    if (found === 'variant') throw unknownVariant(insn, pc);
    const { op, row } = found;
    checkFields(insn, row, pc);
    program.op[pc] = op;
    program.dst[pc] = insn.dst;
    program.src[pc] = insn.src;
    program.off[pc] = insn.off;
    program.imm[pc] = insn.imm;
    if (row.off === 'jump') program.target[pc] = pc + 1 + insn.off;
    else if (row.imm === 'jump') program.target[pc] = pc + 1 + insn.imm;
    if (row.slots === 2) {
      program.immHi[pc] = secondHalf(bytes, pc, length, row);
      program.op[++pc] = Op.hole;
    }
  }
  return program;
}

function unknownVariant(insn: Insn, pc: number): DecodeError {
  const field = ROWS[byOpcode[insn.opcode][0]].select!.field;
  const values = byOpcode[insn.opcode].map((op) => ROWS[op].select?.value ?? 0);
  return new DecodeError(
    pc,
    'variant',
    `opcode ${hex(insn.opcode)} with ${field} = ${insn[field]}`,
    `${field} may be ${values.join(', ')}`,
  );
}

function secondHalf(bytes: Uint8Array, pc: number, length: number, row: OpRow): number {
  if (pc + 1 >= length) throw new DecodeError(pc, 'lddw', 'lddw lacks its second slot');
  const next = readInsn(bytes, (pc + 1) * INSN_SIZE);
  if (next.opcode !== 0 || next.dst !== 0 || next.src !== 0 || next.off !== 0) {
    throw new DecodeError(pc, 'lddw', 'second slot of lddw has fields beside imm', 'all but imm must be 0');
  }
  if (row.next === 'zero' && next.imm !== 0) {
    throw new DecodeError(
      pc,
      'reserved',
      `${row.name} uses the imm of its second slot = ${next.imm}`,
      'it must be 0',
    );
  }
  return next.imm;
}
