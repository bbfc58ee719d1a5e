/** BPF_MAP_TYPE_PROG_ARRAY: slots that tail calls jump through. Callers write programs and read their ids. */
import { Errno } from '../errors.js';
import { checkArraySpec, nextIndex } from './array-map.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BpfMap, MapFlag } from './map.js';

/** What a slot holds; the engine knows the rest. */
export interface TailCallTarget {
  /** Id of the program in its VM. */
  readonly id: number;
}

export class ProgArrayMap extends BpfMap {
  private readonly slots: (TailCallTarget | undefined)[] = [];
  private readonly scratch: number;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env);
    // The handle is never read through: its region also serves to pass keys.
    this.scratch = this.handle.base;
  }

  /** The program that a tail call to `index` reaches, or null. */
  program(index: number): TailCallTarget | null {
    return this.slots[index] ?? null;
  }

  /**
   * Puts a program into a slot; `null` empties it.
   * @throws MapError E2BIG beyond the last slot, EINVAL for flags other than BPF_ANY, ENOENT where it was empty.
   */
  setProgram(index: number, program: TailCallTarget | null, flags = 0): void {
    this.checkCallerWrite(program === null ? 'delete' : 'update');
    if (program === null) {
      if (index >= this.spec.maxEntries) throw this.fail(Errno.E2BIG, 'delete');
      if (this.slots[index] === undefined) throw this.fail(Errno.ENOENT, 'delete');
      this.slots[index] = undefined;
      return;
    }
    if (flags !== 0) throw this.fail(Errno.EINVAL, 'update');
    if (index >= this.spec.maxEntries) throw this.fail(Errno.E2BIG, 'update');
    this.slots[index] = program;
  }

  override lookupElem(key: Uint8Array): Uint8Array {
    const id = this.slots[this.index(key)]?.id;
    if (id === undefined) throw this.fail(Errno.ENOENT, 'lookup');
    return new Uint8Array(new Uint32Array([id]).buffer);
  }

  /** Programs are put by `setProgram`: there are no descriptors that a value could name. */
  override updateElem(_key: Uint8Array, _value: Uint8Array, _flags = 0): void {
    throw this.fail(Errno.EBADF, 'update', 'use setProgram');
  }

  override deleteElem(key: Uint8Array): void {
    this.setProgram(this.index(key), null);
  }

  override getNextKey(key: Uint8Array | null): Uint8Array {
    const { u8, u32 } = this.env.memory;
    u32[this.scratch >> 2] = key === null ? 0xffff_ffff : this.index(key);
    if (nextIndex(this.scratch, this.scratch + 4, this.spec.maxEntries, this.env) < 0) {
      throw this.fail(Errno.ENOENT, 'get_next_key');
    }
    return u8.slice(this.scratch + 4, this.scratch + 8);
  }

  override lookup(): number {
    return 0;
  }

  override update(): number {
    return -Errno.EINVAL;
  }

  override delete(): number {
    return -Errno.EINVAL;
  }

  private index(key: Uint8Array): number {
    this.checkSize('key', key, 4);
    return new DataView(key.buffer, key.byteOffset).getUint32(0, true);
  }
}

export const progArrayFamily: MapFamily = {
  check: (spec) => {
    if (spec.valueSize !== 4) return Errno.EINVAL;
    // Programs neither read nor write the slots.
    if ((spec.flags & (MapFlag.RDONLY_PROG | MapFlag.WRONLY_PROG)) !== 0) return Errno.EINVAL;
    return checkArraySpec(spec);
  },
  create: (spec, id, env) => new ProgArrayMap(spec, id, env),
};
