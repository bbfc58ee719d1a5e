/** Spin locks, timers and the like inside map values: found at a constant place, taken one at a time. */
import { Errno } from '../errors.js';
import type { Env } from './env.js';
import type { SpecialField, SpecialFieldKind } from './input.js';
import { fieldTypeName } from './region-access.js';
import type { Reg } from './reg-state.js';
import { RegType } from './reg-state.js';
import { invalidateNonOwning, pushRef } from './refs.js';
import { s64 } from './tnum.js';

/** The special fields behind a pointer: those of the map's value. */
export const fieldsOf = (reg: Reg): readonly SpecialField[] =>
  reg.type === RegType.MapValue ? (reg.map?.fields ?? []) : reg.fields;

function fieldAt(env: Env, regno: number, kind: SpecialFieldKind): SpecialField {
  const reg = env.reg(regno);
  const name = fieldTypeName(kind);
  if (!reg.bounds.isConst()) {
    env.reject(
      Errno.EINVAL,
      `R${regno} doesn't have constant offset. ${name} has to be at the constant offset`,
    );
  }
  const at = reg.off + Number(s64(reg.bounds.tnum.value));
  const field = fieldsOf(reg).find((f) => f.kind === kind);
  if (field === undefined) {
    const isMap = reg.type === RegType.MapValue;
    env.reject(
      Errno.EINVAL,
      `${isMap ? 'map' : 'local'} '${isMap ? (reg.map?.name ?? '') : 'kptr'}' has no valid ${name}`,
    );
  }
  if (field.offset !== at) {
    env.reject(Errno.EINVAL, `off ${at} doesn't point to 'struct ${name}' that is at ${field.offset}`);
  }
  return field;
}

/** bpf_spin_lock and bpf_spin_unlock. */
export function useSpinLock(env: Env, regno: number, isLock: boolean): void {
  fieldAt(env, regno, 'spin_lock');
  const reg = env.reg(regno);
  const owner: unknown = reg.type === RegType.MapValue ? reg.map : 'object';
  const { state } = env;
  if (isLock) {
    if (state.activeLocks > 0) {
      env.reject(Errno.EINVAL, 'Locking two bpf_spin_locks are not allowed');
    }
    pushRef(env, 'lock', reg.id, owner);
    state.activeLocks++;
    return;
  }
  if (state.activeLocks === 0) env.reject(Errno.EINVAL, 'bpf_spin_unlock without taking a lock');
  const index = state.refs.findIndex(
    (ref) => ref.kind === 'lock' && ref.id === reg.id && ref.owner === owner,
  );
  if (index < 0) env.reject(Errno.EINVAL, 'bpf_spin_unlock of different lock');
  state.refs.splice(index, 1);
  state.activeLocks--;
  invalidateNonOwning(env);
}

/** The argument is a timer or work item of a map's value. */
export function useTimer(env: Env, regno: number, kind: 'timer' | 'wq'): void {
  const reg = env.reg(regno);
  const name = fieldTypeName(kind);
  if (!reg.bounds.isConst()) {
    env.reject(
      Errno.EINVAL,
      `R${regno} doesn't have constant offset. ${name} has to be at the constant offset`,
    );
  }
  const at = reg.off + Number(s64(reg.bounds.tnum.value));
  const field = fieldsOf(reg).find((f) => f.kind === kind);
  if (field === undefined) {
    env.reject(Errno.EINVAL, `map '${reg.map?.name ?? ''}' has no valid ${name}`);
  }
  if (field.offset !== at) {
    env.reject(Errno.EINVAL, `off ${at} doesn't point to 'struct ${name}' that is at ${field.offset}`);
  }
}
