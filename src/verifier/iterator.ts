/** Open-coded iterators: `bpf_iter_<kind>_new`, `_next`, `_destroy` on a state in stack slots. */
import { Errno } from '../errors.js';
import type { Env } from './env.js';
import { notNull } from './jumps.js';
import { pushPath } from './paths.js';
import { Reg, RegFlag, RegType, ZERO_SCALAR } from './reg-state.js';
import { acquireRef, releaseRef } from './refs.js';
import { Byte, byteAt } from './stack.js';
import { frameOf } from './stack-access.js';
import { clearSlots, objectSlot, readSlots, setSlots, touchSlots } from './stack-object.js';
import { findLoopEntry, widenImprecise } from './widen.js';

/** Slots of an iterator's state, by kind (the UAPI's structures). */
const SLOTS: Readonly<Record<string, number>> = { num: 1, bits: 2, task: 3, task_vma: 1, css: 1, css_task: 1, kmem_cache: 1, dmabuf: 1, testmod_seq: 2, cgroup: 1 }; // prettier-ignore

export const iterSlots = (kind: string): number => SLOTS[kind] ?? 1;

export interface IterCall {
  readonly kind: string;
  readonly action: 'new' | 'next' | 'destroy';
}

/** `bpf_iter_num_next` -> num, next. */
export function parseIter(name: string): IterCall | undefined {
  const match = /^bpf_iter_(\w+)_(new|next|destroy)$/.exec(name);
  return match === null ? undefined : { kind: match[1], action: match[2] as IterCall['action'] };
}

export interface IterPlace {
  readonly frame: number;
  readonly slot: number;
  readonly refObjId: number;
}

/** Checks argument 1 of an iterator function and changes the iterator's slots. */
export function useIterator(env: Env, call: IterCall, kfunc: string, isRcuProtected: boolean): IterPlace {
  const reg = env.reg(1);
  const slots = iterSlots(call.kind);
  if (reg.type !== RegType.Stack) {
    env.reject(Errno.EINVAL, 'arg#0 expected pointer to an iterator on stack');
  }
  if (call.action === 'new') return makeIterator(env, reg, call.kind, slots, isRcuProtected);
  const index = objectSlot(env, reg, 'iter', slots);
  const frame = frameOf(env, reg);
  const state = typeof index === 'number' ? frame.stack[index] : undefined;
  const isValid =
    typeof index === 'number' &&
    state !== undefined &&
    state.reg.refObjId !== 0 &&
    Array.from({ length: slots }, (_, i) => frame.stack[index - i]).every(
      (slot) => byteAt(slot, 0) === Byte.Iter && slot.reg.iterKind === call.kind,
    );
  if (!isValid) {
    env.reject(Errno.EINVAL, `expected an initialized iter_${call.kind} as arg #0`);
  }
  if (state.reg.has(RegFlag.Untrusted)) env.reject(Errno.EPROTO, `expected an RCU CS when using ${kfunc}`);
  readSlots(env, reg, index, slots);
  const { refObjId } = state.reg;
  if (call.action === 'destroy') {
    clearSlots(env, reg, index, slots);
    releaseRef(env, refObjId);
  }
  return { frame: reg.frameno, slot: index, refObjId };
}

function makeIterator(env: Env, reg: Reg, kind: string, slots: number, isRcuProtected: boolean): IterPlace {
  const index = objectSlot(env, reg, 'iter', slots);
  const frame = frameOf(env, reg);
  const isFree =
    index === 'missing' ||
    (typeof index === 'number' &&
      Array.from({ length: slots }, (_, i) => frame.stack[index - i]).every(
        (slot) => byteAt(slot, 0) !== Byte.Iter,
      ));
  if (!isFree) env.reject(Errno.EINVAL, `expected uninitialized iter_${kind} as arg #0`);
  touchSlots(env, 1, slots);
  const slot = objectSlot(env, reg, 'iter', slots) as number;
  const ref = acquireRef(env);
  setSlots(env, reg, slot, slots, Byte.Iter, (i) => {
    const state = Reg.pointer(RegType.Stack);
    if (isRcuProtected)
      state.flags = env.state.rcuLocks > 0 || !env.isSleepable ? RegFlag.Rcu : RegFlag.Untrusted;
    state.refObjId = i === 0 ? ref : 0;
    state.iterKind = kind;
    state.iterState = 'active';
    return state;
  });
  return { frame: reg.frameno, slot, refObjId: ref };
}

/**
 * After `_next` (r0 is set to its or-null result): an element on a path of its own, and the end here. The iterator
 * counts its elements so that repeating states are told from an endless loop.
 */
export function forkIterator(env: Env, place: IterPlace): void {
  const { state } = env;
  const current = state.frames[place.frame].stack[place.slot];
  if (current.reg.iterState === 'active') {
    const previous = findLoopEntry(env, env.pc, state.parent);
    const queued = pushPath(env, env.pc + 1, env.pc);
    const advanced = current.reg.clone();
    advanced.iterDepth++;
    queued.frames[place.frame].stack[place.slot] = { bytes: current.bytes, reg: advanced };
    if (previous !== null) widenImprecise(previous, queued);
    queued.current.regs[0] = notNull(queued.current.regs[0]);
  }
  const drained = current.reg.clone();
  drained.iterState = 'drained';
  state.frames[place.frame].stack[place.slot] = { bytes: current.bytes, reg: drained };
  env.setReg(0, ZERO_SCALAR);
  env.log.touchSlot(place.slot);
}
