/** Abstract machine states: frames of registers and stack, references held, locks held. */
import type { Reg } from './reg-state.js';
import { NOT_INIT } from './reg-state.js';
import type { Slot } from './stack.js';
import { EMPTY_SLOT } from './stack.js';

export const enum Live {
  None = 0,
  Read = 1,
  Written = 2,
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

export type RefKind = 'ref' | 'lock' | 'irq';

/** A reference that must be released, or a lock that must be unlocked, before the program ends. */
export interface Ref {
  readonly kind: RefKind;
  readonly id: number;
  /** Where it was acquired. */
  readonly pc: number;
  /** Identity of the locked object, for locks. */
  readonly owner: unknown;
}

/** What a callee in a frame is to its caller. */
export type CalleeKind = 'call' | 'sync_callback' | 'async_callback';

export class FuncState {
  regs: Reg[] = new Array<Reg>(11).fill(NOT_INIT);
  stack: Slot[] = [];
  /** Marks of each stack slot since the last checkpoint (current state) or while it was one. */
  live: Uint8Array = new Uint8Array(0);
  /** The frame of the checkpoint before, to which reads propagate. */
  parent: FuncState | null = null;
  readonly frameno: number;
  readonly subprog: number;
  /** Slot of the call instruction in the caller; -1 for the entry. */
  readonly callsite: number;
  kind: CalleeKind = 'call';
  /** What a callback may return. */
  callbackRange: Range = { min: 0, max: 0 };
  /** References held when a callback was entered: those are its caller's. */
  inheritedRefs = 0;
  /** How often a callback that this frame calls has been entered. */
  callbackDepth = 0;

  constructor(frameno: number, subprog: number, callsite: number) {
    this.frameno = frameno;
    this.subprog = subprog;
    this.callsite = callsite;
  }

  copy(): FuncState {
    const copy = new FuncState(this.frameno, this.subprog, this.callsite);
    copy.regs = this.regs.slice();
    copy.stack = this.stack.slice();
    copy.live = this.live.slice();
    copy.parent = this.parent;
    copy.kind = this.kind;
    copy.callbackRange = this.callbackRange;
    copy.callbackDepth = this.callbackDepth;
    copy.inheritedRefs = this.inheritedRefs;
    return copy;
  }

  /** Makes the stack cover slots below `count`. */
  growStack(count: number): void {
    while (this.stack.length < count) this.stack.push(EMPTY_SLOT);
    if (this.live.length < count) {
      const live = new Uint8Array(count);
      live.set(this.live);
      this.live = live;
    }
  }
}

/** A step that precision tracking needs to know of: a jump taken, a spill or fill, scalars narrowed together. */
export interface HistoryEntry {
  readonly pc: number;
  readonly prevPc: number;
  /** Stack slot that was read or written as a whole register: frame and slot index; -1: none. */
  frame: number;
  slot: number;
  /** Registers and slots that shared an id when a condition narrowed one of them. */
  linked: readonly LinkedReg[];
  /** Registers of a comparison that were stack pointers, a bit each. */
  stackOperands: number;
}

export interface LinkedReg {
  readonly frame: number;
  /** Register number, or index of a stack slot. */
  readonly index: number;
  readonly isReg: boolean;
}

export class VerifierState {
  frames: FuncState[] = [];
  refs: Ref[] = [];
  /** Depths of nested critical sections. */
  rcuLocks = 0;
  preemptLocks = 0;
  /** Id of the innermost disabled-interrupts section; 0: none. */
  activeIrqId = 0;
  activeLocks = 0;
  /** Paths that go through this state and are not finished. */
  branches = 1;
  parent: VerifierState | null = null;
  firstPc = 0;
  lastPc = 0;
  /** Place of the current instruction, per checkpoint. */
  pc = 0;
  history: HistoryEntry[] = [];
  mayGotoDepth = 0;
  callbackUnrollDepth = 0;
  dfsDepth = 0;
  isSleepable = false;
  cleaned = false;
  /** Comparisons that ended a path here, and that did not. */
  hitCount = 0;
  missCount = 0;
  /** Counts entries into asynchronous callbacks along the path. */
  asyncEntry = 0;

  copy(): VerifierState {
    const copy = new VerifierState();
    copy.frames = this.frames.map((frame) => frame.copy());
    copy.refs = this.refs.slice();
    copy.rcuLocks = this.rcuLocks;
    copy.preemptLocks = this.preemptLocks;
    copy.activeIrqId = this.activeIrqId;
    copy.activeLocks = this.activeLocks;
    copy.branches = this.branches;
    copy.parent = this.parent;
    copy.firstPc = this.firstPc;
    copy.lastPc = this.lastPc;
    copy.pc = this.pc;
    copy.history = this.history.slice();
    copy.mayGotoDepth = this.mayGotoDepth;
    copy.callbackUnrollDepth = this.callbackUnrollDepth;
    copy.dfsDepth = this.dfsDepth;
    copy.isSleepable = this.isSleepable;
    copy.asyncEntry = this.asyncEntry;
    return copy;
  }

  get current(): FuncState {
    return this.frames[this.frames.length - 1];
  }

  get depth(): number {
    return this.frames.length - 1;
  }

  /** Changes every register and spilled register for which `change` returns another one. */
  mapRegs(change: (reg: Reg) => Reg): void {
    for (const frame of this.frames) {
      const { regs, stack } = frame;
      for (let i = 0; i < regs.length; i++) {
        const reg = regs[i];
        const changed = change(reg);
        if (changed !== reg) regs[i] = changed;
      }
      for (let i = 0; i < stack.length; i++) {
        const slot = stack[i];
        if (slot.reg.type === 0) continue;
        const changed = change(slot.reg);
        if (changed !== slot.reg) stack[i] = { bytes: slot.bytes, reg: changed };
      }
    }
  }
}
