/**
 * Guesses, while code is generated, of what kind of memory each register points to. A guess decides which region an
 * access is compared with first; a wrong one costs time, never correctness. What is `sound` holds on every path: a
 * frame offset derived from r10, or a map's handle, inside a run of blocks that only one edge enters.
 */
import type { DecodedProgram } from '../../isa/insn.js';
import { Op } from '../../isa/op.gen.js';
import { writtenBy } from './liveness.js';

/** Kinds of pointers; from `FirstMap` on, pairs of handle and values for each map of the image. */
export const enum Guess {
  Unknown = 0,
  Ctx = 1,
  Stack = 2,
  /** Loaded from the context. */
  Packet = 3,
  FirstMap = 4,
}

export const mapHandle = (index: number): number => Guess.FirstMap + 2 * index;
export const mapValues = (index: number): number => Guess.FirstMap + 2 * index + 1;

/** No known offset from r10. */
export const NO_OFFSET = 0x7fff_ffff;
const REGISTERS = 11;

export class Predictor {
  /** Guess per register, now. */
  readonly guess = new Uint16Array(REGISTERS);
  /** 1: the guess of a map's handle is certain. */
  readonly sound = new Uint8Array(REGISTERS);
  /** Certain offset from r10, or NO_OFFSET. */
  readonly frameOffset = new Int32Array(REGISTERS);
  /** Offset in the context of the first pointer loaded from it; -1 before. */
  packetOffset = -1;

  private readonly insns: DecodedProgram;
  private readonly mapIndex: ReadonlyMap<number, number>;
  private readonly seen: Uint8Array;
  private readonly entryGuess: Uint16Array;
  private readonly entrySound: Uint8Array;
  private readonly entryOffset: Int32Array;
  /** What was last spilled to each 8-byte slot of the frame, whatever the path. */
  private readonly spilled = new Uint16Array(64);

  /** `mapIndex` gives each map id the image uses a number from 0. */
  constructor(insns: DecodedProgram, mapIndex: ReadonlyMap<number, number>, blocks: number) {
    this.insns = insns;
    this.mapIndex = mapIndex;
    this.seen = new Uint8Array(blocks);
    this.entryGuess = new Uint16Array(blocks * REGISTERS);
    this.entrySound = new Uint8Array(blocks * REGISTERS);
    this.entryOffset = new Int32Array(blocks * REGISTERS);
  }

  /** What is guessed where the subprogram begins. */
  start(guesses: Uint16Array | undefined): void {
    this.seen[0] = 1;
    this.entryOffset.fill(NO_OFFSET, 0, REGISTERS);
    if (guesses !== undefined) this.entryGuess.set(guesses);
  }

  /** Starts a block with what its predecessors left. */
  enter(block: number): void {
    const at = block * REGISTERS;
    if (this.seen[block] === 0) {
      this.guess.fill(0);
      this.sound.fill(0);
      this.frameOffset.fill(NO_OFFSET);
    } else {
      this.guess.set(this.entryGuess.subarray(at, at + REGISTERS));
      this.sound.set(this.entrySound.subarray(at, at + REGISTERS));
      this.frameOffset.set(this.entryOffset.subarray(at, at + REGISTERS));
    }
    this.guess[10] = Guess.Stack;
    this.frameOffset[10] = 0;
  }

  /** Hands what is known now to a successor; `isOnly` where no other edge enters it. */
  leave(to: number, isOnly: boolean): void {
    const at = to * REGISTERS;
    const isFirst = this.seen[to] === 0;
    this.seen[to] = 1;
    for (let r = 0; r < REGISTERS; r++) {
      if (isFirst || this.entryGuess[at + r] === Guess.Unknown) this.entryGuess[at + r] = this.guess[r];
      this.entrySound[at + r] = isOnly ? this.sound[r] : 0;
      this.entryOffset[at + r] = isOnly ? this.frameOffset[r] : NO_OFFSET;
    }
  }

  /** The effect of the instruction at `pc`; `result` is the guess for r0 of a call. */
  step(pc: number, result: number): void {
    const { op, dst, src, off, imm } = this.insns;
    const { guess, sound, frameOffset } = this;
    const d = dst[pc];
    const s = src[pc];
    switch (op[pc] as Op) {
      case Op.mov64_reg:
        guess[d] = guess[s];
        sound[d] = sound[s];
        frameOffset[d] = frameOffset[s];
        return;
      case Op.add64_imm:
        if (frameOffset[d] !== NO_OFFSET) frameOffset[d] = inFrame(frameOffset[d] + imm[pc]);
        sound[d] = 0;
        return;
      case Op.add64_reg:
        if (guess[d] === Guess.Unknown) guess[d] = guess[s];
        break;
      case Op.sub64_imm:
        break;
      case Op.lddw_map_fd:
      case Op.lddw_map_idx:
        this.set(d, mapHandle(this.mapIndex.get(imm[pc]) ?? 0), 1);
        return;
      case Op.lddw_map_value:
      case Op.lddw_map_idx_value:
        this.set(d, mapValues(this.mapIndex.get(imm[pc]) ?? 0), 0);
        return;
      case Op.ldx64:
      case Op.ldx32:
        this.set(d, this.loaded(s, off[pc]), 0);
        return;
      case Op.stx64:
        if (frameOffset[d] !== NO_OFFSET) {
          const slot = (512 + frameOffset[d] + off[pc]) >> 3;
          if (slot >= 0 && slot < 64) this.spilled[slot] = guess[s];
        }
        return;
      case Op.call:
      case Op.call_kfunc:
      case Op.call_sub:
      case Op.callx:
        for (let r = 0; r <= 5; r++) this.set(r, Guess.Unknown, 0);
        guess[0] = result;
        return;
      default: {
        const mask = writtenBy(this.insns, pc);
        for (let r = 0; mask >> r !== 0; r++) if (((mask >> r) & 1) !== 0) this.set(r, Guess.Unknown, 0);
        return;
      }
    }
    sound[d] = 0;
    frameOffset[d] = NO_OFFSET;
  }

  private set(register: number, guess: number, sound: number): void {
    this.guess[register] = guess;
    this.sound[register] = sound;
    this.frameOffset[register] = NO_OFFSET;
  }

  private loaded(base: number, offset: number): number {
    if (this.guess[base] === Guess.Ctx) {
      if (this.packetOffset < 0) this.packetOffset = offset;
      return Guess.Packet;
    }
    if (this.frameOffset[base] === NO_OFFSET) return Guess.Unknown;
    return this.spilled[(512 + this.frameOffset[base] + offset) >> 3] ?? Guess.Unknown;
  }
}

const inFrame = (offset: number): number => (offset >= -512 && offset <= 0 ? offset : NO_OFFSET);
