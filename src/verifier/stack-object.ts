/** Objects of several stack slots that programs hold but do not touch: dynptrs and iterators. */
import type { Env } from './env.js';
import { accessMemory } from './mem-access.js';
import type { Reg } from './reg-state.js';
import { NOT_INIT } from './reg-state.js';
import type { Slot } from './stack.js';
import { fill, slotIndex } from './stack.js';
import type { Byte } from './stack.js';
import { frameOf, markSlotRead } from './stack-access.js';
import { Live } from './state.js';
import { s64 } from './tnum.js';

/** `missing`: the slots lie beyond what the frame has used so far. */
export type SlotLookup = number | 'missing' | 'bad';

/** Index of the slot at the object's lowest address; says what is wrong with the place where it is none. */
export function objectSlot(env: Env, reg: Reg, kind: string, slots: number): SlotLookup {
  if (!reg.bounds.isConst()) {
    env.log.line(`${kind} has to be at a constant offset`);
    return 'bad';
  }
  const off = reg.off + Number(s64(reg.bounds.tnum.value));
  const index = slotIndex(off);
  if (off % 8 !== 0 || index + 1 < slots || off >= 0) {
    env.log.line(`cannot pass in ${kind} at an offset=${off}`);
    return 'bad';
  }
  return index < frameOf(env, reg).stack.length ? index : 'missing';
}

/** Writes all slots of the object, as the function that makes it will. */
export function touchSlots(env: Env, regno: number, slots: number): void {
  for (let i = 0; i < slots; i++) accessMemory(env, { regno, off: i * 8, size: 8, isWrite: true, value: -1 });
}

/** Puts `make(i)` into the slots, i counting from the lowest address. */
export function setSlots(
  env: Env,
  reg: Reg,
  index: number,
  slots: number,
  byte: Byte,
  make: (i: number) => Reg,
): void {
  const frame = frameOf(env, reg);
  for (let i = 0; i < slots; i++) {
    const slot: Slot = { bytes: fill(byte), reg: make(i) };
    frame.stack[index - i] = slot;
    frame.live[index - i] |= Live.Written;
    env.log.touchSlot(index - i);
  }
}

export function clearSlots(env: Env, reg: Reg, index: number, slots: number): void {
  setSlots(env, reg, index, slots, 0, () => NOT_INIT);
}

export function readSlots(env: Env, reg: Reg, index: number, slots: number): void {
  const frame = frameOf(env, reg);
  for (let i = 0; i < slots; i++) markSlotRead(frame, index - i);
}
