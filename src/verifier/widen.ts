/** Loops without a known bound converge by forgetting scalars that no check relied on and that change. */
import type { Env } from './env.js';
import { IdMap, regsExact, sameCallsites } from './equal.js';
import type { Reg } from './reg-state.js';
import { RegType, UNKNOWN_SCALAR } from './reg-state.js';
import { isSpill } from './stack.js';
import type { VerifierState } from './state.js';

/** The checkpoint of the iteration before, at the same instruction, on the current path. */
export function findLoopEntry(env: Env, pc: number, before: VerifierState | null): VerifierState | null {
  if (before === null) return null;
  const states = env.explored[pc] ?? [];
  for (let i = states.length - 1; i >= 0; i--) {
    const state = states[i];
    if (state.branches > 0 && sameCallsites(state, before) && state.dfsDepth < before.dfsDepth) return state;
  }
  return null;
}

function widened(old: Reg, cur: Reg, ids: IdMap): Reg {
  if (old.type !== RegType.Scalar || cur.type !== RegType.Scalar) return cur;
  return old.precise || cur.precise || regsExact(old, cur, ids) ? cur : UNKNOWN_SCALAR;
}

export function widenImprecise(old: VerifierState, cur: VerifierState): void {
  const ids = new IdMap();
  for (let f = old.depth; f >= 0; f--) {
    const a = old.frames[f];
    const b = cur.frames[f];
    for (let i = 0; i < 10; i++) b.regs[i] = widened(a.regs[i], b.regs[i], ids);
    for (let i = 0; i < Math.min(a.stack.length, b.stack.length); i++) {
      const slot = b.stack[i];
      if (!isSpill(a.stack[i]) || !isSpill(slot)) continue;
      const reg = widened(a.stack[i].reg, slot.reg, ids);
      if (reg !== slot.reg) b.stack[i] = { bytes: slot.bytes, reg };
    }
  }
}
