/** What must hold of registers as operands. */
import { Errno } from '../errors.js';
import type { Env } from './env.js';
import { NOT_INIT, RegType } from './reg-state.js';

export function assertInit(env: Env, regno: number): void {
  env.log.touchReg(regno);
  if (env.reg(regno).type === RegType.NotInit) env.reject(Errno.EACCES, `R${regno} !read_ok`);
}

export function assertWritableReg(env: Env, regno: number): void {
  if (regno === 10) env.reject(Errno.EACCES, 'frame pointer is read only');
}

/** r0 to r5 hold nothing after a call. */
export function scratchCallerSaved(env: Env): void {
  for (let regno = 0; regno <= 5; regno++) env.setReg(regno, NOT_INIT);
}
