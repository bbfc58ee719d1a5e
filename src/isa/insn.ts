/** Instructions as plain data, undecoded and decoded. */

/** One 8-byte slot as the ELF file holds it; `off` and `imm` are signed. */
export interface Insn {
  readonly opcode: number;
  readonly dst: number;
  readonly src: number;
  readonly off: number;
  readonly imm: number;
}

export const INSN_SIZE = 8;

/** Reads the slot at byte `at`. */
export function readInsn(bytes: Uint8Array, at: number): Insn {
  const regs = bytes[at + 1];
  return {
    opcode: bytes[at],
    dst: regs & 15,
    src: regs >> 4,
    off: ((bytes[at + 2] | (bytes[at + 3] << 8)) << 16) >> 16,
    imm: bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24),
  };
}

/** Writes one slot at byte `at`. */
export function writeInsn(bytes: Uint8Array, at: number, insn: Insn): void {
  bytes[at] = insn.opcode;
  bytes[at + 1] = (insn.dst & 15) | (insn.src << 4);
  bytes[at + 2] = insn.off;
  bytes[at + 3] = insn.off >> 8;
  bytes[at + 4] = insn.imm;
  bytes[at + 5] = insn.imm >> 8;
  bytes[at + 6] = insn.imm >> 16;
  bytes[at + 7] = insn.imm >> 24;
}

/**
 * A decoded program: one element per slot in every array, so that an index is a pc everywhere. The second slot of a
 * lddw holds `Op.hole`. Variants are folded: everything that runs or checks a program switches on `op` alone.
 */
export interface DecodedProgram {
  /** Number of slots. */
  readonly length: number;
  /** `Op` of each slot. */
  readonly op: Uint8Array;
  readonly dst: Uint8Array;
  readonly src: Uint8Array;
  /** Offset of a memory access, in bytes. */
  readonly off: Int32Array;
  readonly imm: Int32Array;
  /** Upper word of a lddw; 0 elsewhere. */
  readonly immHi: Int32Array;
  /** Absolute slot of a jump's target, a subprogram call's callee or a lddw_func's function; -1 elsewhere. */
  readonly target: Int32Array;
  /** The bytes it was decoded from, `length * 8` of them. */
  readonly bytes: Uint8Array;
}
