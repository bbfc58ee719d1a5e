/**
 * Base of the maps whose elements are bytes in the VM's memory. The system-call face copies keys and values to a
 * scratch area that programs cannot reach and then goes through the program face, so that each rule is written once.
 */
import { Errno } from '../errors.js';
import type { Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import type { MapEnv, MapSpec } from './map.js';
import { BPF_F_LOCK, BpfMap } from './map.js';

export const roundUp8 = (size: number): number => Math.ceil(size / 8) * 8;

/** A part of the value that map operations neither copy nor compare. */
interface Hole {
  readonly offset: number;
  readonly size: number;
}

const SPIN_LOCK_SIZE = 4;
const TIMER_SIZE = 16;

function holesOf(spec: MapSpec): readonly Hole[] {
  const holes: Hole[] = [];
  if (spec.spinLockOffset !== undefined) holes.push({ offset: spec.spinLockOffset, size: SPIN_LOCK_SIZE });
  if (spec.timerOffset !== undefined) holes.push({ offset: spec.timerOffset, size: TIMER_SIZE });
  for (const field of spec.specialFields ?? []) holes.push(field);
  return holes.sort((a, b) => a.offset - b.offset);
}

export abstract class StoredMap extends BpfMap {
  /** Bytes from one value to the next: the value size rounded up to 8. */
  readonly stride: number;
  private readonly holes: readonly Hole[];
  private readonly scratch: Region;
  /** Scratch: key, next key, value. */
  protected readonly keyScratch: number;
  protected readonly nextScratch: number;
  protected readonly valueScratch: number;
  /** Key of an array's element while a callback of a program looks at it. */
  private visited: Region | undefined;

  constructor(spec: MapSpec, id: number, env: MapEnv, scratchValueSize = spec.valueSize) {
    super(spec, id, env);
    this.stride = roundUp8(spec.valueSize);
    this.holes = holesOf(spec);
    const keySpan = roundUp8(spec.keySize);
    this.scratch = env.memory.alloc(2 * keySpan + roundUp8(scratchValueSize), RegionKind.Handle, {
      label: `scratch of map ${spec.name}`,
    });
    this.keyScratch = this.scratch.base;
    this.nextScratch = this.scratch.base + keySpan;
    this.valueScratch = this.nextScratch + keySpan;
  }

  /** Writes the key after that at `keyAddr` (0: the first key) to `outAddr`. 0 or -ENOENT. */
  protected abstract next(keyAddr: number, outAddr: number): number;

  /** Lookup by a caller, where it differs from that by a program. */
  protected lookupForCaller(keyAddr: number): number {
    return this.lookup(keyAddr);
  }

  /** Update by a caller, where it differs from that by a program. */
  protected updateForCaller(keyAddr: number, valueAddr: number, flags: number): number {
    return this.update(keyAddr, valueAddr, flags);
  }

  /** Bytes of a value as callers see it: all CPUs' for the per-CPU maps. */
  get callerValueSize(): number {
    return this.spec.valueSize;
  }

  override lookupElem(key: Uint8Array, flags = 0): Uint8Array {
    this.checkKnownFlags(flags, BPF_F_LOCK, 'lookup');
    this.checkCallerRead('lookup');
    this.checkFlags(flags, BPF_F_LOCK, 'lookup');
    this.putKey(key);
    const address = this.lookupForCaller(this.keyScratch);
    if (address === 0) throw this.fail(Errno.ENOENT, 'lookup');
    return this.readValue(address);
  }

  override updateElem(key: Uint8Array, value: Uint8Array, flags = 0): void {
    this.checkCallerWrite('update');
    this.checkFlags(flags, 0x7fff_ffff, 'update');
    this.putKey(key);
    this.checkSize('value', value, this.callerValueSize);
    this.env.memory.u8.set(value, this.valueScratch);
    const result = this.updateForCaller(this.keyScratch, this.valueScratch, flags);
    if (result < 0) throw this.fail(result, 'update');
  }

  override deleteElem(key: Uint8Array): void {
    this.checkCallerWrite('delete');
    this.putKey(key);
    const result = this.delete(this.keyScratch);
    if (result < 0) throw this.fail(result, 'delete');
  }

  override getNextKey(key: Uint8Array | null): Uint8Array {
    this.checkCallerRead('get_next_key');
    if (key !== null) this.putKey(key);
    const result = this.next(key === null ? 0 : this.keyScratch, this.nextScratch);
    if (result < 0) throw this.fail(result, 'get_next_key');
    return this.env.memory.u8.slice(this.nextScratch, this.nextScratch + this.spec.keySize);
  }

  /** Address of a key that programs may read. */
  protected visitedKey(index: number): number {
    const options = { label: `key of map ${this.name}`, writable: false };
    this.visited ??= this.env.memory.alloc(4, RegionKind.MapKey, options);
    this.env.memory.u32[this.visited.base >>> 2] = index;
    return this.visited.base;
  }

  override destroy(): void {
    if (this.visited !== undefined) this.env.memory.free(this.visited);
    this.env.memory.free(this.scratch);
    super.destroy();
  }

  protected putKey(key: Uint8Array): void {
    this.checkSize('key', key, this.spec.keySize);
    this.env.memory.u8.set(key, this.keyScratch);
  }

  /** A copy for a caller; locks, timers and their like read as zeros. */
  protected readValue(address: number): Uint8Array {
    const value = this.env.memory.u8.slice(address, address + this.spec.valueSize);
    for (const hole of this.holes) value.fill(0, hole.offset, hole.offset + hole.size);
    return value;
  }

  /** Copies a value without its holes. */
  protected copyValue(to: number, from: number): void {
    const u8 = this.env.memory.u8;
    if (this.holes.length === 0) {
      copy(u8, this.env.memory.i32, to, from, this.spec.valueSize);
      return;
    }
    let at = 0;
    for (const hole of this.holes) {
      if (hole.offset > at) u8.copyWithin(to + at, from + at, from + hole.offset);
      at = Math.max(at, hole.offset + hole.size);
    }
    if (at < this.spec.valueSize) u8.copyWithin(to + at, from + at, from + this.spec.valueSize);
  }

  /** Like `copyValue` to storage that may have been another element's: the holes are zeroed. */
  protected initValue(to: number, from: number): void {
    for (const hole of this.holes) this.env.memory.u8.fill(0, to + hole.offset, to + hole.offset + hole.size);
    this.copyValue(to, from);
  }

  /** The number in a timer's bytes names it: without it there is none. */
  protected endTimer(value: number): void {
    const { timerOffset } = this.spec;
    if (timerOffset !== undefined) this.env.memory.u32[(value + timerOffset) >>> 2] = 0;
  }

  /** Flags that no map knows are refused first of all. */
  protected checkKnownFlags(flags: number, known: number, operation: string): void {
    if ((flags & ~known) !== 0) throw this.fail(Errno.EINVAL, `${operation} with flags ${flags}`);
  }

  protected checkFlags(flags: number, allowed: number, operation: string): void {
    const lockWithout = (flags & BPF_F_LOCK) !== 0 && this.spec.spinLockOffset === undefined;
    if ((flags & ~allowed) !== 0 || lockWithout)
      throw this.fail(Errno.EINVAL, `${operation} with flags ${flags}`);
  }
}

/** Small aligned copies word by word: `copyWithin` costs a call into the runtime. */
export function copy(u8: Uint8Array, i32: Int32Array, to: number, from: number, size: number): void {
  if (size > 64) {
    u8.copyWithin(to, from, from + size);
    return;
  }
  let at = 0;
  if (((to | from) & 3) === 0) {
    for (; at + 4 <= size; at += 4) i32[(to + at) >> 2] = i32[(from + at) >> 2];
  }
  for (; at < size; at++) u8[to + at] = u8[from + at];
}
