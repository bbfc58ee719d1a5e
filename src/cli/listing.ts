/** A program as `bpfvm disasm` shows it: instructions with the names and source lines that its object has for them. */
import type { LineInfo } from '../btf/ext-types.js';
import type { ObjectSpec, ProgramSpec, Relocation } from '../elf/object-spec.js';
import { BpfError, UsageError } from '../errors.js';
import { helperById } from '../helpers/registry.js';
import { buildCfg, toDot } from '../isa/cfg.js';
import { DecodeError, decode } from '../isa/decode.js';
import type { DisasmNames } from '../isa/disasm.js';
import { formatInsn, formatLine } from '../isa/disasm.js';
import type { DecodedProgram } from '../isa/insn.js';
import { writeInsn } from '../isa/insn.js';
import { Op } from '../isa/op.gen.js';
import { ROWS } from '../isa/ops.js';
import { progTypeName } from '../progs/prog-types.js';
import { formatHex } from './input.js';

export interface Listing {
  readonly name: string;
  /** What stands above it: section and type; absent for raw bytes. */
  readonly title?: string;
  readonly program: DecodedProgram;
  readonly names: DisasmNames;
  /** Names of the subprograms by first slot. */
  readonly labels: ReadonlyMap<number, string>;
  readonly lines: ReadonlyMap<number, LineInfo>;
}

const helperName = (id: number): string | undefined => helperById(id)?.name;

export function rawListing(bytes: Uint8Array): Listing {
  const program = decode(bytes);
  return { name: 'program', program, names: { helper: helperName }, labels: new Map(), lines: new Map() };
}

/**
 * The programs of an object, or the one named.
 * @throws UsageError where there is no such program, BpfError where one cannot be decoded.
 */
export function objectListings(object: ObjectSpec, name?: string): Listing[] {
  const chosen = object.programs.filter((program) => name === undefined || program.name === name);
  if (name !== undefined && chosen.length === 0) {
    throw new UsageError('ERR_BPF_USAGE_NO_PROGRAM', `${object.name}: no program "${name}"`, {
      hint: `programs: ${object.programs.map((program) => program.name).join(', ')}`,
    });
  }
  return chosen.map((program) => listingOf(object, program));
}

function listingOf(object: ObjectSpec, spec: ProgramSpec): Listing {
  const relocations = new Map(spec.relocations.map((relocation) => [relocation.pc, relocation]));
  const operandOf = (pc: number): string | undefined => operandText(object, relocations.get(pc));
  const length = spec.insns.length / 8;
  return {
    name: spec.name,
    title: `${spec.section}: ${spec.name} (${progTypeName(spec.progType)}, ${length} slots)`,
    program: decodeProgram(object, spec),
    names: { helper: helperName, operand: operandOf },
    labels: new Map(spec.subprogs.map((subprog) => [subprog.start, subprog.name])),
    lines: new Map(spec.lineInfo.map((line) => [line.pc, line])),
  };
}

const CALL_KFUNC = ROWS[Op.call_kfunc];

/** Calls of kernel functions look like calls of subprograms until they are resolved; as libbpf marks them. */
function withKfuncCalls(spec: ProgramSpec): Uint8Array {
  const bytes = spec.insns.slice();
  for (const { kind, pc } of spec.relocations) {
    if (kind === 'kfunc') {
      writeInsn(bytes, pc * 8, {
        opcode: CALL_KFUNC.opcode,
        dst: 0,
        src: CALL_KFUNC.select!.value,
        off: 0,
        imm: 0,
      });
    }
  }
  return bytes;
}

function decodeProgram(object: ObjectSpec, spec: ProgramSpec): DecodedProgram {
  try {
    return decode(withKfuncCalls(spec));
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new BpfError(cause.code, `${object.name}: program ${spec.name}: ${cause.message}`, { cause });
  }
}

/** What an instruction refers to before the object is loaded: bpftool's words for maps. */
function operandText(object: ObjectSpec, relocation: Relocation | undefined): string | undefined {
  switch (relocation?.kind) {
    case undefined:
      return undefined;
    case 'map':
      return `map[${relocation.map}]`;
    case 'data':
      return `map[${relocation.map}][0]+${relocation.offset}`;
    case 'extern': {
      const kind = object.externs.find((extern) => extern.name === relocation.extern)?.kind ?? 'ksym';
      return `${kind}[${relocation.extern}]`;
    }
    case 'kfunc':
      return relocation.extern;
  }
}

function sourceText(line: LineInfo): string {
  return `; ${line.text.trim()} @ ${line.file.replace(/^.*\//, '')}:${line.line}`;
}

/** Lines of text: labels of subprograms, source lines as comments, instructions. */
export function* toLines(listing: Listing, withBytes: boolean): Generator<string> {
  const { program, names, labels, lines } = listing;
  let shown = '';
  for (let pc = 0; pc < program.length; pc++) {
    if (program.op[pc] === Op.hole) continue;
    const label = labels.get(pc);
    if (label !== undefined) yield `${label}:`;
    const line = lines.get(pc);
    const source = line === undefined || line.text === '' ? shown : sourceText(line);
    if (source !== shown) yield source;
    shown = source;
    const text = formatLine(program, pc, names);
    yield withBytes ? `${text.padEnd(40)} ; ${formatHex(bytesOf(program, pc))}` : text;
  }
}

function bytesOf(program: DecodedProgram, pc: number): Uint8Array {
  const slots = program.op[pc + 1] === Op.hole ? 2 : 1;
  return program.bytes.subarray(pc * 8, (pc + slots) * 8);
}

export function toJson(listing: Listing): unknown {
  const { program, names, labels, lines } = listing;
  const insns = [];
  for (let pc = 0; pc < program.length; pc++) {
    if (program.op[pc] === Op.hole) continue;
    const line = lines.get(pc);
    insns.push({
      pc,
      bytes: bytesOf(program, pc),
      text: formatInsn(program, pc, names),
      ...(labels.has(pc) ? { subprog: labels.get(pc) } : {}),
      ...(line === undefined ? {} : { source: { file: line.file, line: line.line, text: line.text.trim() } }),
    });
  }
  return { name: listing.name, slots: program.length, insns };
}

/** The control-flow graph. @throws BpfError where a jump or call leads out of the program. */
export function toDotText(listing: Listing): string {
  const { program, names, labels, lines } = listing;
  return toDot(program, buildCfg(program, subprogsOf(listing)), {
    ...names,
    title: listing.name,
    subprog: (pc) => labels.get(pc),
    source: (pc) => lines.get(pc)?.text.trim(),
  });
}

/** First slots of the subprograms. @throws BpfError where a jump or call leads out of the program. */
function subprogsOf({ program, labels }: Listing): number[] {
  const starts = new Set([0, ...labels.keys()]);
  for (let pc = 0; pc < program.length; pc++) {
    if (program.op[pc] === Op.hole) continue;
    const row = ROWS[program.op[pc]];
    if (row.off !== 'jump' && row.imm !== 'jump') continue;
    const target = program.target[pc];
    if (target < 0 || target >= program.length) {
      const what = `insn ${formatLine(program, pc)}: leads out of the program`;
      throw new BpfError('ERR_BPF_VERIFIER_STRUCTURE', what, { hint: 'without --visual it can be listed' });
    }
    if (row.kind === 'call_sub' || row.kind === 'lddw') starts.add(target);
  }
  return [...starts].sort((a, b) => a - b);
}
