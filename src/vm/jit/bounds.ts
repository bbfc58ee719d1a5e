/**
 * The regions that accesses are compared with. Regions that last (the stack, the values of an array map) become
 * constants in the code; others (context, packet, elements) have slots in the control block that the host fills in.
 */
import type { BpfMap } from '../../maps/map.js';
import { ArrayMap } from '../../maps/array-map.js';
import type { BpfMemory, Region } from '../../memory/memory.js';
import { RegionKind } from '../../memory/memory.js';
import { BOUNDS_SIZE, Control, MAX_SLOTS } from './control.js';
import { Guess, mapValues } from './predict.js';

export interface BoundsSlot {
  /** What is guessed, or `Unknown` for a slot of one access only. */
  readonly guess: number;
  /** Bytes of the access. */
  readonly size: number;
  readonly isWrite: boolean;
  /** Address of its two words of 8 bytes. */
  readonly at: number;
}

export class Bounds {
  readonly slots: BoundsSlot[] = [];
  /** Lasting region of each guess. */
  readonly lasting = new Map<number, Region>();
  /** Slots of instructions that were given a slot of their own or share that of a guess. */
  readonly slotOfPc = new Map<number, BoundsSlot>();
  private readonly byKey = new Map<number, BoundsSlot>();
  private readonly memory: BpfMemory;
  private readonly control: number;

  constructor(memory: BpfMemory, control: number, stack: Region, maps: readonly BpfMap[]) {
    this.memory = memory;
    this.control = control;
    this.lasting.set(Guess.Stack, stack);
    for (const [index, map] of maps.entries()) {
      const address = map instanceof ArrayMap ? map.base : map.directValueAddress();
      const region = address === 0 ? undefined : memory.find(address);
      if (region !== undefined) this.lasting.set(mapValues(index), region);
    }
  }

  /** The slot for accesses of a size through a pointer of a guessed kind; undefined when there are too many. */
  shared(pc: number, guess: number, size: number, isWrite: boolean): BoundsSlot | undefined {
    const key = (guess * 2 + Number(isWrite)) * 4096 + size;
    const slot = this.byKey.get(key) ?? this.add(guess, size, isWrite);
    if (slot === undefined) return undefined;
    this.byKey.set(key, slot);
    this.slotOfPc.set(pc, slot);
    return slot;
  }

  /** A slot for one access alone. */
  own(pc: number, size: number, isWrite: boolean): BoundsSlot | undefined {
    const slot = this.add(Guess.Unknown, size, isWrite);
    if (slot !== undefined) this.slotOfPc.set(pc, slot);
    return slot;
  }

  private add(guess: number, size: number, isWrite: boolean): BoundsSlot | undefined {
    if (this.slots.length >= MAX_SLOTS) return undefined;
    const at = this.control + Control.bounds + BOUNDS_SIZE * this.slots.length;
    const slot = { guess, size, isWrite, at };
    this.slots.push(slot);
    return slot;
  }

  /** Makes a slot accept the accesses that `region` allows. */
  fill(slot: BoundsSlot, region: Region): void {
    const { i32 } = this.memory;
    i32[slot.at >> 2] = region.base;
    i32[(slot.at >> 2) + 2] = goodAddresses(region, slot.size, slot.isWrite);
  }

  /** Fills all slots of a guess, or empties them. */
  fillGuess(guess: number, region: Region | undefined): void {
    for (const slot of this.slots) {
      if (slot.guess !== guess) continue;
      if (region === undefined) this.empty(slot);
      else this.fill(slot, region);
    }
  }

  emptyAll(): void {
    for (const slot of this.slots) this.empty(slot);
  }

  private empty(slot: BoundsSlot): void {
    this.memory.i32[(slot.at >> 2) + 2] = 0;
  }

  /** Whether the slot accepts nothing. */
  isEmpty(slot: BoundsSlot): boolean {
    return this.memory.i32[(slot.at >> 2) + 2] === 0;
  }

  /** Whether the regions that the code has as constants are still what they were. */
  stillHold(): boolean {
    for (const region of this.lasting.values()) {
      const now = this.memory.find(region.base);
      if (now?.base !== region.base || now.size !== region.size || now.writable !== region.writable)
        return false;
    }
    return true;
  }
}

/** Number of addresses from the base on at which a program may access `size` bytes. */
export function goodAddresses(region: Region, size: number, isWrite: boolean): number {
  if (region.kind === RegionKind.Handle || (isWrite && !region.writable)) return 0;
  return Math.max(0, region.size - size + 1);
}
