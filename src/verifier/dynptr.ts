/** Dynptrs on the stack: two slots, made, read and destroyed by helpers only. */
import { Errno } from '../errors.js';
import type { Env } from './env.js';
import type { DynptrType } from './reg-state.js';
import { Reg, RegType } from './reg-state.js';
import { acquireRef, invalidate, releaseRef } from './refs.js';
import { Byte, EMPTY_SLOT, byteAt } from './stack.js';
import { frameOf } from './stack-access.js';
import { clearSlots, objectSlot, readSlots, setSlots, touchSlots } from './stack-object.js';
import type { FuncState } from './state.js';
import { Live } from './state.js';

const SLOTS = 2;

const isCounted = (type: DynptrType | null): boolean => type === 'ringbuf';

/** A plain write hits the slot: a dynptr there is gone, and with it what was sliced from it. */
export function destroyDynptrAt(env: Env, frame: FuncState, slot: number): void {
  const hit = frame.stack[slot];
  if (hit === undefined || byteAt(hit, 0) !== Byte.Dynptr) return;
  const first = hit.reg.dynptrFirst ? slot : slot + 1;
  const { reg } = frame.stack[first];
  if (isCounted(reg.dynptrType)) env.reject(Errno.EINVAL, 'cannot overwrite referenced dynptr');
  for (const index of [first, first - 1]) {
    frame.stack[index] = EMPTY_SLOT;
    frame.live[index] |= Live.Written;
    env.log.touchSlot(index);
  }
  invalidate(env.state, (other) => other.type === RegType.Mem && other.dynptrId === reg.id && reg.id !== 0);
}

/** Makes a dynptr at `regno`. `clonedRef`: reference of the dynptr that it is a clone of. */
export function makeDynptr(env: Env, regno: number, type: DynptrType, clonedRef = 0): void {
  const reg = env.reg(regno);
  if (reg.type !== RegType.Stack || objectSlot(env, reg, 'dynptr', SLOTS) === 'bad') {
    env.reject(Errno.EINVAL, 'Dynptr has to be an uninitialized dynptr');
  }
  touchSlots(env, regno, SLOTS);
  const index = objectSlot(env, reg, 'dynptr', SLOTS) as number;
  const frame = frameOf(env, reg);
  destroyDynptrAt(env, frame, index);
  destroyDynptrAt(env, frame, index - 1);
  const id = env.nextId();
  const ref = isCounted(type) ? (clonedRef === 0 ? acquireRef(env) : clonedRef) : 0;
  setSlots(env, reg, index, SLOTS, Byte.Dynptr, (i) => dynptrReg(type, id, ref, i === 0));
}

export function dynptrReg(type: DynptrType, id: number, ref: number, isFirst: boolean): Reg {
  const made = Reg.pointer(RegType.Dynptr);
  made.dynptrType = type;
  made.dynptrFirst = isFirst;
  made.id = id;
  made.refObjId = ref;
  return made;
}

export interface DynptrUse {
  readonly type?: DynptrType | 'any';
  /** The helper only reads the dynptr. */
  readonly isReadOnly: boolean;
}

/** The argument is a dynptr that was made. Returns what describes it. */
export function useDynptr(env: Env, regno: number, use: DynptrUse): Reg {
  const reg = env.reg(regno);
  const arg = regno - 1;
  if (reg.type !== RegType.Stack && reg.type !== RegType.Dynptr) {
    env.reject(Errno.EINVAL, `arg#${arg} expected pointer to stack or const struct bpf_dynptr`);
  }
  if (reg.type === RegType.Dynptr && !use.isReadOnly) {
    env.reject(Errno.EINVAL, 'cannot pass pointer to const bpf_dynptr, the helper mutates it');
  }
  const found = dynptrOf(env, reg);
  if (found === undefined) env.reject(Errno.EINVAL, `Expected an initialized dynptr as arg #${arg}`);
  if (use.type !== undefined && use.type !== 'any' && found.dynptrType !== use.type) {
    env.reject(Errno.EINVAL, `Expected a dynptr of type ${use.type} as arg #${arg}`);
  }
  return found;
}

/** The dynptr that a pointer names: itself for callbacks' arguments, else the first of its slots. */
export function dynptrOf(env: Env, reg: Reg): Reg | undefined {
  if (reg.type === RegType.Dynptr) return reg;
  if (reg.type !== RegType.Stack) return undefined;
  const index = objectSlot(env, reg, 'dynptr', SLOTS);
  if (typeof index !== 'number') return undefined;
  const { stack } = frameOf(env, reg);
  const slot = stack[index];
  const isWhole = byteAt(slot, 0) === Byte.Dynptr && byteAt(stack[index - 1], 0) === Byte.Dynptr;
  if (!isWhole || !slot.reg.dynptrFirst) return undefined;
  readSlots(env, reg, index, SLOTS);
  return slot.reg;
}

/** Ends the dynptr at `regno`, its clones and its slices. */
export function releaseDynptr(env: Env, regno: number): boolean {
  const reg = env.reg(regno);
  const index = objectSlot(env, reg, 'dynptr', SLOTS);
  if (typeof index !== 'number') return false;
  const frame = frameOf(env, reg);
  const { refObjId, dynptrType } = frame.stack[index].reg;
  if (!isCounted(dynptrType)) {
    clearSlots(env, reg, index, SLOTS);
    return true;
  }
  // Clones first: releasing turns what carries the reference into numbers, slots included.
  for (const owner of env.state.frames) {
    for (let i = 1; i < owner.stack.length; i++) {
      const slot = owner.stack[i];
      if (byteAt(slot, 0) !== Byte.Dynptr || slot.reg.refObjId !== refObjId || !slot.reg.dynptrFirst)
        continue;
      owner.stack[i] = owner.stack[i - 1] = EMPTY_SLOT;
      owner.live[i] |= Live.Written;
      owner.live[i - 1] |= Live.Written;
    }
  }
  return releaseRef(env, refObjId);
}
