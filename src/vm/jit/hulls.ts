/** Accesses through one base register in one block, checked together by the range of offsets that they span. */
import { Op } from '../../isa/op.gen.js';
import { ROWS } from '../../isa/ops.js';
import type { Generator } from './generator.js';
import { writtenBy } from './liveness.js';

/** How far ahead accesses through the same base are collected, in slots, and the bytes that they may span. */
const LOOK_AHEAD = 32;
const MAX_HULL = 512;

/** Per `Op`: bytes accessed through dst or src, bit 4: write, bit 5: base is src, bit 6: a call. */
const enum Shape {
  Size = 15,
  Write = 16,
  BaseIsSrc = 32,
  Call = 64,
}

const SHAPES: Uint8Array = Uint8Array.from(
  ROWS.map((row) => {
    const size = row.width / 8;
    switch (row.kind) {
      case 'ldx':
      case 'ldsx':
        return size | Shape.BaseIsSrc;
      case 'st':
      case 'stx':
        return size | Shape.Write;
      case 'atomic':
        return row.sub === 'load_acq' ? size | Shape.BaseIsSrc : size | Shape.Write;
      case 'call':
      case 'call_sub':
      case 'call_kfunc':
      case 'callx':
        return Shape.Call;
      default:
        return 0;
    }
  }).concat(0),
);

/** Whether the access at `pc` is checked at run time. */
export const needsCheck = (g: Generator, pc: number): boolean => {
  const { checks, image } = g.target;
  return checks === 'exact' || (checks === 'proved' && image.proved?.[pc] !== 1);
};

/** Offsets [low, high) from a base register that a check has covered, in this block or on the only way to it. */
export class Hulls {
  private readonly low = new Int32Array(11);
  private readonly high = new Int32Array(11);
  private readonly writable = new Uint8Array(11);

  /** What successors that only one edge enters are given; blocks without an entry start with nothing. */
  private readonly handed = new Map<number, Hulls>();

  clear(): void {
    this.low.fill(0);
    this.high.fill(0);
  }

  /** Starts a block. */
  enter(block: number): void {
    const given = this.handed.get(block);
    if (given === undefined) {
      this.clear();
      return;
    }
    this.handed.delete(block);
    this.copy(given);
  }

  /** Hands what is covered now to a block that is entered from here only. */
  leave(to: number): void {
    if (this.high.every((high, register) => high <= this.low[register])) return;
    const given = new Hulls();
    given.copy(this);
    this.handed.set(to, given);
  }

  private copy(from: Hulls): void {
    this.low.set(from.low);
    this.high.set(from.high);
    this.writable.set(from.writable);
  }

  forget(register: number): void {
    this.low[register] = 0;
    this.high[register] = 0;
  }

  covers(register: number, low: number, high: number, isWrite: boolean): boolean {
    return (
      low >= this.low[register] && high <= this.high[register] && (!isWrite || this.writable[register] === 1)
    );
  }

  remember(register: number, low: number, high: number, isWrite: boolean): void {
    this.low[register] = low;
    this.high[register] = high;
    this.writable[register] = isWrite ? 1 : 0;
  }

  /** Scratch results of `collect`. */
  foundLow = 0;
  foundHigh = 0;
  foundWrite = false;

  /** The hull of the checked accesses through `base` from `pc` on, while it keeps its value. */
  collect(g: Generator, pc: number, base: number): void {
    const { insns } = g;
    const end = Math.min(g.blockEnd, pc + LOOK_AHEAD);
    let isFirst = true;
    for (let at = pc; at < end; at++) {
      const shape = SHAPES[insns.op[at]];
      if ((shape & Shape.Call) !== 0) return;
      const size = shape & Shape.Size;
      const through = (shape & Shape.BaseIsSrc) !== 0 ? insns.src[at] : insns.dst[at];
      if (size !== 0 && through === base && needsCheck(g, at)) {
        const low = insns.off[at];
        const high = low + size;
        const newLow = isFirst ? low : Math.min(low, this.foundLow);
        const newHigh = isFirst ? high : Math.max(high, this.foundHigh);
        if (newHigh - newLow > MAX_HULL) return;
        this.foundWrite = (!isFirst && this.foundWrite) || (shape & Shape.Write) !== 0;
        this.foundLow = newLow;
        this.foundHigh = newHigh;
        isFirst = false;
      }
      if (insns.op[at] !== Op.hole && ((writtenBy(insns, at) >> base) & 1) !== 0) return;
    }
  }
}
