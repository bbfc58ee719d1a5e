/** The work list: states that are still to be explored. */
import { Errno } from '../errors.js';
import { MAX_PENDING } from './env.js';
import type { Env } from './env.js';
import type { VerifierState } from './state.js';

/** Copies the current state to be continued at `pc` later. */
export function pushPath(env: Env, pc: number, prevPc: number): VerifierState {
  const copy = env.state.copy();
  return pushState(env, copy, pc, prevPc);
}

/** Adds a state as one more path below its parent. */
export function pushState(env: Env, state: VerifierState, pc: number, prevPc: number): VerifierState {
  env.pending.push({ state, pc, prevPc, logMark: env.log.mark });
  if (env.pending.length > MAX_PENDING) {
    env.reject(Errno.E2BIG, `The sequence of ${env.pending.length} jumps is too complex.`);
  }
  if (state.parent !== null) state.parent.branches++;
  return state;
}
