/**
 * The structural check: what can be said of a program without following its paths. Runs before every engine, on raw
 * bytecode as well as on loaded objects. Linear in the program, no recursion.
 *
 * Rules are those of the kernel's `check_subprogs` and `resolve_pseudo_ldimm64`, and those of `do_check` that do not
 * depend on state; reserved fields and opcodes are the decoder's.
 */
import { Errno, VerifierError } from '../errors.js';
import type { Helper } from '../helpers/proto.js';
import type { DecodeRule } from '../isa/decode.js';
import { DecodeError, decode } from '../isa/decode.js';
import { formatLine } from '../isa/disasm.js';
import type { DecodedProgram } from '../isa/insn.js';
import { Op } from '../isa/op.gen.js';
import type { OpRow } from '../isa/ops.js';
import { ROWS } from '../isa/ops.js';
import type { ProgType } from '../progs/prog-types.js';
import { progTypeName } from '../progs/prog-types.js';

export type StructureRule =
  | 'jump' // target outside the subprogram
  | 'lddw-half' // target is the second slot of a lddw
  | 'fall-off' // control leaves the subprogram at its end
  | 'call-target' // subprogram call or function pointer to no instruction
  | 'helper' // no such helper
  | 'helper-type' // not for this program type
  | 'kfunc' // no such kfunc
  | 'map' // no such map
  | 'btf-id' // no such kernel variable
  | 'frame-pointer' // r10 written
  | 'callx'; // call through a register

export interface StructureOptions {
  /** Name of the program, for messages. */
  readonly program: string;
  readonly progType: ProgType;
  readonly helper: (id: number) => Helper | undefined;
  /** Whether a lddw may refer to the map of this id. */
  readonly map: (id: number) => boolean;
  /** Whether the kfunc exists; absent: there are none. */
  readonly kfunc?: (btfId: number, btfObject: number) => boolean;
  /** Whether a lddw may refer to the kernel variable of this BTF id; absent: there are none. */
  readonly variable?: (btfId: number) => boolean;
  /** `file.c:12: text` of a slot, for messages. */
  readonly sourceLine?: (pc: number) => string | undefined;
}

/** A structural rule is broken. Code `ERR_BPF_VERIFIER_STRUCTURE`; match on `rule` for the kind. */
export class StructureError extends VerifierError {
  readonly rule: StructureRule | DecodeRule;

  constructor(
    rule: StructureRule | DecodeRule,
    message: string,
    info: ConstructorParameters<typeof VerifierError>[2],
    options: ConstructorParameters<typeof VerifierError>[3],
  ) {
    super('ERR_BPF_VERIFIER_STRUCTURE', message, info, options);
    this.rule = rule;
  }
}

export interface Structure {
  /** First slots of the subprograms, ascending; 0 first. */
  readonly subprogs: readonly number[];
}

/** A broken rule before it is put into words for the user. `kernel` is the phrase of the kernel's log. */
interface Violation {
  readonly rule: StructureRule;
  readonly fact: string;
  readonly hint: string;
  readonly kernel: string;
  readonly errno?: number;
}

/**
 * Decodes and checks `bytes`.
 * @throws StructureError naming the instruction, the rule and what to do.
 */
export function decodeAndCheck(
  bytes: Uint8Array,
  options: StructureOptions,
): Structure & { readonly insns: DecodedProgram } {
  let insns: DecodedProgram;
  try {
    insns = decode(bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const info = { program: options.program, errno: Errno.EINVAL, pc: error.pc, log: [error.message] };
    throw new StructureError(error.rule, `program ${options.program}: ${error.message}`, info, {
      cause: error,
    });
  }
  return { insns, ...checkStructure(insns, options) };
}

/**
 * Checks a decoded program and finds where its subprograms start.
 * @throws StructureError naming the instruction, the rule and what to do.
 */
export function checkStructure(program: DecodedProgram, options: StructureOptions): Structure {
  const isStart = new Uint8Array(program.length);
  isStart[0] = 1;
  for (let pc = 0; pc < program.length; pc++) {
    if (!isSubprogReference(program.op[pc])) continue;
    const violation = checkCallTarget(program, pc);
    if (violation !== undefined) throw refusal(program, pc, violation, options);
    isStart[program.target[pc]] = 1;
  }
  const subprogs: number[] = [];
  for (let pc = 0; pc < program.length; pc++) if (isStart[pc] === 1) subprogs.push(pc);
  for (const [index, start] of subprogs.entries()) {
    checkSubprog(program, start, subprogs[index + 1] ?? program.length, options);
  }
  return { subprogs };
}

function isSubprogReference(op: number): boolean {
  return op === Op.call_sub || op === Op.lddw_func;
}

function checkCallTarget(program: DecodedProgram, pc: number): Violation | undefined {
  const target = program.target[pc];
  const isLegal = target >= 0 && target < program.length && program.op[target] !== Op.hole;
  if (isLegal) return undefined;
  return {
    rule: 'call-target',
    fact: `the subprogram would start at slot ${target} of ${program.length}, which is no instruction`,
    hint: 'call the first instruction of a subprogram of this program',
    kernel: 'call to invalid destination',
  };
}

function checkSubprog(program: DecodedProgram, start: number, end: number, options: StructureOptions): void {
  for (let pc = start; pc < end; pc++) {
    const op = program.op[pc];
    if (op === Op.hole) continue;
    const row = ROWS[op];
    const violation =
      (row.off === 'jump' || op === Op.ja32 ? checkJump(program, pc, start, end) : undefined) ??
      checkFramePointer(program, pc, row) ??
      checkReference(program, pc, options);
    if (violation !== undefined) throw refusal(program, pc, violation, options);
  }
  const last = program.op[end - 1];
  if (last !== Op.exit && last !== Op.ja && last !== Op.ja32) {
    const pc = last === Op.hole ? end - 2 : end - 1;
    throw refusal(program, pc, fallOff(end, program.length), options);
  }
}

function fallOff(end: number, length: number): Violation {
  const what = end === length ? 'the program ends' : `the subprogram at slot ${end} begins`;
  return {
    rule: 'fall-off',
    fact: `${what} after this instruction, and control would run on`,
    hint: 'end every subprogram with exit, goto or gotol',
    kernel: 'last insn is not an exit or jmp',
  };
}

function checkJump(program: DecodedProgram, pc: number, start: number, end: number): Violation | undefined {
  const target = program.target[pc];
  if (target < start || target >= end) {
    return {
      rule: 'jump',
      fact: `jump to slot ${target}, outside the subprogram in slots ${start} to ${end - 1}`,
      hint: 'a jump stays inside its subprogram; use call for another one',
      kernel: `jump out of range from insn ${pc} to ${target}`,
    };
  }
  if (program.op[target] !== Op.hole) return undefined;
  return {
    rule: 'lddw-half',
    fact: `jump to slot ${target}, the second half of the lddw at slot ${target - 1}`,
    hint: `a lddw takes two slots: jump to slot ${target - 1} or ${target + 1}`,
    kernel: `jump into the middle of ldimm64 insn ${target - 1}`,
  };
}

function checkFramePointer(program: DecodedProgram, pc: number, row: OpRow): Violation | undefined {
  const writesR10 =
    (row.writes.includes('dst') && program.dst[pc] === 10) ||
    (row.writes.includes('src') && program.src[pc] === 10);
  if (!writesR10) return undefined;
  return {
    rule: 'frame-pointer',
    fact: 'it writes r10, the read-only frame pointer',
    hint: 'copy r10 to another register and change that one',
    kernel: 'frame pointer is read only',
    errno: Errno.EACCES,
  };
}

/** Checks what an instruction refers to by number: helper, kfunc, map, kernel variable. */
function checkReference(
  program: DecodedProgram,
  pc: number,
  options: StructureOptions,
): Violation | undefined {
  const imm = program.imm[pc];
  switch (program.op[pc]) {
    case Op.call:
      return checkHelper(imm, options);
    case Op.call_kfunc:
      return options.kfunc?.(imm, program.off[pc]) === true ? undefined : unknownKfunc(imm);
    case Op.lddw_map_fd:
    case Op.lddw_map_value:
      return options.map(imm) ? undefined : unknownMap(`map ${imm}`);
    case Op.lddw_map_idx:
    case Op.lddw_map_idx_value:
      return unknownMap(`index ${imm} of a list of maps that was not given`);
    case Op.lddw_btf_id:
      return options.variable?.(imm) === true ? undefined : unknownVariable(imm);
    case Op.callx:
      return {
        rule: 'callx',
        fact: 'it calls through a register, which no kernel accepts',
        hint: 'call the function by name, or compile with -O2 so that the compiler does',
        kernel: 'BPF_CALL uses reserved fields',
      };
    default:
      return undefined;
  }
}

function checkHelper(id: number, options: StructureOptions): Violation | undefined {
  const helper = options.helper(id);
  if (helper === undefined) {
    return {
      rule: 'helper',
      fact: `there is no helper number ${id}`,
      hint: 'see the list of supported helpers; a newer helper may be missing here',
      kernel: `invalid func unknown#${id}`,
    };
  }
  if (helper.progTypes === 'all' || helper.progTypes.includes(options.progType)) return undefined;
  const type = progTypeName(options.progType);
  return {
    rule: 'helper-type',
    fact: `a program of type ${type} may not call ${helper.name}`,
    hint: `it is for ${helper.progTypes.map(progTypeName).join(', ')}`,
    kernel: `program of this type cannot use helper ${helper.name}#${id}`,
  };
}

const unknownMap = (what: string): Violation => ({
  rule: 'map',
  fact: `it refers to ${what}, which does not exist`,
  hint: 'create the map, or declare it in SEC(".maps"), and relocate the program before it is loaded',
  kernel: 'fd is not pointing to valid bpf_map',
  errno: Errno.EBADF,
});

const unknownKfunc = (btfId: number): Violation => ({
  rule: 'kfunc',
  fact: `there is no kfunc with BTF id ${btfId}`,
  hint: 'declare it as an extern __ksym so that it is found by name; not all kfuncs exist here',
  kernel: `kernel btf_id ${btfId} is not a function`,
});

const unknownVariable = (btfId: number): Violation => ({
  rule: 'btf-id',
  fact: `there is no kernel variable with BTF id ${btfId}`,
  hint: 'declare it as an extern __ksym so that it is found by name',
  kernel: `ldimm64 insn specifies invalid btf_id ${btfId}.`,
});

function refusal(
  program: DecodedProgram,
  pc: number,
  violation: Violation,
  options: StructureOptions,
): StructureError {
  const names = { helper: (id: number) => options.helper(id)?.name };
  const line = formatLine(program, pc, names);
  const source = options.sourceLine?.(pc);
  return new StructureError(
    violation.rule,
    `program ${options.program}: insn ${line}: ${violation.fact}${source === undefined ? '' : ` [${source}]`}`,
    {
      program: options.program,
      errno: violation.errno ?? Errno.EINVAL,
      pc,
      log: [line, violation.kernel],
    },
    { hint: violation.hint },
  );
}
