/** References and locks: acquired, released, and what becomes of pointers that stood for them. */
import { Errno } from '../errors.js';
import type { Env } from './env.js';
import type { Reg } from './reg-state.js';
import { RegFlag, RegType, UNKNOWN_SCALAR } from './reg-state.js';
import type { RefKind, VerifierState } from './state.js';

export function acquireRef(env: Env): number {
  const id = env.nextId();
  env.state.refs.push({ kind: 'ref', id, pc: env.pc, owner: null });
  return id;
}

export function pushRef(env: Env, kind: RefKind, id: number, owner: unknown): void {
  env.state.refs.push({ kind, id, pc: env.pc, owner });
}

/** Forgets a reference without touching registers. False where there is none of that id. */
export function dropRef(state: VerifierState, id: number): boolean {
  const index = state.refs.findIndex((ref) => ref.kind === 'ref' && ref.id === id);
  if (index < 0) return false;
  state.refs.splice(index, 1);
  return true;
}

/** Ends a reference: whatever stood for it is an unknown number from now on. */
export function releaseRef(env: Env, id: number): boolean {
  if (!dropRef(env.state, id)) return false;
  invalidate(env.state, (reg) => reg.refObjId === id);
  return true;
}

export function invalidate(state: VerifierState, isVoid: (reg: Reg) => boolean): void {
  state.mapRegs((reg) => (reg.type !== RegType.NotInit && isVoid(reg) ? UNKNOWN_SCALAR : reg));
}

/** The packet may have moved. */
export function invalidatePacket(env: Env): void {
  invalidate(
    env.state,
    (reg) => reg.isPacket || reg.type === RegType.PacketEnd || reg.has(RegFlag.PacketSlice),
  );
}

/** Pointers to elements of lists and trees are good only while the lock is held. */
export function invalidateNonOwning(env: Env): void {
  invalidate(env.state, (reg) => reg.has(RegFlag.NonOwning));
}

/** References that would be lost here. Callbacks must leave none of their own. */
function assertNoRefs(env: Env, isException: boolean): boolean {
  const { state } = env;
  const isNested = state.depth > 0 && state.current.kind === 'call';
  if (!isException && isNested) return true;
  let isClean = true;
  const inherited = isException ? 0 : state.current.inheritedRefs;
  for (const ref of state.refs.slice(inherited)) {
    if (ref.kind !== 'ref') continue;
    env.log.line(`Unreleased reference id=${ref.id} alloc_insn=${ref.pc}`);
    isClean = false;
  }
  return isClean;
}

/** What must not be held where `what` leaves the program for good. */
export function assertNothingHeld(env: Env, what: string, isException: boolean, withLocks: boolean): void {
  const { state } = env;
  if (withLocks && state.activeLocks > 0) {
    env.reject(Errno.EINVAL, `${what} cannot be used inside bpf_spin_lock-ed region`);
  }
  if (!assertNoRefs(env, isException)) env.reject(Errno.EINVAL, `${what} would lead to reference leak`);
  if (!withLocks) return;
  if (state.activeIrqId !== 0) {
    env.reject(Errno.EINVAL, `${what} cannot be used inside bpf_local_irq_save-ed region`);
  }
  if (state.rcuLocks > 0) {
    env.reject(Errno.EINVAL, `${what} cannot be used inside bpf_rcu_read_lock-ed region`);
  }
  if (state.preemptLocks > 0) {
    env.reject(Errno.EINVAL, `${what} cannot be used inside bpf_preempt_disable-ed region`);
  }
}
