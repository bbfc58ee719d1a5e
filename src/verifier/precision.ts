/**
 * Precision: which scalars' exact values matter. When a check relies on a scalar's value, the path is walked backwards
 * to what the value was computed from, and those scalars are marked in the checkpoints on the way. A state may then be
 * pruned against a checkpoint whatever its unmarked scalars are.
 */
import { Op } from '../isa/op.gen.js';
import { ROWS } from '../isa/ops.js';
import { Point } from './cfg.js';
import type { Env } from './env.js';
import { printFrame } from './print-state.js';
import { RegType, asPrecise } from './reg-state.js';
import { isScalarSpill } from './stack.js';
import type { HistoryEntry, LinkedReg, VerifierState } from './state.js';

const ARGS = 0b111110;

/** Registers and slots whose value is asked for, by frame. Stack masks have a bit a slot, 64 of them. */
class Wanted {
  frame: number;
  readonly regs = new Int32Array(8);
  readonly stack: bigint[] = new Array<bigint>(8).fill(0n);

  constructor(frame: number) {
    this.frame = frame;
  }

  get isEmpty(): boolean {
    for (let i = 0; i <= this.frame; i++) if (this.regs[i] !== 0 || this.stack[i] !== 0n) return false;
    return true;
  }

  hasReg(regno: number): boolean {
    return (this.regs[this.frame] & (1 << regno)) !== 0;
  }

  addReg(regno: number): void {
    if (regno !== 10) this.regs[this.frame] |= 1 << regno;
  }

  dropReg(regno: number): void {
    this.regs[this.frame] &= ~(1 << regno);
  }

  hasSlot(frame: number, slot: number): boolean {
    return (this.stack[frame] & (1n << BigInt(slot))) !== 0n;
  }

  addSlot(frame: number, slot: number): void {
    this.stack[frame] |= 1n << BigInt(slot);
  }

  dropSlot(frame: number, slot: number): void {
    this.stack[frame] &= ~(1n << BigInt(slot));
  }
}

/** The walk met something that it cannot follow: everything is to be precise. */
class Untraceable extends Error {}

export function pushHistory(env: Env, frame: number, slot: number, linked: readonly LinkedReg[] = []): void {
  const current = env.historyEntry;
  if (current !== null) {
    if (slot >= 0) {
      current.frame = frame;
      current.slot = slot;
    }
    if (linked.length > 0) current.linked = linked;
    return;
  }
  const entry: HistoryEntry = { pc: env.pc, prevPc: env.prevPc, frame, slot, linked, stackOperands: 0 };
  env.state.history.push(entry);
  env.historyEntry = entry;
}

/** The exact value of a register of the current frame matters. */
export function markPrecise(env: Env, regno: number): void {
  const wanted = new Wanted(env.state.depth);
  if (env.reg(regno).type !== RegType.Scalar) return;
  wanted.addReg(regno);
  trace(env, env.state, wanted, true);
}

export interface PrecisionRequest {
  readonly regs: readonly number[];
  readonly slots: readonly (readonly number[])[];
}

/** Marks registers and slots (by frame) in the checkpoints before `state`; `state` itself was marked by the caller. */
export function markPreciseIn(
  env: Env,
  state: VerifierState,
  request: PrecisionRequest,
  skipFirst: boolean,
): boolean {
  const wanted = new Wanted(state.depth);
  for (const [frame, mask] of request.regs.entries()) wanted.regs[frame] = mask;
  for (const [frame, slots] of request.slots.entries()) for (const slot of slots) wanted.addSlot(frame, slot);
  return trace(env, state, wanted, skipFirst);
}

/** Returns whether any mark was new. */
function trace(env: Env, start: VerifierState, wanted: Wanted, skipFirst: boolean): boolean {
  if (wanted.isEmpty) return false;
  let state = start;
  let lastPc = start === env.state ? env.pc : start.pc;
  let isFirst = skipFirst;
  let nextPc = -1;
  let isChanged = false;
  try {
    for (;;) {
      const firstPc = state.firstPc;
      logTrace(env, wanted, lastPc, firstPc, nextPc);
      if (lastPc < 0) {
        markEntryArgs(state, wanted);
        return isChanged;
      }
      const end = walkBack(env, state, wanted, lastPc, nextPc, isFirst);
      if (end) return isChanged;
      isFirst = false;
      const parent = state.parent;
      if (parent === null) break;
      isChanged = markCheckpoint(env, parent, wanted) || isChanged;
      if (wanted.isEmpty) return isChanged;
      nextPc = firstPc;
      lastPc = parent.lastPc;
      state = parent;
    }
  } catch (error) {
    if (!(error instanceof Untraceable)) throw error;
  }
  if (!wanted.isEmpty) {
    markAllPrecise(start);
    return true;
  }
  return isChanged;
}

/** Walks the instructions of one state backwards. True where nothing more is wanted. */
function walkBack(
  env: Env,
  state: VerifierState,
  wanted: Wanted,
  lastPc: number,
  subsequent: number,
  skipFirst: boolean,
): boolean {
  const { history } = state;
  let end = history.length;
  let pc = lastPc;
  let next = subsequent;
  let skip = skipFirst;
  for (;;) {
    const top = end > 0 ? history[end - 1] : undefined;
    if (skip) skip = false;
    else stepBack(env, pc, next, top?.pc === pc ? top : undefined, wanted);
    if (wanted.isEmpty) return true;
    next = pc;
    if (pc === state.firstPc && (end === 0 || (end === 1 && top?.pc === pc))) return false;
    if (top?.pc === pc) {
      end--;
      pc = top.prevPc;
    } else pc = previousSlot(env, pc);
    if (pc < 0) return false;
  }
}

/** The second slot of a lddw is no instruction. */
const previousSlot = (env: Env, pc: number): number =>
  pc > 0 && env.insns.op[pc - 1] === Op.hole ? pc - 2 : pc - 1;

function syncLinked(entry: HistoryEntry | undefined, wanted: Wanted): void {
  if (entry === undefined || entry.linked.length === 0) return;
  const isWanted = entry.linked.some((l) =>
    l.isReg ? (wanted.regs[l.frame] & (1 << l.index)) !== 0 : wanted.hasSlot(l.frame, l.index),
  );
  if (!isWanted) return;
  for (const l of entry.linked) {
    if (l.isReg) wanted.regs[l.frame] |= 1 << l.index;
    else wanted.addSlot(l.frame, l.index);
  }
}

/** Undoes one instruction: what was wanted after it, in terms of what is wanted before it. */
function stepBack(env: Env, pc: number, next: number, entry: HistoryEntry | undefined, wanted: Wanted): void {
  const { insns } = env;
  const row = ROWS[insns.op[pc]];
  const dst = insns.dst[pc];
  const src = insns.src[pc];
  if (env.log.level === 2) logStep(env, wanted, pc);
  syncLinked(entry, wanted);
  switch (row.kind) {
    case 'alu':
      if (!wanted.hasReg(dst)) return;
      if (row.sub === 'mov') wanted.dropReg(dst);
      if (row.srcReg) wanted.addReg(src);
      break;
    case 'movsx':
    case 'addr_space_cast':
      if (!wanted.hasReg(dst)) return;
      wanted.dropReg(dst);
      wanted.addReg(src);
      break;
    case 'neg':
    case 'end':
      return;
    case 'ldx':
    case 'ldsx':
      load(wanted, dst, entry);
      return;
    case 'atomic':
      if (row.sub === 'load_acq') load(wanted, dst, entry);
      else if (row.fetch === true) load(wanted, row.sub === 'cmpxchg' ? 0 : src, entry);
      else store(wanted, dst, src, entry);
      return;
    case 'st':
      store(wanted, dst, -1, entry);
      return;
    case 'stx':
      store(wanted, dst, src, entry);
      return;
    case 'lddw':
      wanted.dropReg(dst);
      return;
    case 'ldabs':
    case 'ldind':
      if (wanted.hasReg(0)) throw new Untraceable();
      // Backwards out of the implicit exit of a subprogram.
      if (next !== pc + 1) wanted.frame++;
      return;
    case 'call_sub':
      callSub(env, pc, wanted);
      return;
    case 'call':
    case 'call_kfunc':
    case 'callx':
      call(env, pc, next, wanted);
      return;
    case 'exit':
      leave(env, next, wanted);
      return;
    case 'jcc':
      if (row.srcReg) {
        if (!wanted.hasReg(dst) && !wanted.hasReg(src)) return;
        const pointers = entry?.stackOperands ?? 0;
        if ((pointers & (1 << src)) === 0) wanted.addReg(src);
        if ((pointers & (1 << dst)) === 0) wanted.addReg(dst);
      }
      break;
    case 'ja':
    case 'may_goto':
      break;
  }
  syncLinked(entry, wanted);
}

function load(wanted: Wanted, dst: number, entry: HistoryEntry | undefined): void {
  if (!wanted.hasReg(dst)) return;
  wanted.dropReg(dst);
  // Only what was spilled to the stack keeps its exact value.
  if (entry !== undefined && entry.slot >= 0) wanted.addSlot(entry.frame, entry.slot);
}

function store(wanted: Wanted, dst: number, src: number, entry: HistoryEntry | undefined): void {
  if (wanted.hasReg(dst)) throw new Untraceable();
  if (entry === undefined || entry.slot < 0 || !wanted.hasSlot(entry.frame, entry.slot)) return;
  wanted.dropSlot(entry.frame, entry.slot);
  if (src >= 0) wanted.addReg(src);
}

function callSub(env: Env, pc: number, wanted: Wanted): void {
  const subprog = env.subprogs.find((s) => s.start === env.insns.target[pc]);
  if (subprog?.isGlobal === true) {
    if ((wanted.regs[wanted.frame] & ARGS) !== 0) throw new Untraceable();
    wanted.dropReg(0);
    return;
  }
  // Backwards out of the callee's entry: its arguments are the caller's r1 to r5.
  if ((wanted.regs[wanted.frame] & ~ARGS) !== 0 || wanted.stack[wanted.frame] !== 0n) throw new Untraceable();
  if (wanted.frame === 0) throw new Untraceable();
  wanted.regs[wanted.frame - 1] |= wanted.regs[wanted.frame] & ARGS;
  wanted.regs[wanted.frame] = 0;
  wanted.frame--;
}

function call(env: Env, pc: number, next: number, wanted: Wanted): void {
  if ((env.cfg.points[pc] & Point.CallsCallback) !== 0 && pc !== next - 1) {
    if ((wanted.regs[wanted.frame] & ~ARGS) !== 0 || wanted.stack[wanted.frame] !== 0n)
      throw new Untraceable();
    if (wanted.frame === 0) throw new Untraceable();
    wanted.regs[wanted.frame] = 0;
    wanted.frame--;
    return;
  }
  wanted.dropReg(0);
  if ((wanted.regs[wanted.frame] & ARGS) !== 0) throw new Untraceable();
}

function leave(env: Env, next: number, wanted: Wanted): void {
  const isCall = next >= 1 && ROWS[env.insns.op[next - 1]].kind === 'call_sub';
  const wantsR0 = isCall && wanted.hasReg(0);
  if (isCall && (wanted.regs[wanted.frame] & ARGS) !== 0) throw new Untraceable();
  wanted.dropReg(0);
  if (wanted.frame === 7) throw new Untraceable();
  wanted.frame++;
  if (wantsR0) wanted.addReg(0);
}

/** Marks a checkpoint; what is marked already, or is no scalar, is wanted no more. */
function markCheckpoint(env: Env, state: VerifierState, wanted: Wanted): boolean {
  let isChanged = false;
  for (let f = wanted.frame; f >= 0; f--) {
    const frame = state.frames[f];
    if (frame === undefined) throw new Untraceable();
    for (let regno = 0; regno < 10; regno++) {
      if ((wanted.regs[f] & (1 << regno)) === 0) continue;
      const reg = frame.regs[regno];
      if (reg.type !== RegType.Scalar || reg.precise) wanted.regs[f] &= ~(1 << regno);
      else {
        frame.regs[regno] = asPrecise(reg);
        isChanged = true;
      }
    }
    for (let slot = 0; wanted.stack[f] >> BigInt(slot) !== 0n; slot++) {
      if (!wanted.hasSlot(f, slot)) continue;
      if (slot >= frame.stack.length) throw new Untraceable();
      const spilled = frame.stack[slot];
      if (!isScalarSpill(spilled) || spilled.reg.precise) wanted.dropSlot(f, slot);
      else {
        frame.stack[slot] = { bytes: spilled.bytes, reg: asPrecise(spilled.reg) };
        isChanged = true;
      }
    }
    if (env.log.level === 2) {
      env.log.line(
        `mark_precise: frame${f}: parent state regs=${regMask(wanted.regs[f])} stack=${stackMask(wanted.stack[f])}: ` +
          printFrame(
            state,
            frame,
            () => true,
            () => true,
          ),
      );
    }
  }
  return isChanged;
}

function markEntryArgs(state: VerifierState, wanted: Wanted): void {
  const frame = state.frames[0];
  for (let regno = 1; regno <= 5; regno++) {
    if (wanted.hasReg(regno) && frame.regs[regno].isScalar) frame.regs[regno] = asPrecise(frame.regs[regno]);
  }
}

/** The last resort: every scalar of every checkpoint on the path. */
function markAllPrecise(start: VerifierState): void {
  for (let state = start.parent; state !== null; state = state.parent) {
    state.mapRegs((reg) => (reg.type === RegType.Scalar ? asPrecise(reg) : reg));
  }
}

function regMask(mask: number): string {
  const names: string[] = [];
  for (let i = 0; i < 11; i++) if ((mask & (1 << i)) !== 0) names.push(`r${i}`);
  return names.join(',');
}

function stackMask(mask: bigint): string {
  const names: number[] = [];
  for (let i = 0, rest = mask; rest !== 0n; i++, rest >>= 1n)
    if ((rest & 1n) !== 0n) names.push(-(i + 1) * 8);
  return names.join(',');
}

function logTrace(env: Env, wanted: Wanted, last: number, first: number, next: number): void {
  if (env.log.level !== 2) return;
  env.log.line(`mark_precise: frame${wanted.frame}: last_idx ${last} first_idx ${first} subseq_idx ${next} `);
}

function logStep(env: Env, wanted: Wanted, pc: number): void {
  const regs = regMask(wanted.regs[wanted.frame]);
  const stack = stackMask(wanted.stack[wanted.frame]);
  env.log.line(
    `mark_precise: frame${wanted.frame}: regs=${regs} stack=${stack} before ${env.log.insnText(pc)}`,
  );
}
