/**
 * Random programs for differential tests: of type sched_cls, always terminating, accepted by the kernel's verifier,
 * biased to edge values. What they compute they leave in the packet, which holds their input at first:
 *
 *      0        STACK            REGS_IN   REGS_OUT   STACK_OUT              PACKET_SIZE
 *      +--------+---------------+---------+----------+----------------------+
 *      | free   | initial stack | scalars | scalars  | the stack at the end |
 *      +--------+---------------+---------+----------+----------------------+
 *
 * The context is a `__sk_buff`: the program reads data at byte 76 and data_end at byte 80. r6 keeps the context and
 * r7 the packet, the other registers are scalars; no address reaches the packet or r0.
 */
import type { OpFields } from '../../src/isa/encode.js';
import { encodeOps } from '../../src/isa/encode.js';
import { Op } from '../../src/isa/op.gen.js';
import type { OpRow } from '../../src/isa/ops.js';
import { ROWS } from '../../src/isa/ops.js';
import { Random } from './random.js';

export interface RandomProgram {
  readonly seed: number;
  readonly bytes: Uint8Array;
  /** Input packet; its length is PACKET_SIZE. */
  readonly packet: Uint8Array;
}

export interface RandomOptions {
  /** Statements of the main program; each is 1 to about 20 instructions. Default 24. */
  readonly statements?: number;
  /** Bytes of the main program's stack that are filled and copied out, a multiple of 8 up to 512. Default 256. */
  readonly stackBytes?: number;
  /** Legacy packet loads; they need an engine with a packet behind the context. Default true. */
  readonly packetLoads?: boolean;
  /** Bpf-to-bpf calls; with more than 256 bytes of stack the kernel refuses them. Default: stackBytes <= 256. */
  readonly subprogs?: boolean;
  /** Load-acquire and store-release (kernel 6.15 and later, x86-64 and arm64). Default true. */
  readonly loadAcquire?: boolean;
  /**
   * Keep clear of what Linux 6.18 gets wrong, for comparisons with it; see docs/isa.md. Default false.
   * - After a 32-bit compare and exchange, clear the upper half of r0.
   * - Before an atomic operation that returns the old value, make its stack slot unknown to the verifier.
   */
  readonly linuxSafe?: boolean;
}

export const STACK_AT = 16;
export const REGS_IN = STACK_AT + 512;
export const REGS_OUT = REGS_IN + 64;
export const STACK_OUT = REGS_OUT + 64;
export const PACKET_SIZE = STACK_OUT + 512;
/** Offsets of `data` and `data_end` in `__sk_buff`. */
export const CTX_DATA = 76;
export const CTX_DATA_END = 80;

const CTX = 6;
const PACKET = 7;
const FP = 10;
const SUB_STACK = 64;

/** Rows of a kind, as the table has them. */
const opsWhere = (test: (row: OpRow) => boolean): readonly Op[] =>
  [...ROWS.keys()].filter((op) => test(ROWS[op])) as Op[];

const ALU_OPS = opsWhere((row) => ['alu', 'neg', 'end', 'movsx'].includes(row.kind));
const JCC_OPS = opsWhere((row) => row.kind === 'jcc');
const LOAD_OPS = opsWhere((row) => row.kind === 'ldx' || row.kind === 'ldsx');
const STORE_OPS = opsWhere((row) => row.kind === 'st' || row.kind === 'stx');
const ATOMIC_OPS = opsWhere((row) => row.kind === 'atomic' && row.group !== 'kernel');
const ORDERED_OPS = opsWhere((row) => row.kind === 'atomic' && row.group === 'kernel');
const LDABS_OPS = opsWhere((row) => row.kind === 'ldabs');
const LDIND_OPS = opsWhere((row) => row.kind === 'ldind');

/** One function of the program while it is generated. */
interface Scope {
  readonly scalars: readonly number[];
  /** Bytes of initialised stack below r10. */
  readonly stack: number;
  readonly isMain: boolean;
  /** A loop counter is live in this register: statements leave it alone. */
  readonly reserved: readonly number[];
}

type Code = OpFields[];
type Statement = (scope: Scope) => Code;

const sizeOf = (op: Op): number => ROWS[op].width / 8;
const slots = (code: Code): number => code.reduce((sum, insn) => sum + ROWS[insn.op].slots, 0);

class Generator {
  readonly rng: Random;
  private readonly packetLoads: boolean;
  private readonly ordered: boolean;
  private readonly linuxSafe: boolean;
  /** Bodies of the subprograms, and the calls of each, by index in `calls`. */
  readonly subprogs: Code[] = [];
  readonly calls = new Map<OpFields, number>();
  private branches = 0;

  constructor(seed: number, options: RandomOptions) {
    this.rng = new Random(seed);
    this.packetLoads = options.packetLoads ?? true;
    this.ordered = options.loadAcquire ?? true;
    this.linuxSafe = options.linuxSafe ?? false;
  }

  /** `count` statements, each of a kind drawn by weight. */
  block(scope: Scope, count: number): Code {
    const code: Code = [];
    for (let index = 0; index < count; index++) code.push(...this.statement(scope)(scope));
    return code;
  }

  private statement(scope: Scope): Statement {
    const roll = this.rng.below(100);
    if (roll < 50) return () => [this.alu(scope)];
    if (roll < 60) return () => [this.load(scope)];
    if (roll < 70) return () => [this.store(scope)];
    if (roll < 78) return () => this.atomic(scope);
    if (roll < 80) return () => this.variableOffset(scope);
    if (roll < 84) return () => [this.constant(scope)];
    if (roll < 93 && this.branches < 8) return () => this.branch(scope);
    if (roll < 95 && this.branches < 8 && scope.reserved.length === 0) return () => this.loop(scope);
    if (roll < 97 && this.subprogs.length > 0 && scope.isMain) return () => this.call(scope);
    if (roll < 100 && this.packetLoads && scope.isMain) return () => this.packetLoad(scope);
    return () => [this.alu(scope)];
  }

  /** A scalar that may be overwritten. */
  private target(scope: Scope): number {
    return this.rng.pick(scope.scalars.filter((register) => !scope.reserved.includes(register)));
  }

  alu(scope: Scope): OpFields {
    const op = this.rng.pick(ALU_OPS);
    const row = ROWS[op];
    const dst = this.target(scope);
    if (row.srcReg) return { op, dst, src: this.rng.pick(scope.scalars) };
    return row.kind === 'alu' ? { op, dst, imm: this.aluImm(row) } : { op, dst };
  }

  /** The kernel refuses immediates that divide by zero or shift by the width or more. */
  private aluImm(row: OpRow): number {
    if (['lsh', 'rsh', 'arsh'].includes(row.sub!)) {
      return this.rng.pick([0, 1, row.width - 1, row.width / 2, this.rng.below(row.width)]);
    }
    const imm = this.rng.imm();
    return imm === 0 && ['div', 'mod', 'sdiv', 'smod'].includes(row.sub!) ? 1 : imm;
  }

  private constant(scope: Scope): OpFields {
    const word = this.rng.word64();
    const imm = Number(BigInt.asIntN(32, word));
    return { op: Op.lddw, dst: this.target(scope), imm, immHi: Number(BigInt.asIntN(32, word >> 32n)) };
  }

  /** The stack is accessed aligned, as the kernel demands; the packet anywhere. */
  private place(scope: Scope, size: number): { readonly base: number; readonly off: number } {
    if (scope.isMain && this.rng.chance(40)) return { base: PACKET, off: this.rng.below(PACKET_SIZE - size) };
    return { base: FP, off: -size * (1 + this.rng.below(scope.stack / size)) };
  }

  private load(scope: Scope): OpFields {
    const op = this.rng.pick(LOAD_OPS);
    const { base, off } = this.place(scope, sizeOf(op));
    return { op, dst: this.target(scope), src: base, off };
  }

  private store(scope: Scope): OpFields {
    const op = this.rng.pick(STORE_OPS);
    const { base, off } = this.place(scope, sizeOf(op));
    return ROWS[op].srcReg
      ? { op, dst: base, src: this.rng.pick(scope.scalars), off }
      : { op, dst: base, off, imm: this.rng.imm() };
  }

  private atomic(scope: Scope): Code {
    const op = this.ordered && this.rng.chance(15) ? this.rng.pick(ORDERED_OPS) : this.rng.pick(ATOMIC_OPS);
    const row = ROWS[op];
    const size = sizeOf(op);
    const off = -size * (1 + this.rng.below(scope.stack / size));
    if (row.sub === 'load_acq') return [{ op, dst: this.target(scope), src: FP, off }];
    const insn = { op, dst: FP, src: this.target(scope), off };
    // An atomic operation leaves a slot in which the verifier knows nothing.
    const forget: Code =
      this.linuxSafe && row.fetch === true
        ? [{ op: Op.atomic_or64, dst: FP, src: insn.src, off: 8 * Math.floor(off / 8) }]
        : [];
    if (row.sub !== 'cmpxchg') return [...forget, insn];
    // Half of the exchanges find what they compare with.
    const load: Code = this.rng.chance(50)
      ? []
      : [{ op: size === 8 ? Op.ldx64 : Op.ldx32, dst: 0, src: FP, off }];
    const extend: Code = size === 4 && this.linuxSafe ? [{ op: Op.mov32_reg, dst: 0, src: 0 }] : [];
    return [...forget, ...load, insn, ...extend];
  }

  /** A stack slot chosen at run time: the pointer lives for one access. */
  private variableOffset(scope: Scope): Code {
    const pointer = this.target(scope);
    const mask = scope.stack >= 256 ? 0xf8 : scope.stack >= 64 ? 0x38 : 0;
    const off = -(mask + 8);
    const access: OpFields = this.rng.chance(50)
      ? { op: Op.ldx64, dst: pointer, src: pointer, off }
      : { op: Op.st64, dst: pointer, off, imm: this.rng.imm() };
    return [
      ...this.pointInto(scope, pointer, mask),
      access,
      { op: Op.mov64_imm, dst: pointer, imm: this.rng.imm() },
    ];
  }

  /**
   * pointer = r10 + (a scalar & mask). Never the other way round: where a pointer is added to a scalar, Linux 6.18's
   * verifier can take it to point into the stack of another frame, and then drops branches that are taken.
   */
  private pointInto(scope: Scope, pointer: number, mask: number): Code {
    const others = scope.scalars.filter(
      (register) => register !== pointer && !scope.reserved.includes(register),
    );
    const index = this.rng.pick(others);
    return [
      { op: Op.and64_imm, dst: index, imm: mask },
      { op: Op.mov64_reg, dst: pointer, src: FP },
      { op: Op.add64_reg, dst: pointer, src: index },
    ];
  }

  private condition(scope: Scope, off: number): OpFields {
    const op = this.rng.pick(JCC_OPS);
    const dst = this.rng.pick(scope.scalars);
    return ROWS[op].srcReg
      ? { op, dst, src: this.rng.pick(scope.scalars), off }
      : { op, dst, imm: this.rng.imm(), off };
  }

  private branch(scope: Scope): Code {
    this.branches++;
    const then = this.block(scope, 1 + this.rng.below(3));
    if (this.rng.chance(50)) return [this.condition(scope, slots(then)), ...then];
    const other = this.block(scope, 1 + this.rng.below(3));
    const skip = slots(other);
    const jump: OpFields = this.rng.chance(30) ? { op: Op.ja32, imm: skip } : { op: Op.ja, off: skip };
    return [this.condition(scope, slots(then) + 1), ...then, jump, ...other];
  }

  /** Two to five rounds, counted in r9. */
  private loop(scope: Scope): Code {
    this.branches++;
    const body = this.block({ ...scope, reserved: [9] }, 1 + this.rng.below(3));
    const round: Code = [...body, { op: Op.sub64_imm, dst: 9, imm: 1 }];
    return [
      { op: Op.mov64_imm, dst: 9, imm: 2 + this.rng.below(4) },
      ...round,
      { op: Op.jne64_imm, dst: 9, imm: 0, off: -slots(round) - 1 },
    ];
  }

  private call(scope: Scope): Code {
    const insn: OpFields = { op: Op.call_sub };
    this.calls.set(insn, this.rng.below(this.subprogs.length));
    return [insn, ...this.refill(scope)];
  }

  /** Packet bytes by the legacy loads; rarely beyond its end, where the program exits with 0. */
  private packetLoad(scope: Scope): Code {
    const end = this.rng.chance(5) ? 16 : -4;
    if (this.rng.chance(50)) {
      const insn = { op: this.rng.pick(LDABS_OPS), imm: this.rng.below(PACKET_SIZE + end) };
      return [insn, ...this.refill(scope)];
    }
    const src = this.target(scope);
    return [
      { op: Op.and64_imm, dst: src, imm: 0x3ff },
      { op: this.rng.pick(LDIND_OPS), src, imm: this.rng.below(PACKET_SIZE - 0x3ff + end) },
      ...this.refill(scope),
    ];
  }

  /** r1 to r5 are lost in calls. */
  private refill(scope: Scope): Code {
    return [1, 2, 3, 4, 5].map((dst) =>
      this.rng.chance(50)
        ? { op: Op.ldx64, dst, src: FP, off: -8 * (1 + this.rng.below(scope.stack / 8)) }
        : { op: Op.mov64_imm, dst, imm: this.rng.imm() },
    );
  }

  /** A subprogram over its five arguments with a small stack of its own; it may call those made before it. */
  subprog(depth: number): Code {
    const scope: Scope = { scalars: [0, 1, 2, 3, 4, 5], stack: SUB_STACK, isMain: false, reserved: [9] };
    const code: Code = [{ op: Op.mov64_reg, dst: 0, src: 1 + this.rng.below(5) }];
    for (let off = -8; off >= -SUB_STACK; off -= 8) {
      code.push({ op: Op.stx64, dst: FP, src: 1 + this.rng.below(5), off });
    }
    code.push(...this.block(scope, 3 + this.rng.below(6)));
    if (depth > 0) code.push(...this.call(scope));
    code.push(...this.block(scope, 2));
    return [...code, { op: Op.exit }];
  }
}

const MAIN_SCALARS = [0, 1, 2, 3, 4, 5, 8, 9];

function prologue(stackBytes: number): Code {
  const code: Code = [
    { op: Op.mov64_reg, dst: CTX, src: 1 },
    { op: Op.ldx32, dst: PACKET, src: CTX, off: CTX_DATA },
    { op: Op.ldx32, dst: 8, src: CTX, off: CTX_DATA_END },
    { op: Op.mov64_reg, dst: 0, src: PACKET },
    { op: Op.add64_imm, dst: 0, imm: PACKET_SIZE },
    { op: Op.jle64_reg, dst: 0, src: 8, off: 2 },
    { op: Op.mov64_imm, dst: 0, imm: 0 },
    { op: Op.exit },
  ];
  for (let off = 8; off <= stackBytes; off += 8) {
    code.push({ op: Op.ldx64, dst: 0, src: PACKET, off: STACK_AT + 512 - off });
    code.push({ op: Op.stx64, dst: FP, src: 0, off: -off });
  }
  for (const [index, dst] of MAIN_SCALARS.entries()) {
    code.push({ op: Op.ldx64, dst, src: PACKET, off: REGS_IN + 8 * index });
  }
  return code;
}

function epilogue(stackBytes: number): Code {
  const code: Code = MAIN_SCALARS.map((src, index) => ({
    op: Op.stx64,
    dst: PACKET,
    src,
    off: REGS_OUT + 8 * index,
  }));
  for (let off = 8; off <= stackBytes; off += 8) {
    code.push({ op: Op.ldx64, dst: 1, src: FP, off: -off });
    code.push({ op: Op.stx64, dst: PACKET, src: 1, off: STACK_OUT + 512 - off });
  }
  return [...code, { op: Op.exit }];
}

/** Main and the subprograms that it reaches: the kernel refuses others. */
function reachable(main: Code, subprogs: readonly Code[], calls: ReadonlyMap<OpFields, number>): Code[] {
  const found = [main];
  for (const code of found) {
    for (const insn of code) {
      const callee = calls.get(insn);
      if (callee !== undefined && !found.includes(subprogs[callee])) found.push(subprogs[callee]);
    }
  }
  return found;
}

/** Puts the functions behind one another and fills in the distances of the calls. */
function link(
  functions: readonly Code[],
  subprogs: readonly Code[],
  calls: ReadonlyMap<OpFields, number>,
): Code {
  const starts = new Map<Code, number>();
  let at = 0;
  for (const code of functions) {
    starts.set(code, at);
    at += slots(code);
  }
  let pc = 0;
  return functions.flat().map((insn) => {
    const callee = calls.get(insn);
    pc += ROWS[insn.op].slots;
    return callee === undefined ? insn : { ...insn, imm: starts.get(subprogs[callee])! - pc };
  });
}

function randomPacket(rng: Random): Uint8Array {
  const packet = new Uint8Array(PACKET_SIZE);
  const view = new DataView(packet.buffer);
  for (let at = 0; at < PACKET_SIZE; at += 8) view.setBigUint64(at, rng.word64(), true);
  return packet;
}

/** The program and the packet of `seed`: the same whenever the options are the same. */
export function randomProgram(seed: number, options: RandomOptions = {}): RandomProgram {
  const stackBytes = options.stackBytes ?? 256;
  const generator = new Generator(seed, options);
  const packet = randomPacket(generator.rng);
  if (options.subprogs ?? stackBytes <= 256) {
    const count = generator.rng.below(3);
    for (let index = 0; index < count; index++) generator.subprogs.push(generator.subprog(index));
  }
  const main: Scope = { scalars: MAIN_SCALARS, stack: stackBytes, isMain: true, reserved: [] };
  const body = generator.block(main, options.statements ?? 24);
  const { subprogs, calls } = generator;
  const functions = reachable([...prologue(stackBytes), ...body, ...epilogue(stackBytes)], subprogs, calls);
  return { seed, bytes: encodeOps(link(functions, subprogs, calls)), packet };
}
