/** The stack of a chain of calls is at most 512 bytes, of at most 8 frames. */
import { Errno } from '../errors.js';
import { Op } from '../isa/op.gen.js';
import { ROWS } from '../isa/ops.js';
import { ProgType } from '../progs/prog-types.js';
import { MAX_FRAMES, MAX_STACK } from './env.js';
import type { Env } from './env.js';

/** Bytes that a frame takes: rounded up for the host's stack. */
const rounded = (bytes: number): number => Math.ceil(Math.max(bytes, 1) / 16) * 16;

/** Stack that a caller may have used when a callee makes a tail call. */
const MAX_BEFORE_TAIL_CALL = 256;

const OWN_STACKS = new Set<ProgType>([
  ProgType.Kprobe,
  ProgType.Tracepoint,
  ProgType.PerfEvent,
  ProgType.RawTracepoint,
]);

interface Chain {
  /** Subprograms from the entry down. */
  readonly path: number[];
  depth: number;
}

export function checkStackDepth(env: Env): void {
  const hasTailCall = env.subprogs.some((subprog) => subprog.hasTailCall);
  const isOwn = OWN_STACKS.has(env.input.progType) && !hasTailCall;
  descend(env, 0, { path: [], depth: 0 }, isOwn);
  for (const [i, subprog] of env.subprogs.entries()) {
    if (subprog.isAsyncCallback) descend(env, i, { path: [], depth: 0 }, isOwn);
  }
}

function descend(env: Env, index: number, chain: Chain, isOwn: boolean): void {
  const subprog = env.subprogs[index];
  if (index > 0 && subprog.hasTailCall && chain.depth >= MAX_BEFORE_TAIL_CALL) {
    env.reject(
      Errno.EACCES,
      `tail_calls are not allowed when call stack of previous frames is ${chain.depth} bytes. Too large`,
    );
  }
  const own = rounded(subprog.stackDepth);
  // Where frames may have a stack of their own, only a frame's own size counts, once it is worth it.
  const counted = isOwn && own >= 64 ? 0 : own;
  chain.depth += counted;
  if (chain.depth > MAX_STACK) {
    env.reject(
      Errno.EACCES,
      `combined stack size of ${chain.path.length + 1} calls is ${chain.depth}. Too large`,
    );
  }
  chain.path.push(index);
  for (const callee of callees(env, index)) {
    if (chain.path.length >= MAX_FRAMES) {
      env.reject(Errno.E2BIG, `the call stack of ${chain.path.length} frames is too deep !`);
    }
    descend(env, callee, chain, isOwn);
  }
  chain.path.pop();
  chain.depth -= counted;
}

function callees(env: Env, index: number): Set<number> {
  const { start, end } = env.subprogs[index];
  const found = new Set<number>();
  for (let pc = start; pc < end; pc++) {
    const op = env.insns.op[pc];
    if (op === Op.hole) continue;
    const isCall = ROWS[op].kind === 'call_sub';
    if (!isCall && op !== Op.lddw_func) continue;
    const callee = env.subprogAt(env.insns.target[pc]);
    if (isCall || !env.subprogs[callee].isAsyncCallback) found.add(callee);
  }
  return found;
}
