/**
 * Base of the arrays whose slots hold objects of the VM (programs, maps, events, sockets): callers put objects in by
 * methods of the map and read their ids.
 */
import { Errno } from '../errors.js';
import { nextIndex } from './array-map.js';
import { BPF_EXIST, BPF_NOEXIST, BpfMap } from './map.js';

export abstract class SlotMap<T> extends BpfMap {
  protected readonly slots: (T | undefined)[] = [];

  /** What a caller reads. */
  protected abstract idOf(item: T): number;

  /** The object in a slot. */
  at(index: number): T | undefined {
    return this.slots[index];
  }

  /**
   * Fills a slot, or empties it with `null`.
   * @throws MapError E2BIG beyond the last slot, EINVAL for flags that arrays of objects lack, ENOENT where there is
   * nothing to delete.
   */
  set(index: number, item: T | null, flags = 0): void {
    const operation = item === null ? 'delete' : 'update';
    this.checkCallerWrite(operation);
    if (flags > BPF_EXIST || flags === BPF_NOEXIST) throw this.fail(Errno.EINVAL, operation);
    if (index >= this.spec.maxEntries) throw this.fail(Errno.E2BIG, operation);
    if (item === null && this.slots[index] === undefined) throw this.fail(Errno.ENOENT, operation);
    this.slots[index] = item ?? undefined;
  }

  override lookupElem(key: Uint8Array): Uint8Array {
    this.checkCallerRead('lookup');
    const item = this.slots[this.index(key)];
    if (item === undefined) throw this.fail(Errno.ENOENT, 'lookup');
    return new Uint8Array(new Uint32Array([this.idOf(item)]).buffer);
  }

  /** Objects are put by `set`: there are no descriptors that a value could name. */
  override updateElem(_key: Uint8Array, _value: Uint8Array, _flags = 0): void {
    this.checkCallerWrite('update');
    throw this.fail(Errno.EBADF, 'update', 'use set');
  }

  override deleteElem(key: Uint8Array): void {
    this.set(this.index(key), null);
  }

  /** The handle is never read through: its region also serves to pass keys. */
  override getNextKey(key: Uint8Array | null): Uint8Array {
    const { u8, u32 } = this.env.memory;
    const { base } = this.handle;
    u32[base >> 2] = key === null ? 0xffff_ffff : this.index(key);
    if (nextIndex(base, base + 4, this.spec.maxEntries, this.env) < 0) {
      throw this.fail(Errno.ENOENT, 'get_next_key');
    }
    return u8.slice(base + 4, base + 8);
  }

  override lookup(_keyAddr: number): number {
    return 0;
  }

  override update(): number {
    return -Errno.EINVAL;
  }

  override delete(): number {
    return -Errno.EINVAL;
  }

  protected index(key: Uint8Array): number {
    this.checkSize('key', key, 4);
    return new DataView(key.buffer, key.byteOffset).getUint32(0, true);
  }
}
