/**
 * Checkpoints: states saved at prune points. A path that reaches one with a state that is covered by a saved one ends
 * there; what the saved state's continuation read and relied on is then marked on this path too.
 */
import { Errno } from '../errors.js';
import { Point } from './cfg.js';
import type { Env } from './env.js';
import { framePc, iteratorAdvanced, mayLoop, sameCallsites, statesEqual } from './equal.js';
import { markPreciseIn, pushHistory } from './precision.js';
import { printFrame } from './print-state.js';
import { NOT_INIT, RegType } from './reg-state.js';
import { EMPTY_SLOT, isSpill, slotIndex } from './stack.js';
import { markSlotRead } from './stack-access.js';
import type { VerifierState } from './state.js';
import { Live } from './state.js';
import { s64 } from './tnum.js';

/** A jump out of a loop back into it: marks of `equal` may still grow, and must then grow on `state`'s path too. */
interface BackEdge {
  readonly state: VerifierState;
  readonly equal: VerifierState;
}

/** One passage through a loop, in one chain of calls. */
interface LoopVisit {
  entry: VerifierState | null;
  backEdges: BackEdge[];
}

const MAX_ROUNDS = 64;
const MAX_HISTORY = 40;

/** Passages through loops, by component and call chain. */
export class Loops {
  private readonly visits = new Map<string, LoopVisit>();

  private key(env: Env, state: VerifierState): string | undefined {
    let key = '';
    for (let f = 0; f <= state.depth; f++) {
      const pc = framePc(state, f, state.pc);
      const scc = env.cfg.scc[pc];
      if (scc !== 0) return `${key}:${scc}`;
      if (f === state.depth) return undefined;
      key += `,${pc}`;
    }
    return undefined;
  }

  private find(env: Env, state: VerifierState): LoopVisit | undefined {
    const key = this.key(env, state);
    return key === undefined ? undefined : this.visits.get(key);
  }

  enter(env: Env, state: VerifierState): void {
    const key = this.key(env, state);
    if (key === undefined) return;
    let visit = this.visits.get(key);
    if (visit === undefined) {
      visit = { entry: null, backEdges: [] };
      this.visits.set(key, visit);
    }
    visit.entry ??= state;
  }

  /** All paths below the state are done. */
  exit(env: Env, state: VerifierState): void {
    const visit = this.find(env, state);
    if (visit?.entry !== state) return;
    visit.entry = null;
    const edges = visit.backEdges;
    visit.backEdges = [];
    for (let round = 0; round < MAX_ROUNDS; round++) {
      let isChanged = false;
      for (const { state: at, equal } of edges) {
        isChanged = propagateReads(equal, at) || isChanged;
        isChanged = propagatePrecision(env, equal, at) || isChanged;
      }
      if (!isChanged) return;
    }
  }

  isIncomplete(env: Env, state: VerifierState): boolean {
    const visit = this.find(env, state);
    return visit !== undefined && visit.backEdges.length > 0;
  }

  addBackEdge(env: Env, equal: VerifierState): void {
    const visit = this.find(env, equal);
    if (visit === undefined) return;
    const state = env.state.copy();
    state.pc = env.pc;
    visit.backEdges.push({ state, equal });
  }
}

function propagateReads(from: VerifierState, to: VerifierState): boolean {
  let isChanged = false;
  for (let f = 0; f < from.frames.length; f++) {
    const { live, stack } = from.frames[f];
    const target = to.frames[f];
    for (let i = 0; i < stack.length && i < target.stack.length; i++) {
      if ((live[i] & Live.Read) === 0) continue;
      const parent = target.parent;
      const before = parent === null || i >= parent.stack.length ? Live.Read : parent.live[i] & Live.Read;
      markSlotRead(target, i);
      if (before === 0 && parent !== null && (parent.live[i] & Live.Read) !== 0) isChanged = true;
    }
  }
  return isChanged;
}

function propagatePrecision(env: Env, from: VerifierState, to: VerifierState): boolean {
  const regs: number[] = [];
  const slots: number[][] = [];
  for (const [f, frame] of from.frames.entries()) {
    const live = env.cfg.liveRegs[framePc(from, f, from.pc)];
    let mask = 0;
    for (let i = 0; i < 10; i++) {
      const reg = frame.regs[i];
      if (reg.precise && reg.type === RegType.Scalar && (live & (1 << i)) !== 0) mask |= 1 << i;
    }
    regs.push(mask);
    slots.push(
      frame.stack.flatMap((slot, i) =>
        isSpill(slot) &&
        slot.reg.precise &&
        slot.reg.type === RegType.Scalar &&
        (frame.live[i] & Live.Read) !== 0
          ? [i]
          : [],
      ),
    );
  }
  logPropagation(env, from, regs, slots);
  return markPreciseIn(env, to, { regs, slots }, true);
}

function logPropagation(
  env: Env,
  from: VerifierState,
  regs: readonly number[],
  slots: readonly number[][],
): void {
  if (env.log.level < 2) return;
  for (let f = from.depth; f >= 0; f--) {
    const names = [
      ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].filter((i) => (regs[f] & (1 << i)) !== 0).map((i) => `r${i}`),
      ...slots[f].map((i) => `fp${-8 * (i + 1)}`),
    ];
    if (names.length > 0) env.log.line(`frame ${f}: propagating ${names.join(',')}`);
  }
}

/** A path ended: its checkpoints have one less to wait for. */
export function finishPath(env: Env, state: VerifierState): void {
  let at: VerifierState | null = state;
  while (at !== null) {
    at.branches--;
    if (at.branches > 0) return;
    env.loops.exit(env, at);
    at = at.parent;
  }
}

/** Forgets what the finished state's continuations never read, which makes comparing simpler. */
function clean(env: Env, state: VerifierState): void {
  if (state.cleaned) return;
  state.cleaned = true;
  for (const [f, frame] of state.frames.entries()) {
    const live = env.cfg.liveRegs[framePc(state, f, state.pc)];
    for (let i = 0; i < 10; i++) if ((live & (1 << i)) === 0) frame.regs[i] = NOT_INIT;
    for (let i = 0; i < frame.stack.length; i++) {
      if ((frame.live[i] & Live.Read) === 0) frame.stack[i] = EMPTY_SLOT;
    }
  }
}

type Verdict = 'covered' | 'back-edge' | 'miss' | 'miss-no-new';

/** Compares with one saved state at this instruction. */
function compare(env: Env, saved: VerifierState, isForced: boolean): Verdict {
  const cur = env.state;
  if (saved.branches === 0) {
    const isIncomplete = env.loops.isIncomplete(env, saved);
    if (!isIncomplete) clean(env, saved);
    if (!statesEqual(env, saved, cur, isIncomplete ? 'range' : 'loose')) return 'miss';
    return isIncomplete ? 'back-edge' : 'covered';
  }
  const points = env.cfg.points[env.pc];
  const traits = env.callTraits(env.pc);
  if (traits?.isIterNext === true) {
    if (statesEqual(env, saved, cur, 'range') && isActiveIterator(env)) return 'back-edge';
  } else if (
    env.row.kind === 'may_goto' &&
    saved.mayGotoDepth !== cur.mayGotoDepth &&
    statesEqual(env, saved, cur, 'range')
  ) {
    return 'back-edge';
  } else if ((points & Point.CallsCallback) !== 0) {
    if (statesEqual(env, saved, cur, 'range')) return 'back-edge';
  } else if (saved.current.kind !== 'async_callback' || saved.asyncEntry === cur.asyncEntry)
    assertNoEndlessLoop(env, saved);
  const isSoon = env.jumpsProcessed - env.prevJumps < 20 && env.processed - env.prevProcessed < 100;
  return !isForced && isSoon ? 'miss-no-new' : 'miss';
}

function isActiveIterator(env: Env): boolean {
  const r1 = env.reg(1);
  if (r1.type !== RegType.Stack) return false;
  const slot = env.state.frames[r1.frameno].stack[slotIndex(r1.off + Number(s64(r1.bounds.tnum.value)))];
  return slot?.reg.iterState === 'active';
}

function assertNoEndlessLoop(env: Env, saved: VerifierState): void {
  const cur = env.state;
  if (
    !mayLoop(saved, cur) ||
    !statesEqual(env, saved, cur, 'exact') ||
    iteratorAdvanced(saved, cur) ||
    saved.mayGotoDepth !== cur.mayGotoDepth ||
    saved.callbackUnrollDepth !== cur.callbackUnrollDepth
  ) {
    return;
  }
  const whole = (state: VerifierState): string =>
    printFrame(
      state,
      state.current,
      () => true,
      () => true,
    );
  env.log.line(`infinite loop detected at insn ${env.pc}`);
  env.log.line(`cur state:${whole(cur)}`);
  env.log.line(`old state:${whole(saved)}`);
  env.reject(Errno.EINVAL, '');
}

/** At a prune point: true where the path is covered and ends; else a checkpoint may have been saved. */
export function isVisited(env: Env): boolean {
  const cur = env.state;
  const isForced =
    env.input.flags.stateFrequency === true ||
    (env.cfg.points[env.pc] & Point.Force) !== 0 ||
    cur.history.length > MAX_HISTORY;
  let isNew = isForced || (env.jumpsProcessed - env.prevJumps >= 2 && env.processed - env.prevProcessed >= 8);
  const states = (env.explored[env.pc] ??= []);
  env.maxStatesPerInsn = Math.max(env.maxStatesPerInsn, states.length);
  // Latest first.
  for (let i = states.length - 1; i >= 0; i--) {
    const saved = states[i];
    if (!sameCallsites(saved, cur)) continue;
    const verdict = compare(env, saved, isForced);
    if (verdict === 'covered' || verdict === 'back-edge') {
      hit(env, saved, verdict === 'back-edge');
      return true;
    }
    if (verdict === 'miss-no-new') isNew = false;
    if (isNew) saved.missCount++;
    const patience = (env.cfg.points[env.pc] & Point.Force) !== 0 && saved.branches > 0 ? 64 : 3;
    if (saved.missCount > saved.hitCount * patience + patience) {
      states.splice(i, 1);
      env.peakStates--;
    }
  }
  if (isNew) save(env, states);
  return false;
}

function hit(env: Env, saved: VerifierState, isBackEdge: boolean): void {
  saved.hitCount++;
  propagateReads(saved, env.state);
  if ((env.cfg.points[env.pc] & Point.Jump) !== 0) pushHistory(env, -1, -1);
  propagatePrecision(env, saved, env.state);
  if (isBackEdge) env.loops.addBackEdge(env, saved);
}

function save(env: Env, states: VerifierState[]): void {
  const cur = env.state;
  env.totalStates++;
  env.peakStates++;
  env.prevJumps = env.jumpsProcessed;
  env.prevProcessed = env.processed;
  // Precision is asked for anew from here on: marks of the past are not this state's.
  cur.mapRegs((reg) => {
    if (!reg.precise || reg.type !== RegType.Scalar) return reg;
    const copy = reg.clone();
    copy.precise = false;
    return copy;
  });
  const saved = cur.copy();
  saved.pc = env.pc;
  saved.lastPc = env.prevPc;
  env.loops.enter(env, saved);
  states.push(saved);
  cur.parent = saved;
  cur.firstPc = env.pc;
  cur.history = [];
  cur.dfsDepth = saved.dfsDepth + 1;
  for (let f = 0; f < cur.frames.length; f++) {
    cur.frames[f].parent = saved.frames[f];
    cur.frames[f].live.fill(Live.None);
  }
}
