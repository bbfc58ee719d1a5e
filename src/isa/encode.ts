/** Instructions to bytes. */
import { BpfError } from '../errors.js';
import type { DecodedProgram, Insn } from './insn.js';
import { INSN_SIZE, writeInsn } from './insn.js';
import { Op } from './op.gen.js';
import { ROWS } from './ops.js';

/** An instruction by its row, with the fields that the row leaves open; a jump's distance is in its own field. */
export interface OpFields {
  readonly op: Op;
  readonly dst?: number;
  readonly src?: number;
  readonly off?: number;
  readonly imm?: number;
  /** imm of a lddw's second slot. */
  readonly immHi?: number;
}

/** The slots of one instruction: one, or two for lddw. Fields that select the row are filled in. */
export function encodeInsn(fields: OpFields): Insn[] {
  const row = ROWS[fields.op];
  const insn = {
    opcode: row.opcode,
    dst: fields.dst ?? 0,
    src: fields.src ?? 0,
    off: fields.off ?? 0,
    imm: fields.imm ?? 0,
  };
  if (row.select !== undefined) insn[row.select.field] = row.select.value;
  if (row.slots === 1) return [insn];
  return [insn, { opcode: 0, dst: 0, src: 0, off: 0, imm: fields.immHi ?? 0 }];
}

/** Slots to bytes, 8 each. */
export function encodeSlots(slots: readonly Insn[]): Uint8Array {
  const bytes = new Uint8Array(slots.length * INSN_SIZE);
  for (const [index, slot] of slots.entries()) writeInsn(bytes, index * INSN_SIZE, slot);
  return bytes;
}

/** The bytes of a sequence of instructions. */
export function encodeOps(ops: readonly OpFields[]): Uint8Array {
  return encodeSlots(ops.flatMap(encodeInsn));
}

/**
 * The bytes of a decoded program, from its fields: the inverse of `decode`.
 * @throws BpfError `ERR_BPF_INSN_LDDW` where a second slot of a lddw stands alone.
 */
export function encode(program: DecodedProgram): Uint8Array {
  const bytes = new Uint8Array(program.length * INSN_SIZE);
  for (let pc = 0; pc < program.length; pc++) {
    const op = program.op[pc] as Op;
    if (op === Op.hole) throw new BpfError('ERR_BPF_INSN_LDDW', `insn ${pc}: second slot without a lddw`);
    const slots = encodeInsn({
      op,
      dst: program.dst[pc],
      src: program.src[pc],
      off: program.off[pc],
      imm: program.imm[pc],
      immHi: program.immHi[pc],
    });
    for (const [half, slot] of slots.entries()) writeInsn(bytes, (pc + half) * INSN_SIZE, slot);
    pc += slots.length - 1;
  }
  return bytes;
}
