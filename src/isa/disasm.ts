/** Instructions as text: in the syntax of the kernel's verifier log, or in that of the conformance data files. */
import type { DecodedProgram } from './insn.js';
import { Op } from './op.gen.js';
import type { OpRow } from './ops.js';
import { ROWS } from './ops.js';

/** Names that the instructions do not carry. What is left out is printed as the kernel prints it for lack of a name. */
export interface DisasmNames {
  /** C spelling of a helper, by its number. */
  readonly helper?: (id: number) => string | undefined;
  /** Name of a kfunc, by its BTF id, the number of the BTF object, and the slot of the call. */
  readonly kfunc?: (btfId: number, btfObject: number, pc: number) => string | undefined;
  /** What stands for the operand of the lddw or the callee of the kfunc call at `pc`, e.g. the name of a map. */
  readonly operand?: (pc: number) => string | undefined;
  /** What stands for the target of the jump or call at `pc`, e.g. a label: replaces `pc+N` or `+N`. */
  readonly target?: (pc: number) => string | undefined;
}

export type Dialect = 'kernel' | 'conformance';

const signed = (value: number): string => (value < 0 ? String(value) : `+${value}`);
const hex8 = (value: number): string => value.toString(16).padStart(2, '0');

/** The text of a 64-bit constant given as two words, `0x...`. */
export function hex64(lo: number, hi: number): string {
  const low = (lo >>> 0).toString(16);
  return hi === 0 ? `0x${low}` : `0x${(hi >>> 0).toString(16)}${low.padStart(8, '0')}`;
}

function functionName(program: DecodedProgram, pc: number, row: OpRow, names: DisasmNames): string {
  const imm = program.imm[pc];
  if (row.kind === 'call') return names.helper?.(imm) ?? 'unknown';
  return names.kfunc?.(imm, program.off[pc], pc) ?? 'kernel-function';
}

type Field = (program: DecodedProgram, pc: number, row: OpRow, names: DisasmNames) => string;

/** The placeholders of the table's syntax columns. */
const FIELDS: Readonly<Record<string, Field>> = {
  dst: (program, pc) => String(program.dst[pc]),
  src: (program, pc) => String(program.src[pc]),
  imm: (program, pc) => String(program.imm[pc]),
  'imm:x': (program, pc) => `0x${(program.imm[pc] >>> 0).toString(16)}`,
  'imm:hi': (program, pc) => String(program.imm[pc] >>> 16),
  'imm:lo': (program, pc) => String(program.imm[pc] & 0xffff),
  imm64: (program, pc) => hex64(program.imm[pc], program.immHi[pc]),
  next: (program, pc) => String(program.immHi[pc] >>> 0),
  off: (program, pc) => signed(program.off[pc]),
  jump: (program, pc, row) => signed(row.off === 'jump' ? program.off[pc] : program.imm[pc]),
  name: functionName,
};

/** A syntax column cut at its placeholders: odd elements are fields. */
const compiled: Readonly<Record<Dialect, readonly (readonly (string | Field)[])[]>> = {
  kernel: ROWS.map((row) => compile(row.syntax)),
  conformance: ROWS.map((row) => compile(row.mnemonic)),
};

function compile(template: string): (string | Field)[] {
  return template.split(/\{([a-z0-9:]+)\}/).map((part, index) => (index % 2 === 0 ? part : FIELDS[part]));
}

function operandText(
  row: OpRow,
  dialect: Dialect,
  program: DecodedProgram,
  pc: number,
  text: string,
): string {
  if (row.kind === 'call_kfunc') return `call ${text}`;
  const register = `r${program.dst[pc]}`;
  return dialect === 'kernel'
    ? `${register} = ${text}`
    : `${row.mnemonic.split(' ')[0]} %${register}, ${text}`;
}

/**
 * The instruction at slot `pc` without slot number and opcode, e.g. `r0 = 0`. The second slot of a lddw has none: ''.
 */
export function formatInsn(
  program: DecodedProgram,
  pc: number,
  names: DisasmNames = {},
  dialect: Dialect = 'kernel',
): string {
  const op = program.op[pc];
  if (op === Op.hole) return '';
  const row = ROWS[op];
  if (row.kind === 'lddw' || row.kind === 'call_kfunc') {
    const operand = names.operand?.(pc);
    if (operand !== undefined) return operandText(row, dialect, program, pc, operand);
  }
  const target = names.target === undefined ? undefined : names.target(pc);
  let text = '';
  for (const part of compiled[dialect][op]) {
    if (typeof part === 'string') text += part;
    else if (part === FIELDS.jump && target !== undefined) text = text.replace(/pc$/, '') + target;
    else text += part(program, pc, row, names);
  }
  // The kernel's text leaves the BTF object of a kfunc out; objects have 0 there, and only others show it.
  if (row.kind === 'call_kfunc' && dialect === 'kernel' && program.off[pc] !== 0) {
    text += ` btf[${program.off[pc]}]`;
  }
  return text;
}

/** As a line of the kernel's verifier log: `0: (b7) r0 = 0`. */
export function formatLine(program: DecodedProgram, pc: number, names: DisasmNames = {}): string {
  return `${pc}: (${hex8(program.bytes[pc * 8])}) ${formatInsn(program, pc, names)}`;
}

/** Every instruction as a line; the second slots of lddw have no line of their own. */
export function* disassemble(
  program: DecodedProgram,
  names: DisasmNames = {},
  dialect: Dialect = 'kernel',
): Generator<string> {
  for (let pc = 0; pc < program.length; pc++) {
    if (program.op[pc] === Op.hole) continue;
    yield dialect === 'kernel' ? formatLine(program, pc, names) : formatInsn(program, pc, names, dialect);
  }
}
