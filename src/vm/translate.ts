/**
 * A program as the interpreter's loop reads it. All is in one array, because each array costs the loop a check of what it
 * is and where: the registers, saved frames, the constants, and behind them the code, four words an instruction.
 *
 *      word 0                            1                2            3
 *      +---------+-----------+------------+----------------+------------+-------------+
 *      | op 0..7 | dst 8..12 | src 13..31 | offset, target,| lowest     | number of   |
 *      |         |           |            | site or imm    | base value | base values |
 *      +---------+-----------+------------+----------------+------------+-------------+
 *
 * dst and src are indices of the low words of registers or constants. An immediate is thus a register that nothing
 * writes, and `add64_imm` and `add64_reg` are one case. Positions (`p`) are indices of the array too; the second slot of
 * a lddw takes no room. Words 2 and 3 are the prediction of a memory access: base register values that are known to be
 * good, see `Machine.checkAccess`.
 */
import { BpfError } from '../errors.js';
import type { Helper } from '../helpers/proto.js';
import { FUNC_POINTER_BASE } from '../helpers/run-state.js';
import { Op } from '../isa/op.gen.js';
import type { OpRow } from '../isa/ops.js';
import { ROWS } from '../isa/ops.js';
import type { EngineOptions, ProgramImage } from './engine.js';

/** Constants of the layout; an enum, because the loop would read imported variables anew each time. */
export const enum Word {
  /** Words an instruction. */
  Stride = 4,
  /** Words of a saved frame: the position to return to, r6..r9 as pairs. */
  Frame = 9,
  MaxFrames = 8,
  FrameSize = 512,
  /** The kernel's budget of a frame's `may_goto` instructions. */
  MayGoto = 0x80_0000,
}

/** Operations of the interpreter that are no instructions. */
export const enum Internal {
  /** `dst = src; dst += x` at once: how compilers write the address of something on the stack. */
  Lea = 253,
  /** Calls the step hook; the instruction itself follows. */
  Step = 254,
}

/** Places in the array. */
export const enum Reg {
  R10 = 20,
  /** Saved frames, innermost last. */
  Frames = 22,
  /** What is left of each frame's `may_goto` budget. */
  Budgets = 94,
  Pool = 102,
}

/** A helper or kfunc call. */
export interface CallSite {
  /** Absent: calling it faults. */
  readonly helper: Helper | undefined;
  readonly what: string;
  /** Words of the registers to pass, in order. */
  readonly words: Uint8Array;
}

export interface Code {
  /** Registers, frames, constants and instructions. */
  readonly words: Int32Array;
  /** Position of the first instruction. */
  readonly base: number;
  readonly sites: readonly CallSite[];
  /** Slot of each instruction. */
  readonly slots: Int32Array;
  /** Position of the instruction at a slot; the second slot of a lddw has that of the trap at the end. */
  readonly positions: Int32Array;
  /** Positions of memory accesses whose prediction is void when the memory's regions change. */
  readonly checked: Int32Array;
  /** Position of an `exit` that no jump reaches. */
  readonly exitAt: number;
  /** Whether there is a Step before each instruction. */
  readonly isStepped: boolean;
}

/** Bits of a source operand in word 0. */
const SRC_SHIFT = 13;
const MAX_OPERAND = 1 << (32 - SRC_SHIFT);
/** Word 3 of an access that is not checked: every base below 2 GiB is good. */
export const UNCHECKED = 0x7fff_ffff;

class Pool {
  private readonly index = new Map<number, number>();
  readonly words: number[] = [];

  /** Index of the pair in the array. */
  add(lo: number, hi: number): number {
    const key = hi * 0x1_0000_0000 + (lo >>> 0);
    // Pairs of large magnitude share keys as doubles: those get a new place each time.
    const isExact = hi >= -0x10_0000 && hi < 0x10_0000;
    const known = isExact ? this.index.get(key) : undefined;
    if (known !== undefined) return known;
    const at = Reg.Pool + this.words.length;
    if (at >= MAX_OPERAND) {
      throw new BpfError('ERR_BPF_ENGINE_LIMIT', `more than ${this.words.length / 2} different constants`);
    }
    this.words.push(lo | 0, hi | 0);
    if (isExact) this.index.set(key, at);
    return at;
  }
}

/** The value that a lddw loads: maps and subprograms become addresses. */
function wideImmediate(image: ProgramImage, pc: number): readonly [number, number] {
  const { op, imm, immHi, target } = image.insns;
  switch (op[pc] as Op) {
    case Op.lddw_map_fd:
    case Op.lddw_map_idx:
      return [mapOf(image, pc).handle.base, 0];
    case Op.lddw_map_value:
    case Op.lddw_map_idx_value:
      return [(mapOf(image, pc).directValueAddress() + immHi[pc]) | 0, 0];
    case Op.lddw_func:
      return [(FUNC_POINTER_BASE + target[pc]) | 0, 0];
    default:
      return [imm[pc], immHi[pc]];
  }
}

function mapOf(image: ProgramImage, pc: number) {
  const map = image.maps.get(image.insns.imm[pc]);
  if (map === undefined) {
    throw new BpfError('ERR_BPF_ENGINE_MAP', `${image.name}: insn ${pc}: no map ${image.insns.imm[pc]}`);
  }
  return map;
}

function callSite(helper: Helper | undefined, what: string): CallSite {
  const words: number[] = [];
  for (const [index, arg] of (helper?.args ?? []).entries()) {
    words.push(2 * index + 2);
    if (arg.abi === 'u64') words.push(2 * index + 3);
  }
  return { helper, what, words: Uint8Array.from(words) };
}

const isMemory = (row: OpRow): boolean =>
  row.kind === 'ldx' ||
  row.kind === 'ldsx' ||
  row.kind === 'st' ||
  row.kind === 'stx' ||
  row.kind === 'atomic';

/** Builds the code of one image. */
class Translator {
  private readonly pool = new Pool();
  private readonly sites: CallSite[] = [];
  private readonly siteOf = new Map<string, number>();
  private readonly checked: number[] = [];
  private readonly slots: number[] = [];
  private readonly positions: Int32Array;
  private readonly sources: Int32Array;
  private readonly words: Int32Array;
  private readonly scale: number;
  private readonly base: number;
  private readonly trapAt: number;
  private readonly image: ProgramImage;
  private readonly options: EngineOptions;

  constructor(image: ProgramImage, options: EngineOptions) {
    this.image = image;
    this.options = options;
    this.scale = options.step === undefined ? Word.Stride : 2 * Word.Stride;
    const { op, length } = image.insns;
    // Constants first: the code lies behind them.
    this.sources = Int32Array.from(op, (code, pc) => (code === Op.hole ? 0 : this.source(pc, ROWS[code])));
    this.base = Reg.Pool + this.pool.words.length;
    this.positions = new Int32Array(length);
    let at = this.base;
    for (let pc = 0; pc < length; pc++) {
      if (op[pc] === Op.hole) continue;
      this.positions[pc] = at;
      at += this.scale;
    }
    this.trapAt = at;
    for (let pc = 0; pc < length; pc++) if (op[pc] === Op.hole) this.positions[pc] = at;
    this.words = new Int32Array(at + 2 * Word.Stride);
    this.words.set(this.pool.words, Reg.Pool);
  }

  build(): Code {
    const { op, length } = this.image.insns;
    for (let pc = 0; pc < length; pc++) {
      if (op[pc] === Op.hole) continue;
      let p = this.positions[pc];
      if (this.scale !== Word.Stride) {
        this.words[p] = Internal.Step;
        this.slots.push(pc);
        p += Word.Stride;
      }
      this.slots.push(pc);
      this.instruction(pc, p);
    }
    this.slots.push(length, length);
    this.words[this.trapAt] = Op.hole;
    this.words[this.trapAt + Word.Stride] = Op.exit;
    return {
      words: this.words,
      base: this.base,
      sites: this.sites,
      slots: Int32Array.from(this.slots),
      positions: this.positions,
      checked: Int32Array.from(this.checked),
      exitAt: this.trapAt + Word.Stride,
      isStepped: this.scale !== Word.Stride,
    };
  }

  private instruction(pc: number, p: number): void {
    const { op, dst, off, imm, target } = this.image.insns;
    const row = ROWS[op[pc]];
    const words = this.words;
    const code = this.isLea(pc) ? Internal.Lea : op[pc];
    words[p] = code | (dst[pc] << 9) | (this.sources[pc] << SRC_SHIFT);
    if (isMemory(row)) {
      words[p + 1] = off[pc];
      if (this.options.checks === 'exact' || this.isUnproved(pc)) this.checked.push(p);
      else words[p + 3] = UNCHECKED;
    } else if (row.kind === 'ldabs' || row.kind === 'ldind') {
      words[p + 1] = imm[pc];
    } else if (row.kind === 'call' || row.kind === 'call_kfunc') {
      words[p + 1] = this.site(row, imm[pc]);
    } else if (target[pc] >= 0 && row.kind !== 'lddw') {
      words[p + 1] = this.positions[target[pc]] ?? this.trapAt;
    } else if (row.off === 'jump' || row.imm === 'jump') {
      words[p + 1] = this.trapAt;
    }
  }

  /** The second instruction stays where it is, for jumps to it. */
  private isLea(pc: number): boolean {
    const { op, dst, src, length } = this.image.insns;
    const next = pc + 1;
    if (this.scale !== Word.Stride || op[pc] !== Op.mov64_reg || next >= length || dst[next] !== dst[pc])
      return false;
    return op[next] === Op.add64_imm || (op[next] === Op.add64_reg && src[next] !== dst[pc]);
  }

  private isUnproved(pc: number): boolean {
    return this.options.checks === 'proved' && this.image.proved?.[pc] !== 1;
  }

  /** Index of the second operand in the array. */
  private source(pc: number, row: OpRow): number {
    const { src, imm } = this.image.insns;
    if (row.kind === 'lddw') return this.pool.add(...wideImmediate(this.image, pc));
    if (row.kind === 'st' || (row.imm === 'imm' && row.dst === 'reg')) {
      return this.pool.add(imm[pc], imm[pc] >> 31);
    }
    return 2 * src[pc];
  }

  private site(row: OpRow, id: number): number {
    const key = `${row.kind} ${id}`;
    let site = this.siteOf.get(key);
    if (site === undefined) {
      const isKfunc = row.kind === 'call_kfunc';
      const helper = isKfunc ? this.image.kfuncs?.get(id) : this.image.helpers.get(id);
      site = this.sites.push(callSite(helper, isKfunc ? `kfunc with BTF id ${id}` : `helper ${id}`)) - 1;
      this.siteOf.set(key, site);
    }
    return site;
  }
}

/** @throws BpfError where a lddw names a map that the image lacks, or there are too many constants. */
export function translate(image: ProgramImage, options: EngineOptions): Code {
  return new Translator(image, options).build();
}
