/** Which subprogram calls which: the order in which they are analysed, and how deep calls may nest. */
import type { DecodedProgram } from '../../isa/insn.js';
import { Op } from '../../isa/op.gen.js';

export interface CallGraph {
  /** Numbers of the subprograms, callees before callers where there is no recursion. */
  readonly order: Int32Array;
  /** Frames of the deepest chain of calls; Infinity with recursion. */
  readonly depth: number;
  /** First slots of subprograms whose address the program takes. */
  readonly callbacks: readonly number[];
  /** The first subprogram may run in a frame other than 0: it is called, too. */
  readonly isMainShared: boolean;
}

/** What a helper does to the flow of calls. */
export interface CallEffect {
  readonly callsBack: boolean;
}

/** `first` holds the first slots of the subprograms, ascending; `effectOf` describes the helper called at a slot. */
export function buildCallGraph(
  insns: DecodedProgram,
  first: readonly number[],
  effectOf: (pc: number) => CallEffect | undefined,
  exceptionCallback?: number,
): CallGraph {
  const count = first.length;
  const numberOf = new Map(first.map((slot, index) => [slot, index]));
  const callees: number[][] = Array.from({ length: count }, () => []);
  const callbacks = new Set<number>(exceptionCallback === undefined ? [] : [exceptionCallback]);
  let isMainShared = false;
  const hasCallback = new Uint8Array(count);
  for (let pc = 0, at = 0; pc < insns.length; pc++) {
    while (at + 1 < count && first[at + 1] <= pc) at++;
    const op = insns.op[pc] as Op;
    if (op === Op.call_sub) {
      const callee = numberOf.get(insns.target[pc]);
      if (callee === undefined) continue;
      callees[at].push(callee);
      isMainShared ||= callee === 0;
    } else if (op === Op.lddw_func) {
      if (numberOf.has(insns.target[pc])) callbacks.add(insns.target[pc]);
    } else if (op === Op.call || op === Op.call_kfunc) {
      const effect = effectOf(pc);
      if (effect?.callsBack === true) hasCallback[at] = 1;
    }
  }
  for (let at = 0; at < count; at++) {
    if (hasCallback[at] === 1) for (const slot of callbacks) callees[at].push(numberOf.get(slot)!);
  }
  return { ...walk(callees), callbacks: [...callbacks], isMainShared: isMainShared || callbacks.has(0) };
}

/** Depth-first search with an explicit stack: postorder, and the length of the longest path. */
function walk(callees: readonly (readonly number[])[]): { order: Int32Array; depth: number } {
  const count = callees.length;
  const order = new Int32Array(count);
  const height = new Float64Array(count);
  const state = new Uint8Array(count);
  const nextEdge = new Int32Array(count);
  let done = 0;
  let depth = 0;
  for (let root = 0; root < count; root++) {
    if (state[root] !== 0) continue;
    const stack = [root];
    state[root] = 1;
    while (stack.length > 0) {
      const at = stack[stack.length - 1];
      const callee = callees[at][nextEdge[at]++];
      if (callee === undefined) {
        for (const other of callees[at])
          height[at] = Math.max(height[at], state[other] === 1 ? Infinity : height[other]);
        height[at] += 1;
        depth = Math.max(depth, height[at]);
        state[at] = 2;
        order[done++] = at;
        stack.pop();
      } else if (state[callee] === 0) {
        state[callee] = 1;
        stack.push(callee);
      }
    }
  }
  return { order, depth };
}
