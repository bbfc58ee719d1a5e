/** Calls of kernel functions (kfuncs). */
import { Errno } from '../errors.js';
import type { Kfunc } from '../helpers/kfunc-proto.js';
import { kfuncByName } from '../helpers/kfuncs.js';
import type { Env } from './env.js';
import { forkIterator, parseIter, useIterator } from './iterator.js';
import type { IterPlace } from './iterator.js';
import { checkKfuncArgs, newKfuncArgs } from './kfunc-args.js';
import type { KfuncArgs } from './kfunc-args.js';
import { kfuncResult } from './kfunc-result.js';
import type { Next } from './step.js';
import { NOT_INIT, RegFlag, RegType } from './reg-state.js';
import { scratchCallerSaved } from './registers.js';
import { assertNothingHeld, invalidate, releaseRef } from './refs.js';

function resolve(env: Env): Kfunc {
  const name = env.input.kfuncName?.(env.pc) ?? '';
  const fn = kfuncByName(name);
  if (fn === undefined) env.reject(Errno.EINVAL, `kernel function ${name} is not known here`);
  if (fn.progTypes !== 'all' && !fn.progTypes.includes(env.input.progType)) {
    env.reject(Errno.EACCES, `calling kernel function ${name} is not allowed`);
  }
  if (name.startsWith('bpf_xdp_metadata_rx_')) {
    env.reject(Errno.EINVAL, 'metadata kfuncs require device-bound program');
  }
  if (fn.flags.sleepable === true) {
    if (!env.isSleepable) {
      env.reject(Errno.EACCES, `program must be sleepable to call sleepable kfunc ${name}`);
    }
    if (env.state.rcuLocks > 0)
      env.reject(Errno.EACCES, `kernel func ${name} is sleepable within rcu_read_lock region`);
    if (env.state.preemptLocks > 0) {
      env.reject(Errno.EACCES, `kernel func ${name} is sleepable within non-preemptible region`);
    }
  }
  if (fn.flags.rcuProtected === true && env.state.rcuLocks === 0 && env.isSleepable) {
    env.reject(Errno.EACCES, `kernel func ${name} requires RCU critical section protection`);
  }
  return fn;
}

const UNDER_LOCK =
  /^bpf_(list_push_(front|back)_impl|list_pop_(front|back)|rbtree_(remove|add_impl|first|root|left|right)|list_(front|back)|refcount_acquire_impl|iter_num_(new|next|destroy))$/;

/** Returns the slot to continue at. */
export function checkKfuncCall(env: Env): Next {
  const fn = resolve(env);
  if (env.state.activeLocks > 0 && !UNDER_LOCK.test(fn.name)) {
    env.reject(Errno.EINVAL, 'function calls are not allowed while holding a lock');
  }
  const args = newKfuncArgs();
  const iter = parseIter(fn.name);
  const place =
    iter === undefined ? undefined : useIterator(env, iter, fn.name, fn.flags.rcuProtected === true);
  checkKfuncArgs(env, fn, args, place === undefined ? 0 : 1);
  criticalSections(env, fn.name);
  if (args.release !== 0) {
    if (!releaseRef(env, env.reg(args.release).refObjId)) {
      env.reject(Errno.EINVAL, `kfunc ${fn.name}#${fn.id} reference has not been acquired before`);
    }
  }
  if (fn.name === 'bpf_throw') {
    assertNothingHeld(env, 'bpf_throw', true, true);
    return 'end';
  }
  return finish(env, fn, args, place);
}

function finish(env: Env, fn: Kfunc, args: KfuncArgs, place: IterPlace | undefined): number {
  const result = kfuncResult(env, fn, args);
  scratchCallerSaved(env);
  if (result.type !== NOT_INIT.type) env.setReg(0, result);
  if (place !== undefined && fn.name.endsWith('_next')) forkIterator(env, place);
  return env.pc + 1;
}

/** RCU and preemption sections nest; pointers protected by RCU are untrusted outside. */
function criticalSections(env: Env, name: string): void {
  const { state } = env;
  switch (name) {
    case 'bpf_rcu_read_lock':
      state.rcuLocks++;
      return;
    case 'bpf_rcu_read_unlock':
      if (state.rcuLocks === 0) {
        env.reject(Errno.EINVAL, 'unmatched rcu read unlock (kernel function bpf_rcu_read_unlock)');
      }
      if (--state.rcuLocks === 0) endRcu(env);
      return;
    case 'bpf_preempt_disable':
      state.preemptLocks++;
      return;
    case 'bpf_preempt_enable':
      if (state.preemptLocks === 0)
        env.reject(
          Errno.EINVAL,
          'unmatched attempt to enable preemption (kernel function bpf_preempt_enable)',
        );
      state.preemptLocks--;
      return;
    default:
  }
}

function endRcu(env: Env): void {
  invalidate(env.state, (reg) => reg.has(RegFlag.NonOwning) && reg.has(RegFlag.Rcu));
  env.state.mapRegs((reg) => {
    if (reg.type !== RegType.BtfId || !reg.has(RegFlag.Rcu)) return reg;
    const copy = reg.clone();
    copy.flags = (reg.flags & ~(RegFlag.Rcu | RegFlag.OrNull)) | RegFlag.Untrusted;
    return copy;
  });
}
