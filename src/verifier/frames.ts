/** Calls between subprograms. */
import { Errno } from '../errors.js';
import { MAX_FRAMES, Rejected } from './env.js';
import type { Env } from './env.js';
import { useDynptr } from './dynptr.js';
import { assertArgOffset } from './helper-args.js';
import { assertHelperMemory, assertReadWrite } from './helper-mem.js';
import type { SubprogArg } from './input.js';
import { markPrecise } from './precision.js';
import { Reg, RegType, UNKNOWN_SCALAR } from './reg-state.js';
import { scratchCallerSaved } from './registers.js';
import { invalidatePacket } from './refs.js';
import type { Range, VerifierState } from './state.js';
import { FuncState } from './state.js';
import { S64_MAX, S64_MIN } from './tnum.js';
import { findLoopEntry, widenImprecise } from './widen.js';

/** A new frame on top of a state; its registers are the caller's to set. */
export function enterFrame(env: Env, state: VerifierState, subprog: number, callsite: number): FuncState {
  if (state.depth + 1 >= MAX_FRAMES) {
    env.reject(Errno.E2BIG, `the call stack of ${state.depth + 2} frames is too deep`);
  }
  const frame = new FuncState(state.depth + 1, subprog, callsite);
  const fp = Reg.pointer(RegType.Stack);
  fp.frameno = frame.frameno;
  frame.regs[10] = fp;
  state.frames.push(frame);
  return frame;
}

/** `call pc+N`. Returns the slot to continue at. */
export function checkCallSub(env: Env): number {
  const subprog = env.subprogAt(env.insns.target[env.pc]);
  const info = env.subprogs[subprog];
  if (info.isGlobal) {
    callGlobal(env, subprog);
    return env.pc + 1;
  }
  const caller = env.frame;
  const callee = enterFrame(env, env.state, subprog, env.pc);
  for (let i = 1; i <= 5; i++) callee.regs[i] = caller.regs[i];
  for (let i = 0; i <= 5; i++) caller.regs[i] = NOTHING;
  if (env.log.level > 0) {
    env.log.line('caller:');
    env.log.wholeState('', env.state, caller);
    env.log.line('callee:');
    env.log.wholeState('', env.state, callee);
  }
  return info.start;
}

const NOTHING = new Reg(RegType.NotInit, UNKNOWN_SCALAR.bounds);

function callGlobal(env: Env, subprog: number): void {
  const info = env.subprogs[subprog];
  const { state } = env;
  const name = info.name;
  if (state.activeLocks > 0) {
    env.reject(
      Errno.EINVAL,
      'global function calls are not allowed while holding a lock,\nuse static function instead',
    );
  }
  if (info.mightSleep && (state.rcuLocks > 0 || state.preemptLocks > 0 || state.activeIrqId !== 0)) {
    env.reject(
      Errno.EINVAL,
      'global functions that may sleep are not allowed in non-sleepable context,\ni.e., in a RCU/IRQ/preempt-disabled section, or in\na non-sleepable BPF program context',
    );
  }
  const errno = checkGlobalArgs(env, env.input.subprogs?.[subprog]?.args ?? []);
  if (errno !== 0) {
    env.reject(errno, `Caller passes invalid args into func#${subprog} ('${name}')`);
  }
  env.log.detail(1, `Func#${subprog} ('${name}') is global and assumed valid.`);
  if (info.changesPacket) invalidatePacket(env);
  info.isCalled = true;
  scratchCallerSaved(env);
  env.setReg(0, UNKNOWN_SCALAR);
}

/** 0, or the errno of the first argument that does not fit; its message is logged. */
function checkGlobalArgs(env: Env, args: readonly SubprogArg[]): number {
  try {
    for (const [i, arg] of args.entries()) checkGlobalArg(env, i, arg);
    return 0;
  } catch (error) {
    if (error instanceof Rejected) return Errno.EINVAL;
    throw error;
  }
}

function checkGlobalArg(env: Env, index: number, arg: SubprogArg): void {
  const regno = index + 1;
  const reg = env.reg(regno);
  switch (arg.kind) {
    case 'scalar':
      if (!reg.isScalar) env.reject(Errno.EINVAL, `R${regno} is not a scalar`);
      return;
    case 'ctx':
      assertArgOffset(env, regno, false, false);
      if (reg.type !== RegType.Ctx) env.reject(Errno.EINVAL, `arg#${index} expects pointer to ctx`);
      return;
    case 'mem':
      assertArgOffset(env, regno, false, false);
      assertReadWrite(env, regno, () => {
        assertHelperMemory(env, { regno, size: arg.size, access: 'read', zeroAllowed: true });
        assertHelperMemory(env, { regno, size: arg.size, access: 'write', zeroAllowed: true });
      });
      if (!arg.nullable && (reg.mayBeNull || reg.isNullScalar)) {
        env.reject(Errno.EINVAL, `arg#${index} is expected to be non-NULL`);
      }
      return;
    case 'dynptr':
      assertArgOffset(env, regno, false, true);
      useDynptr(env, regno, { type: 'any', isReadOnly: true });
      return;
    case 'arena':
      if (reg.type !== RegType.Arena && !reg.isScalar) {
        env.reject(Errno.EINVAL, `R${regno} is not a pointer to arena or scalar.`);
      }
      return;
    case 'btf':
      if (reg.isNullScalar && arg.nullable) return;
      if (reg.type !== RegType.BtfId || (reg.mayBeNull && !arg.nullable)) {
        env.reject(Errno.EINVAL, `R${regno} type=${reg.typeName()} expected=ptr_, trusted_ptr_, rcu_ptr_`);
      }
      return;
    case 'unsupported':
      env.reject(Errno.EINVAL, arg.message);
  }
}

/** The value lies outside of what the caller allows. */
export function rejectRange(env: Env, reg: Reg, range: Range, where: string, what: string): never {
  const { smin, smax } = reg.bounds;
  const isBounded = smin > S64_MIN || smax < S64_MAX;
  let text = `${where} the register ${what} has`;
  if (smin > S64_MIN) text += ` smin=${smin}`;
  if (smax < S64_MAX) text += ` smax=${smax}`;
  if (!isBounded) text += ' unknown scalar value';
  env.reject(Errno.EINVAL, `${text} should have been in [${range.min}, ${range.max}]`);
}

/** `exit` of a subprogram or synchronous callback. Returns the slot to continue at. */
export function leaveFrame(env: Env): number {
  const { state } = env;
  const callee = state.current;
  const r0 = callee.regs[0];
  if (r0.type === RegType.Stack) {
    env.reject(Errno.EINVAL, 'cannot return stack pointer to the caller');
  }
  const caller = state.frames[state.depth - 1];
  const isCallback = callee.kind === 'sync_callback';
  if (isCallback) {
    if (!r0.isScalar) env.reject(Errno.EACCES, 'R0 not a scalar value');
    markPrecise(env, 0);
    const { min, max } = callee.callbackRange;
    if (r0.bounds.smin < BigInt(min) || r0.bounds.smax > BigInt(max)) {
      rejectRange(env, r0, callee.callbackRange, 'At callback return', 'R0');
    }
  } else caller.regs[0] = r0;
  const to = isCallback ? callee.callsite : callee.callsite + 1;
  if (env.log.level > 0) {
    env.log.line('returning from callee:');
    env.log.wholeState('', state, callee);
    env.log.line(`to caller at ${to}:`);
    env.log.wholeState('', state, caller);
  }
  state.frames.pop();
  if (isCallback) {
    const previous = findLoopEntry(env, to, state);
    if (previous !== null) widenImprecise(previous, state);
  }
  return to;
}
