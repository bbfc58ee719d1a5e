/**
 * Random programs that address memory: packet, map value, stack and context, with checks that are sometimes missing,
 * short or wrong. Of type sched_cls; a good part is accepted. What they use is fixed:
 *
 *      r6 context   r7 packet start   r8 packet end   r9 map value or NULL or a number
 *
 * The only map is an array of one value of MAP_VALUE bytes; the instructions name it by MAP_ID.
 */
import type { OpFields } from '../../src/isa/encode.js';
import { encodeOps } from '../../src/isa/encode.js';
import { Op } from '../../src/isa/op.gen.js';
import { ROWS } from '../../src/isa/ops.js';
import { Random } from './random.js';

export const MAP_ID = 1;
export const MAP_VALUE = 16;

const LOADS = [Op.ldx8, Op.ldx16, Op.ldx32, Op.ldx64, Op.ldxs8, Op.ldxs16, Op.ldxs32] as const;
const STORES = [Op.stx8, Op.stx16, Op.stx32, Op.stx64] as const;
const IMM_STORES = [Op.st8, Op.st16, Op.st32, Op.st64] as const;
const SCALARS = [0, 1, 2, 3, 4, 5] as const;
const CONDITIONS = ROWS.flatMap((row, op) => (row.kind === 'jcc' ? [op as Op] : []));
const ALU = ROWS.flatMap((row, op) =>
  row.kind === 'alu' || row.kind === 'neg' || row.kind === 'movsx' ? [op as Op] : [],
);

/** Builds one program; jumps to the end are patched when its place is known. */
class Builder {
  readonly ops: OpFields[] = [];
  private slots = 0;
  private readonly exits: { index: number; slot: number }[] = [];

  constructor(readonly rng: Random) {}

  add(op: Op, fields: Omit<OpFields, 'op'> = {}): void {
    this.ops.push({ op, ...fields });
    this.slots += ROWS[op].slots;
  }

  /** A jump to the end of the program. */
  addExit(op: Op, fields: Omit<OpFields, 'op'>): void {
    this.exits.push({ index: this.ops.length, slot: this.slots });
    this.add(op, fields);
  }

  finish(): Uint8Array {
    const end = this.slots;
    this.add(Op.mov64_imm, { dst: 0, imm: 0 });
    this.add(Op.exit);
    for (const { index, slot } of this.exits) this.ops[index] = { ...this.ops[index], off: end - slot - 1 };
    return encodeOps(this.ops);
  }
}

type Statement = (b: Builder) => void;

const limit = (rng: Random): number => rng.pick([1, 2, 3, 4, 7, 8, 12, 15, 16, 17, 20, 32, 60, 64]);
const nearby = (rng: Random, n: number): number => n + rng.pick([-2, -1, -1, 0, 0, 0, 1, 2, -8, 8]);
const scalar = (rng: Random): number => rng.pick(SCALARS);

/** A scalar that nothing or little is known of. */
const makeScalar: Statement = (b) => {
  const dst = scalar(b.rng);
  switch (b.rng.below(5)) {
    case 0:
      b.add(Op.mov64_imm, { dst, imm: b.rng.pick([0, 1, -1, 7, 16, 255, -2147483648, 2147483647]) });
      return;
    case 1:
      b.add(Op.ldx32, { dst, src: 6, off: b.rng.pick([0, 4, 8, 16, 44]) });
      return;
    case 2:
      b.add(Op.ldx64, { dst, src: 10, off: -8 * (1 + b.rng.below(4)) });
      return;
    case 3:
      b.add(Op.ldx32, { dst, src: 6, off: 8 });
      b.add(Op.and64_imm, { dst, imm: b.rng.pick([1, 3, 7, 15, 31, 0xf0, -8, 0x7fffffff]) });
      return;
    default:
      b.add(Op.ldx32, { dst, src: 6, off: 8 });
      b.add(Op.lsh64_imm, { dst, imm: 32 });
      b.add(Op.arsh64_imm, { dst, imm: 32 });
  }
};

const compute: Statement = (b) => {
  const op = b.rng.pick(ALU);
  const row = ROWS[op];
  const isShift = row.sub === 'lsh' || row.sub === 'rsh' || row.sub === 'arsh';
  const imm = isShift ? b.rng.below(row.width) : b.rng.pick([1, 2, 3, 4, 8, 15, 16, -1, -8, 255, 0x7fffffff]);
  b.add(op, {
    dst: scalar(b.rng),
    ...(row.srcReg ? { src: scalar(b.rng) } : {}),
    ...(row.imm === 'imm' ? { imm } : {}),
  });
};

/** Leaves the program, or skips what follows, where a scalar is out of bounds. */
const compare: Statement = (b) => {
  const op = b.rng.pick(CONDITIONS);
  const row = ROWS[op];
  const fields = row.srcReg
    ? { dst: scalar(b.rng), src: scalar(b.rng) }
    : { dst: scalar(b.rng), imm: nearby(b.rng, limit(b.rng)) };
  if (b.rng.chance(70)) b.addExit(op, fields);
  else {
    b.add(op, { ...fields, off: 1 });
    compute(b);
  }
};

function access(b: Builder, base: number, room: number): void {
  const off = b.rng.chance(85) ? b.rng.below(Math.max(1, room)) : nearby(b.rng, room);
  switch (b.rng.below(4)) {
    case 0:
      b.add(b.rng.pick(STORES), { dst: base, src: scalar(b.rng), off });
      return;
    case 1:
      b.add(b.rng.pick(IMM_STORES), { dst: base, off, imm: 1 });
      return;
    case 2:
      b.add(b.rng.pick([Op.atomic_fetch_add64, Op.atomic_add32, Op.atomic_xchg32]), {
        dst: base,
        src: scalar(b.rng),
        off: off & ~7,
      });
      return;
    default:
      b.add(b.rng.pick(LOADS), { dst: scalar(b.rng), src: base, off });
  }
}

const packetFixed: Statement = (b) => {
  const n = limit(b.rng);
  b.add(Op.mov64_reg, { dst: 2, src: 7 });
  b.add(Op.add64_imm, { dst: 2, imm: n });
  b.addExit(b.rng.pick([Op.jgt64_reg, Op.jgt64_reg, Op.jge64_reg]), { dst: 2, src: 8 });
  for (let i = 0; i <= b.rng.below(2); i++) access(b, 7, n - b.rng.below(4));
};

/** packet + scalar, the scalar bounded by a mask or a comparison, or not. */
const packetVariable: Statement = (b) => {
  const n = limit(b.rng);
  bound(b, 3);
  b.add(Op.mov64_reg, { dst: 4, src: 7 });
  b.add(Op.add64_reg, { dst: 4, src: 3 });
  b.add(Op.mov64_reg, { dst: 5, src: 4 });
  b.add(Op.add64_imm, { dst: 5, imm: n });
  if (b.rng.chance(92)) b.addExit(b.rng.pick([Op.jgt64_reg, Op.jge64_reg]), { dst: 5, src: 8 });
  access(b, 4, n - b.rng.below(4));
};

function bound(b: Builder, reg: number): void {
  b.add(Op.ldx32, { dst: reg, src: 6, off: b.rng.pick([0, 8]) });
  if (b.rng.chance(50)) b.add(Op.and64_imm, { dst: reg, imm: b.rng.pick([1, 3, 7, 8, 12, 15, 63]) });
  else if (b.rng.chance(90))
    b.addExit(b.rng.pick([Op.jgt64_imm, Op.jsgt32_imm, Op.jsgt64_imm, Op.jge32_imm]), {
      dst: reg,
      imm: limit(b.rng),
    });
  if (b.rng.chance(40))
    b.add(b.rng.pick([Op.add64_imm, Op.sub64_imm, Op.lsh64_imm, Op.rsh32_imm, Op.arsh64_imm, Op.mul32_imm]), {
      dst: reg,
      imm: b.rng.pick([1, 2, 3]),
    });
}

const lookup: Statement = (b) => {
  b.add(Op.st32, { dst: 10, off: -40, imm: b.rng.below(2) });
  b.add(Op.mov64_reg, { dst: 2, src: 10 });
  b.add(Op.add64_imm, { dst: 2, imm: -40 });
  b.add(Op.lddw_map_fd, { dst: 1, imm: MAP_ID });
  b.add(Op.call, { imm: 1 });
  b.add(Op.mov64_reg, { dst: 9, src: 0 });
  if (b.rng.chance(94)) b.addExit(Op.jeq64_imm, { dst: 9, imm: 0 });
  // Calls lose r1 to r5: they become numbers again.
  for (const reg of [1, 2, 3, 4, 5]) b.add(Op.mov64_imm, { dst: reg, imm: reg });
  if (b.rng.chance(60)) access(b, 9, MAP_VALUE);
  else {
    bound(b, 3);
    b.add(Op.add64_reg, { dst: 9, src: 3 });
    access(b, 9, b.rng.pick([1, 4, 8]));
    b.add(Op.mov64_imm, { dst: 9, imm: 0 });
  }
};

const stackFixed: Statement = (b) => {
  const op = b.rng.pick([...STORES, ...LOADS]);
  const size = ROWS[op].width / 8;
  const off = -size * (1 + b.rng.below(32 / size)) + (b.rng.chance(4) ? b.rng.pick([-600, 40, 1]) : 0);
  if (ROWS[op].kind === 'stx')
    b.add(op, { dst: 10, src: b.rng.chance(80) ? scalar(b.rng) : b.rng.pick([6, 7, 9]), off });
  else b.add(op, { dst: scalar(b.rng), src: 10, off });
};

const stackVariable: Statement = (b) => {
  bound(b, 3);
  b.add(Op.mov64_reg, { dst: 4, src: 10 });
  b.add(Op.add64_reg, { dst: 4, src: 3 });
  b.add(b.rng.pick([...STORES, ...LOADS].slice(0, 5)), {
    dst: 4,
    src: 4,
    off: -b.rng.pick([8, 16, 24, 64, 80]),
  });
};

/** Spills a pointer, does something else, fills it and uses it. */
const spill: Statement = (b) => {
  const from = b.rng.pick([7, 9, 6, 8]);
  const off = -8 * (1 + b.rng.below(4));
  b.add(Op.stx64, { dst: 10, src: from, off });
  if (b.rng.chance(50)) b.rng.pick([compute, stackFixed, compare])(b);
  b.add(Op.ldx64, { dst: from, src: 10, off });
};

const loop: Statement = (b) => {
  b.add(Op.mov64_imm, { dst: 5, imm: 0 });
  b.add(Op.add64_imm, { dst: 4, imm: 1 });
  b.add(Op.add64_imm, { dst: 5, imm: 1 });
  b.add(b.rng.pick([Op.jlt64_imm, Op.jne64_imm, Op.jslt32_imm]), {
    dst: 5,
    imm: 1 + b.rng.below(8),
    off: -3,
  });
};

const STATEMENTS: readonly Statement[] = [
  makeScalar,
  makeScalar,
  compute,
  compute,
  compute,
  compare,
  compare,
  packetFixed,
  packetFixed,
  packetVariable,
  packetVariable,
  lookup,
  lookup,
  stackFixed,
  stackFixed,
  stackVariable,
  spill,
  loop,
];

/** The bytes of the program of a seed. */
export function memoryProgram(seed: number): Uint8Array {
  const b = new Builder(new Random(seed));
  b.add(Op.mov64_reg, { dst: 6, src: 1 });
  b.add(Op.ldx32, { dst: 7, src: 6, off: 76 });
  b.add(Op.ldx32, { dst: 8, src: 6, off: 80 });
  b.add(Op.mov64_imm, { dst: 9, imm: 0 });
  for (let i = 1; i <= 4; i++) b.add(Op.st64, { dst: 10, off: -8 * i, imm: i });
  for (const reg of SCALARS) b.add(Op.mov64_imm, { dst: reg, imm: reg });
  const count = 1 + b.rng.below(7);
  for (let i = 0; i < count; i++) b.rng.pick(STATEMENTS)(b);
  return b.finish();
}
