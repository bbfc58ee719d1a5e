/** Keeps the regions that generated code compares with up to date, and learns which guesses are wrong. */
import type { BpfMemory, Region } from '../../memory/memory.js';
import { ROWS } from '../../isa/ops.js';
import type { ProgramImage } from '../engine.js';
import type { Bounds } from './bounds.js';
import { goodAddresses } from './bounds.js';
import type { CompiledModule } from './module.js';
import { Guess } from './predict.js';

/** Misses after which an instruction's guess is given up, and rebuilt modules a program may cost. */
const PATIENCE = 3;
const MAX_REBUILDS = 20;

export class Learner {
  /** Slots at which guesses proved wrong. */
  readonly distrusted = new Set<number>();
  private readonly image: ProgramImage;
  private readonly memory: BpfMemory;
  private readonly misses = new Map<number, number>();
  private bounds!: Bounds;
  private packetOffset = -1;
  private packetBase = 0;
  private packetSize = 0;
  private ctx = -1;
  private epoch = -1;
  private rebuilds = 0;
  private isStale = false;

  constructor(image: ProgramImage, memory: BpfMemory) {
    this.image = image;
    this.memory = memory;
  }

  /** A new module takes effect. */
  adopt(compiled: CompiledModule): void {
    this.bounds = compiled.bounds;
    this.packetOffset = compiled.packetOffset;
    this.isStale = false;
    this.ctx = -1;
    this.bounds.emptyAll();
    if (this.epoch !== -1) this.rebuilds++;
    this.epoch = this.memory.epoch;
  }

  get wantsRebuild(): boolean {
    return this.isStale;
  }

  /** Whether a run with this context needs `prepare` first. Fast: it precedes every run. */
  isOutdated(ctx: number): boolean {
    if (ctx !== this.ctx || this.memory.epoch !== this.epoch || this.isStale) return true;
    if (this.packetOffset < 0) return false;
    return (this.memory.i32[(ctx + this.packetOffset) >> 2] - this.packetBase) >>> 0 > this.packetSize;
  }

  prepare(ctx: number): void {
    const { memory, bounds } = this;
    if (memory.epoch !== this.epoch) {
      this.epoch = memory.epoch;
      bounds.emptyAll();
      if (!bounds.stillHold()) this.isStale = true;
    }
    this.ctx = ctx;
    const context = memory.find(ctx);
    bounds.fillGuess(Guess.Ctx, context);
    if (this.packetOffset < 0 || context === undefined) return;
    const pointer = ctx + this.packetOffset;
    if (pointer + 4 > context.base + context.size) return;
    const packet = memory.find(memory.view.getUint32(pointer, true));
    this.packetBase = packet?.base ?? 0;
    this.packetSize = packet?.size ?? 0x7fff_ffff;
    bounds.fillGuess(Guess.Packet, packet);
  }

  /** The instruction at `pc` was left to the interpreter: its guess, if it has one, was wrong or not filled in yet. */
  missed(pc: number, registers: Int32Array): void {
    const count = (this.misses.get(pc) ?? 0) + 1;
    this.misses.set(pc, count);
    const slot = this.bounds.slotOfPc.get(pc);
    if (slot !== undefined) {
      const region = this.regionAt(pc, registers);
      if (region !== undefined) this.bounds.fillGuess(slot.guess, region);
    }
    if (count < PATIENCE || this.distrusted.has(pc) || this.rebuilds >= MAX_REBUILDS) return;
    this.distrusted.add(pc);
    this.isStale = true;
  }

  /** The region that the load or store at `pc` hits. */
  private regionAt(pc: number, registers: Int32Array): Region | undefined {
    const { op, dst, src, off } = this.image.insns;
    const { kind, sub } = ROWS[op[pc]];
    const isLoad = kind === 'ldx' || kind === 'ldsx' || sub === 'load_acq';
    const base = kind === 'call' ? 2 : isLoad ? src[pc] : dst[pc];
    if (base === 10) return undefined;
    return this.memory.find(registers[2 * base] + (kind === 'call' ? 0 : off[pc]));
  }

  /**
   * The import that checks an access whose region is unknown; `kind` is its size, plus 256 for a write. A good
   * access is remembered in the bounds at `slot`, where it has one. 1: allowed.
   */
  check(low: number, high: number, kind: number, slot: number): number {
    if (high !== 0 || low < 0) return 0;
    const region = this.memory.find(low);
    if (region === undefined) return 0;
    const good = goodAddresses(region, kind & 255, kind > 255);
    if (low - region.base >= good) return 0;
    if (slot !== 0) {
      this.memory.i32[slot >> 2] = region.base;
      this.memory.i32[(slot >> 2) + 2] = good;
    }
    return 1;
  }
}
