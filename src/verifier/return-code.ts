/** What a program may return. */
import { Errno } from '../errors.js';
import { returnRange } from '../progs/prog-table.js';
import type { Env } from './env.js';
import { rejectRange } from './frames.js';
import { markPrecise } from './precision.js';
import { assertInit } from './registers.js';

/** `exit` of the main program, of a global function or of an asynchronous callback. */
export function checkReturnCode(env: Env): void {
  const frame = env.state.frames[0];
  assertInit(env, 0);
  const reg = env.reg(0);
  const isAsync = frame.kind === 'async_callback';
  if (frame.subprog !== 0 && !isAsync && !env.subprogs[frame.subprog].isExceptionCallback) {
    if (!reg.isScalar) {
      env.reject(
        Errno.EINVAL,
        `At subprogram exit the register R0 is not a scalar value (${reg.typeName()})`,
      );
    }
    return;
  }
  const where = isAsync ? 'At async callback return' : 'At program exit';
  const allowed = isAsync ? ([0, 0] as const) : returnRange(env.input.progType, env.input.attachType);
  if (allowed === undefined) return;
  const range = { min: allowed[0], max: allowed[1] };
  if (!reg.isScalar) {
    env.reject(Errno.EINVAL, `${where} the register R0 is not a known value (${reg.typeName()})`);
  }
  markPrecise(env, 0);
  if (reg.bounds.smin < BigInt(range.min) || reg.bounds.smax > BigInt(range.max)) {
    rejectRange(env, reg, range, where, 'R0');
  }
}
