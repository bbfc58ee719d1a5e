/**
 * The assembler. It reads the syntax of the kernel's verifier log (`0: (b7) r0 = 0`) and that of the public
 * conformance data files (`mov32 %r0, 0`), mixed as one likes, with labels and comments.
 */
import { BpfError } from '../errors.js';
import type { Binding, Operand, Pattern } from './asm-patterns.js';
import { patternsFor, tokenise, tokeniseWithLabel } from './asm-patterns.js';
import type { OpFields } from './encode.js';
import { encodeOps } from './encode.js';
import { Op } from './op.gen.js';
import { ROWS } from './ops.js';

/** Text that is no instruction, or whose operands do not fit. Code `ERR_BPF_ASM`; `line` counts from 1. */
export class AsmError extends BpfError {
  readonly line: number;

  constructor(line: number, message: string, hint?: string) {
    super('ERR_BPF_ASM', `line ${line}: ${message}`, hint === undefined ? {} : { hint });
    this.line = line;
  }
}

export interface AsmOptions {
  /** Number of the helper with this C spelling, for `call bpf_ktime_get_ns` without its number. */
  readonly helperId?: (name: string) => number | undefined;
}

interface Statement {
  readonly line: number;
  readonly slot: number;
  readonly fields: Fields;
  /** The field that takes the distance to `label`. */
  readonly label?: string;
}

type Fields = { -readonly [Key in keyof OpFields]: OpFields[Key] };

const COMMENT = /(;|\/\/|(^|\s)#).*$/;
const LABEL = /^([A-Za-z_.$][\w.$]*):\s*/;
const SLOT = /^\d+:\s*/;
/** Longer than any instruction; it bounds what matching a line can cost. */
const MAX_LINE = 500;
const OPCODE = /^\(([0-9a-f]{2})\)\s*/i;

/**
 * Assembles `text`, an instruction or label a line, to bytes, 8 a slot.
 * @throws AsmError on the first line that cannot be read.
 */
export function assemble(text: string, options: AsmOptions = {}): Uint8Array {
  const statements: Statement[] = [];
  const labels = new Map<string, number>();
  let slot = 0;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    let rest = raw.replace(COMMENT, '').trim();
    if (rest.length > MAX_LINE) throw new AsmError(line, `${rest.length} characters`, `at most ${MAX_LINE}`);
    for (let label = LABEL.exec(rest); label !== null; label = LABEL.exec(rest)) {
      if (labels.has(label[1])) throw new AsmError(line, `label ${label[1]} is defined twice`);
      labels.set(label[1], slot);
      rest = rest.slice(label[0].length);
    }
    rest = rest.replace(SLOT, '');
    if (rest === '') continue;
    const statement = { line, slot, ...parseInsn(rest, line, options) };
    statements.push(statement);
    slot += ROWS[statement.fields.op].slots;
  }
  for (const statement of statements) resolveLabel(statement, labels, options);
  return encodeOps(statements.map((statement) => statement.fields));
}

interface Parsed {
  readonly fields: Fields;
  readonly label?: string;
}

function parseInsn(text: string, line: number, options: AsmOptions): Parsed {
  const prefix = OPCODE.exec(text);
  const opcode = prefix === null ? undefined : parseInt(prefix[1], 16);
  const isWide = /\sll$/.test(text);
  const body = text
    .slice(prefix === null ? 0 : prefix[0].length)
    .replace(/\s+ll$|\s+<[^<>]*>$/, '')
    .trim();
  const call = parseCall(body, line, options);
  if (call !== undefined) return call;
  for (const tokens of [tokenise(body), tokeniseWithLabel(body)]) {
    if (tokens === undefined) continue;
    const fitting = patternsFor(tokens.key).filter(
      ({ op }) => (opcode === undefined || ROWS[op].opcode === opcode) && (!isWide || ROWS[op].slots === 2),
    );
    if (fitting.length === 0) continue;
    return fitAny(fitting, tokens.operands, line, opcode !== undefined || isWide);
  }
  throw new AsmError(line, `"${text}" is no instruction`, 'docs/isa.md lists the syntax of all of them');
}

/** `call bpf_ktime_get_ns#5`, `call kernel-function#77 btf[1]`, `call name`. */
function parseCall(body: string, line: number, options: AsmOptions): Parsed | undefined {
  const numbered = /^call\s+([A-Za-z_][\w.-]*)#([+-]?\d+)(?:\s+btf\[([+-]?\d+)\])?$/.exec(body);
  if (numbered !== null) {
    const [, name, number, object] = numbered;
    const imm = fitted(BigInt(number), 32, line);
    const off = object === undefined ? 0 : fitted(BigInt(object), 16, line);
    // The kernel prints helpers and kfuncs alike: the name decides.
    const isNamed = options.helperId === undefined ? name.startsWith('bpf_') : options.helperId(name) === imm;
    const isHelper = object === undefined && (name === 'unknown' || isNamed);
    return { fields: isHelper ? { op: Op.call, imm } : { op: Op.call_kfunc, imm, off } };
  }
  const named = /^call\s+(?!local\b|kfunc\b|pc[+-])([A-Za-z_.$][\w.$]*)$/.exec(body);
  return named === null ? undefined : { fields: { op: Op.call_sub, imm: 0 }, label: named[1] };
}

function fitAny(
  candidates: readonly Pattern[],
  operands: readonly Operand[],
  line: number,
  isForced: boolean,
): Parsed {
  let failure: unknown;
  for (const candidate of candidates) {
    // `r1 = 5` is a mov, `r1 = 0x5` a lddw: so the kernel prints them.
    const isAmbiguous = candidates.length > 1 && !isForced;
    if (isAmbiguous && candidate.op === Op.mov64_imm && operands[1].isHex) continue;
    try {
      return fit(candidate, operands, line);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function fit(pattern: Pattern, operands: readonly Operand[], line: number): Parsed {
  const row = ROWS[pattern.op];
  const fields: Fields = { op: pattern.op };
  let label: string | undefined;
  for (const [index, binding] of pattern.bindings.entries()) {
    const operand = operands[index];
    if (operand.label !== undefined) {
      if (binding.field !== 'jump') throw new AsmError(line, `"${operand.label}" is no number`);
      label = operand.label;
    } else bind(fields, binding, operand.value, row.off === 'jump' ? 'off' : 'imm', line);
  }
  return label === undefined ? { fields } : { fields, label };
}

function bind(fields: Fields, binding: Binding, value: bigint, jumpField: 'off' | 'imm', line: number): void {
  switch (binding.field) {
    case undefined:
      if (value !== binding.value) throw new AsmError(line, `${value} where ${binding.value} must stand`);
      return;
    case 'dst':
    case 'src':
      bindRegister(fields, binding.field, value, line);
      return;
    case 'imm':
    case 'imm:x':
      fields.imm = fitted(value, 32, line);
      return;
    case 'imm:hi':
      fields.imm = (fields.imm ?? 0) | (fitted(value, 16, line) << 16);
      return;
    case 'imm:lo':
      fields.imm = (fields.imm ?? 0) | (fitted(value, 16, line) & 0xffff);
      return;
    case 'imm64':
      if (BigInt.asIntN(64, value) !== value && BigInt.asUintN(64, value) !== value) {
        throw new AsmError(line, `${value} does not fit 64 bits`);
      }
      fields.imm = Number(BigInt.asIntN(32, value));
      fields.immHi = Number(BigInt.asIntN(32, value >> 32n));
      return;
    case 'next':
      fields.immHi = fitted(value, 32, line);
      return;
    case 'off':
      fields.off = signedOff(value, line);
      return;
    default:
      if (jumpField === 'off') fields.off = signedOff(value, line);
      else fields.imm = fitted(value, 32, line);
  }
}

function bindRegister(fields: Fields, field: 'dst' | 'src', value: bigint, line: number): void {
  if (value > 10n) throw new AsmError(line, `r${value} is no register`, 'registers are r0 to r10');
  if (fields[field] !== undefined && fields[field] !== Number(value)) {
    throw new AsmError(line, `r${value} where r${fields[field]} must stand`, 'the operation has one operand');
  }
  fields[field] = Number(value);
}

/** `value` as a signed number of `bits` bits; the unsigned spelling of the same bits is accepted. */
function fitted(value: bigint, bits: 16 | 32, line: number): number {
  if (BigInt.asIntN(bits, value) !== value && BigInt.asUintN(bits, value) !== value) {
    throw new AsmError(line, `${value} does not fit ${bits} bits`);
  }
  return Number(BigInt.asIntN(bits, value));
}

function signedOff(value: bigint, line: number): number {
  if (BigInt.asIntN(16, value) !== value) {
    throw new AsmError(line, `offset ${value} does not fit 16 bits`, 'it ranges from -32768 to 32767');
  }
  return Number(value);
}

function resolveLabel(
  { line, slot, fields, label }: Statement,
  labels: ReadonlyMap<string, number>,
  options: AsmOptions,
): void {
  if (label === undefined) return;
  const target = labels.get(label);
  if (target === undefined) {
    const id = fields.op === Op.call_sub ? options.helperId?.(label) : undefined;
    if (id === undefined) throw new AsmError(line, `no label "${label}"`);
    fields.op = Op.call;
    fields.imm = id;
    return;
  }
  const distance = BigInt(target - slot - 1);
  if (ROWS[fields.op].off === 'jump') fields.off = signedOff(distance, line);
  else fields.imm = fitted(distance, 32, line);
}
