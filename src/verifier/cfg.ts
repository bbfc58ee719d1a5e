/**
 * The control-flow graph: reachability, where states are compared (prune points), where the path taken must be
 * remembered (jump points), strongly connected components, and which registers are live.
 */
import { Errno } from '../errors.js';
import type { DecodedProgram } from '../isa/insn.js';
import { Op } from '../isa/op.gen.js';
import { ROWS } from '../isa/ops.js';

export const enum Point {
  None = 0,
  /** States are compared and saved here. */
  Prune = 1,
  /** Reached by other ways than the slot before. */
  Jump = 2,
  /** A state is always saved here. */
  Force = 4,
  /** A helper that calls back synchronously. */
  CallsCallback = 8,
}

export interface Cfg {
  /** `Point` bits per slot. */
  readonly points: Uint8Array;
  /** Number of the strongly connected component of each slot that is part of a loop; 0: none. */
  readonly scc: Int32Array;
  readonly sccCount: number;
  /** Registers, a bit each, whose value on entry to the slot may still be used. */
  readonly liveRegs: Uint16Array;
}

export interface CfgError {
  readonly errno: number;
  readonly pc: number;
  readonly message: string;
}

/** What a call at a slot does to the graph. */
export interface CallTraits {
  readonly callback?: 'sync' | 'async';
  readonly isIterNext?: boolean;
  /** Number of argument registers that are read; 5 where unknown. */
  readonly argCount: number;
  /** The call never returns (bpf_throw). */
  readonly isNoReturn?: boolean;
}

export const isLddw = (op: Op): boolean => op >= Op.lddw && op <= Op.lddw_map_idx_value;
const nextPc = (insns: DecodedProgram, pc: number): number => pc + (isLddw(insns.op[pc]) ? 2 : 1);

/** Slots that may follow within the function; calls fall through. */
export function successors(insns: DecodedProgram, pc: number): readonly number[] {
  const { kind } = ROWS[insns.op[pc]];
  if (kind === 'exit') return [];
  if (kind === 'ja') return [insns.target[pc]];
  if (kind === 'jcc' || kind === 'may_goto') return [pc + 1, insns.target[pc]];
  return [nextPc(insns, pc)];
}

interface Walk {
  readonly insns: DecodedProgram;
  readonly points: Uint8Array;
  readonly traits: (pc: number) => CallTraits;
  /** 0: not seen, 1: on the stack, 2: done. */
  readonly visited: Uint8Array;
}

/** Edges in the order in which they are explored, each marking what lies at its end. */
function edges(walk: Walk, pc: number): number[] {
  const { insns, points } = walk;
  // Only a jump gets here, and is refused once the walk is over.
  if (insns.op[pc] === Op.hole) return [pc + 1];
  const { kind } = ROWS[insns.op[pc]];
  const mark = (at: number, bits: number): void => {
    if (at >= 0 && at < insns.length) points[at] |= bits;
  };
  switch (kind) {
    case 'exit':
      return [];
    case 'ja':
      mark(insns.target[pc], Point.Prune | Point.Jump);
      return [insns.target[pc]];
    case 'jcc':
    case 'may_goto':
      points[pc] |= kind === 'may_goto' ? Point.Prune | Point.Force : Point.Prune;
      mark(insns.target[pc], Point.Prune | Point.Jump);
      return [pc + 1, insns.target[pc]];
    case 'call':
    case 'call_kfunc': {
      const traits = walk.traits(pc);
      if (traits.callback === 'async') points[pc] |= Point.Prune;
      if (traits.callback === 'sync')
        points[pc] |= Point.CallsCallback | Point.Force | Point.Prune | Point.Jump;
      if (traits.isIterNext === true) points[pc] |= Point.Prune | Point.Force;
      mark(pc + 1, Point.Prune | Point.Jump);
      return [pc + 1];
    }
    case 'call_sub':
      points[pc] |= Point.Prune;
      mark(pc + 1, Point.Prune | Point.Jump);
      mark(insns.target[pc], Point.Prune | Point.Jump);
      return [pc + 1, insns.target[pc]];
    default:
      if (insns.op[pc] !== Op.lddw_func) return [nextPc(insns, pc)];
      points[pc] |= Point.Prune;
      mark(pc + 2, Point.Prune | Point.Jump);
      mark(insns.target[pc], Point.Prune | Point.Jump);
      return [pc + 2, insns.target[pc]];
  }
}

function walkFrom(walk: Walk, start: number): CfgError | undefined {
  const stack: { pc: number; next: number; out: number[] }[] = [];
  const push = (pc: number): void => {
    walk.visited[pc] = 1;
    stack.push({ pc, next: 0, out: edges(walk, pc) });
  };
  push(start);
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    if (top.next === top.out.length) {
      walk.visited[top.pc] = 2;
      stack.pop();
      continue;
    }
    const to = top.out[top.next++];
    if (to < 0 || to >= walk.insns.length) {
      return { errno: Errno.EINVAL, pc: top.pc, message: `jump out of range from insn ${top.pc} to ${to}` };
    }
    if (walk.visited[to] === 0) push(to);
  }
  return undefined;
}

/** Builds the graph, or says why the program has none. `extraEntries`: exception callbacks. */
export function buildCfg(
  insns: DecodedProgram,
  traits: (pc: number) => CallTraits,
  extraEntries: readonly number[],
): Cfg | CfgError {
  const points = new Uint8Array(insns.length);
  const walk: Walk = { insns, points, traits, visited: new Uint8Array(insns.length) };
  for (const entry of [0, ...extraEntries]) {
    if (walk.visited[entry] !== 0) continue;
    const error = walkFrom(walk, entry);
    if (error !== undefined) return error;
  }
  for (let pc = 0; pc < insns.length; pc++) {
    if (walk.visited[pc] === 0) return { errno: Errno.EINVAL, pc, message: `unreachable insn ${pc}` };
    if (isLddw(insns.op[pc])) {
      if (walk.visited[pc + 1] !== 0)
        return { errno: Errno.EINVAL, pc, message: `jump into the middle of ldimm64 insn ${pc}` };
      pc++;
    }
  }
  const { scc, count } = components(insns, points);
  return { points, scc, sccCount: count, liveRegs: liveRegisters(insns, traits) };
}

/** Tarjan's algorithm without recursion; only components that loop get a number. */
function components(insns: DecodedProgram, points: Uint8Array): { scc: Int32Array; count: number } {
  const n = insns.length;
  const scc = new Int32Array(n);
  const order = new Int32Array(n);
  const low = new Int32Array(n);
  const onStack = new Uint8Array(n);
  const open: number[] = [];
  let clock = 0;
  let count = 0;
  const close = (pc: number): void => {
    const isLoop =
      open[open.length - 1] !== pc ||
      successors(insns, pc).includes(pc) ||
      (points[pc] & Point.CallsCallback) !== 0;
    if (isLoop) count++;
    for (;;) {
      const member = open.pop()!;
      onStack[member] = 0;
      if (isLoop) scc[member] = count;
      if (member === pc) return;
    }
  };
  for (let root = 0; root < n; root++) {
    if (order[root] !== 0 || insns.op[root] === Op.hole) continue;
    const calls: { pc: number; next: number; out: readonly number[] }[] = [];
    const enter = (pc: number): void => {
      order[pc] = low[pc] = ++clock;
      onStack[pc] = 1;
      open.push(pc);
      calls.push({ pc, next: 0, out: successors(insns, pc) });
    };
    enter(root);
    while (calls.length > 0) {
      const top = calls[calls.length - 1];
      if (top.next < top.out.length) {
        const to = top.out[top.next++];
        if (to < 0 || to >= n) continue;
        if (order[to] === 0) enter(to);
        else if (onStack[to] === 1) low[top.pc] = Math.min(low[top.pc], order[to]);
        continue;
      }
      calls.pop();
      if (calls.length > 0) {
        const above = calls[calls.length - 1].pc;
        low[above] = Math.min(low[above], low[top.pc]);
      }
      if (low[top.pc] === order[top.pc]) close(top.pc);
    }
  }
  return { scc, count };
}

const R0 = 1;
const ARGS = 0b111110;
const CALLER_SAVED = R0 | ARGS;

/** Registers read and written by an instruction, a bit each. */
export function useDef(
  insns: DecodedProgram,
  pc: number,
  traits: (pc: number) => CallTraits,
): [number, number] {
  const row = ROWS[insns.op[pc]];
  const dst = 1 << insns.dst[pc];
  const src = row.srcReg ? 1 << insns.src[pc] : 0;
  switch (row.kind) {
    case 'alu':
      return row.sub === 'mov' ? [src, dst] : [dst | src, dst];
    case 'movsx':
    case 'addr_space_cast':
      return [src, dst];
    case 'neg':
    case 'end':
      return [dst, dst];
    case 'ldx':
    case 'ldsx':
      return [src, dst];
    case 'st':
      return [dst, 0];
    case 'stx':
      return [dst | src, 0];
    case 'atomic':
      if (row.sub === 'load_acq') return [src, dst];
      if (row.sub === 'cmpxchg') return [dst | src | R0, R0];
      return [dst | src, row.fetch === true ? src : 0];
    case 'ldabs':
    case 'ldind':
      return [src | (1 << 6), CALLER_SAVED];
    case 'lddw':
      return [0, dst];
    case 'ja':
    case 'may_goto':
      return [0, 0];
    case 'jcc':
      return [dst | src, 0];
    case 'call':
    case 'call_kfunc':
      return [((1 << traits(pc).argCount) - 1) << 1, CALLER_SAVED];
    case 'call_sub':
    case 'callx':
      return [ARGS, CALLER_SAVED];
    case 'exit':
      return [R0, 0];
  }
}

/** Backward data flow to a fixed point. */
function liveRegisters(insns: DecodedProgram, traits: (pc: number) => CallTraits): Uint16Array {
  const n = insns.length;
  const live = new Uint16Array(n);
  const pairs = Array.from({ length: n }, (_, pc) =>
    insns.op[pc] === Op.hole ? ([0, 0] as [number, number]) : useDef(insns, pc, traits),
  );
  const next = Array.from({ length: n }, (_, pc) => (insns.op[pc] === Op.hole ? [] : successors(insns, pc)));
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    for (let pc = n - 1; pc >= 0; pc--) {
      if (insns.op[pc] === Op.hole) continue;
      let out = 0;
      for (const to of next[pc]) if (to < n) out |= live[to];
      const [use, def] = pairs[pc];
      const value = (out & ~def) | use;
      if (value !== live[pc]) {
        live[pc] = value;
        isChanged = true;
      }
    }
  }
  return live;
}
