/** Where the value of a register came from: the instructions that made it, latest first. */
import { Op } from '../isa/op.gen.js';
import { ROWS } from '../isa/ops.js';
import { useDef } from './cfg.js';
import type { Env } from './env.js';
import type { VerifierState } from './state.js';

const MAX_STEPS = 20_000;

/** Slots of the current path before the current instruction, latest first. */
function* pathBefore(env: Env): Generator<number> {
  let state: VerifierState | null = env.state;
  let pc = env.pc;
  while (state !== null) {
    const { history } = state;
    let end = history.length;
    for (;;) {
      const top = end > 0 ? history[end - 1] : undefined;
      if (pc === state.firstPc && (end === 0 || (end === 1 && top?.pc === pc))) break;
      if (top?.pc === pc) {
        end--;
        pc = top.prevPc;
      } else pc = pc > 0 && env.insns.op[pc - 1] === Op.hole ? pc - 2 : pc - 1;
      if (pc < 0) return;
      yield pc;
    }
    const parent: VerifierState | null = state.parent;
    if (parent === null || state.lastPc < 0) return;
    pc = parent.lastPc;
    if (pc < 0) return;
    yield pc;
    state = parent;
  }
}

/** Slots of up to `count` instructions that made the register's value: its definition, and what that copied. */
export function originsOf(env: Env, regno: number, count = 3): number[] {
  const origins: number[] = [];
  let wanted = regno;
  let nested = 0;
  let steps = 0;
  for (const pc of pathBefore(env)) {
    if (++steps > MAX_STEPS || origins.length >= count) break;
    const row = ROWS[env.insns.op[pc]];
    if (row === undefined) continue;
    if (row.kind === 'exit') nested++;
    else if (row.kind === 'call_sub' && nested > 0) nested--;
    if (nested > 0) continue;
    const [, def] = useDef(env.insns, pc, (at) => env.callTraits(at) ?? { argCount: 5 });
    if ((def & (1 << wanted)) === 0) continue;
    origins.push(pc);
    if (row.kind !== 'alu' || !row.srcReg || row.sub !== 'mov') {
      // An operation in place: what it changed is older.
      if (row.kind !== 'alu' || row.sub === 'mov') break;
    } else wanted = env.insns.src[pc];
  }
  return origins;
}
