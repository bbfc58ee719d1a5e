/**
 * BPF_MAP_TYPE_ARRAY_OF_MAPS and BPF_MAP_TYPE_HASH_OF_MAPS. A program finds the handle of the inner map; a caller
 * puts maps in and reads their ids.
 */
import { Errno } from '../errors.js';
import { nextIndex } from './array-map.js';
import { checkHashSpec, checkPresence } from './hash-map.js';
import { HashTable } from './hash-table.js';
import type { BpfMap, MapEnv, MapFamily, MapSpec } from './map.js';
import { BPF_EXIST, MapFlag } from './map.js';
import { MapType } from './map-types.js';
import { checkSlotSpec } from './prog-array-map.js';
import { StoredMap } from './stored-map.js';

abstract class MapInMap extends StoredMap {
  /** Inner maps by the address of their handle, which is what the elements hold. */
  protected readonly inner = new Map<number, BpfMap>();

  /** Address of the word that holds a handle; 0 where there is no element. */
  protected abstract slot(keyAddr: number): number;
  protected abstract place(keyAddr: number, flags: number): number;

  override lookup(keyAddr: number): number {
    const slot = this.slot(keyAddr);
    return slot === 0 ? 0 : this.env.memory.u32[slot >>> 2];
  }

  override update(): number {
    return -Errno.EINVAL;
  }

  override delete(): number {
    return -Errno.EINVAL;
  }

  /** Enters a map like the template. @throws MapError EINVAL for another kind, E2BIG, EEXIST, ENOENT. */
  setMap(key: Uint8Array, map: BpfMap, flags = 0): void {
    this.checkCallerWrite('update');
    this.putKey(key);
    if (!sameKind(this.spec.inner, map.spec)) {
      throw this.fail(Errno.EINVAL, 'update', `map ${map.name} is not like the inner map`);
    }
    const slot = this.place(this.keyScratch, flags);
    if (slot < 0) throw this.fail(slot, 'update');
    this.env.memory.u32[slot >>> 2] = map.handle.base;
    this.inner.set(map.handle.base, map);
  }

  /** The map at a key. */
  getMap(key: Uint8Array): BpfMap | undefined {
    this.putKey(key);
    return this.inner.get(this.lookup(this.keyScratch));
  }

  override lookupElem(key: Uint8Array, flags = 0): Uint8Array {
    this.checkCallerRead('lookup');
    this.checkFlags(flags, 0, 'lookup');
    const map = this.getMap(key);
    if (map === undefined) throw this.fail(Errno.ENOENT, 'lookup');
    return new Uint8Array(new Uint32Array([map.id]).buffer);
  }

  /** Maps are put by `setMap`: there are no descriptors that a value could name. */
  override updateElem(): void {
    this.checkCallerWrite('update');
    throw this.fail(Errno.EBADF, 'update', 'use setMap');
  }
}

class ArrayOfMaps extends MapInMap {
  private readonly base: number;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env, spec.maxEntries * 4);
    this.base = this.valueScratch;
  }

  protected override slot(keyAddr: number): number {
    const index = this.env.memory.view.getUint32(keyAddr, true);
    return index < this.spec.maxEntries ? this.base + index * 4 : 0;
  }

  protected override place(keyAddr: number, flags: number): number {
    if (flags !== 0) return -Errno.EINVAL;
    return this.slot(keyAddr) || -Errno.E2BIG;
  }

  override deleteElem(key: Uint8Array): void {
    this.checkCallerWrite('delete');
    this.putKey(key);
    const slot = this.slot(this.keyScratch);
    if (slot === 0) throw this.fail(Errno.E2BIG, 'delete');
    if (this.env.memory.u32[slot >>> 2] === 0) throw this.fail(Errno.ENOENT, 'delete');
    this.env.memory.u32[slot >>> 2] = 0;
  }

  protected override next(keyAddr: number, outAddr: number): number {
    return nextIndex(keyAddr, outAddr, this.spec.maxEntries, this.env);
  }
}

class HashOfMaps extends MapInMap {
  private readonly table: HashTable;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env);
    this.table = HashTable.forSpec(spec, env, 8);
  }

  protected override slot(keyAddr: number): number {
    const index = this.table.find(keyAddr, this.table.hash(keyAddr));
    return index === 0 ? 0 : this.table.address(index) + this.table.valueOffset;
  }

  protected override place(keyAddr: number, flags: number): number {
    if (flags >>> 0 > BPF_EXIST) return -Errno.EINVAL;
    const slot = this.slot(keyAddr);
    const refused = checkPresence(slot !== 0, flags);
    if (refused !== 0 || slot !== 0) return refused || slot;
    if (this.table.count >= this.spec.maxEntries) return -Errno.E2BIG;
    const index = this.table.take(keyAddr);
    this.table.insert(index, this.table.hash(keyAddr));
    return this.table.address(index) + this.table.valueOffset;
  }

  override deleteElem(key: Uint8Array): void {
    this.checkCallerWrite('delete');
    this.putKey(key);
    const hash = this.table.hash(this.keyScratch);
    const index = this.table.find(this.keyScratch, hash);
    if (index === 0) throw this.fail(Errno.ENOENT, 'delete');
    this.table.unlink(index, hash);
    this.table.release(index);
    this.env.whenIdle(() => {
      this.table.reclaim();
    });
  }

  protected override next(keyAddr: number, outAddr: number): number {
    return this.table.next(keyAddr, outAddr);
  }

  override destroy(): void {
    this.table.destroy();
    super.destroy();
  }
}

/** Inner maps have the type, sizes and flags of the template; arrays also its size, unless it says BPF_F_INNER_MAP. */
function sameKind(template: MapSpec | undefined, spec: MapSpec): boolean {
  if (template === undefined) return true;
  const sized = template.type === MapType.Array || template.type === MapType.PercpuArray;
  const anySize = !sized || (template.flags & MapFlag.INNER_MAP) !== 0;
  return (
    template.type === spec.type &&
    template.keySize === spec.keySize &&
    template.valueSize === spec.valueSize &&
    template.flags === spec.flags &&
    (anySize || template.maxEntries === spec.maxEntries)
  );
}

/** Types that cannot be inner maps. */
const NOT_INNER: readonly MapType[] = [
  MapType.ProgArray,
  MapType.CgroupStorage,
  MapType.PercpuCgroupStorage,
  MapType.StructOps,
];

function checkInner({ inner }: MapSpec): number {
  if (inner === undefined) return Errno.EBADF;
  if (NOT_INNER.includes(inner.type)) return Errno.ENOTSUPP;
  return inner.type === MapType.ArrayOfMaps || inner.type === MapType.HashOfMaps ? Errno.EINVAL : 0;
}

export const arrayOfMapsFamily: MapFamily = {
  check: (spec) => checkSlotSpec(spec) || checkInner(spec),
  create: (spec, id, env) => new ArrayOfMaps(spec, id, env),
};

export const hashOfMapsFamily: MapFamily = {
  check: (spec) => (spec.valueSize !== 4 ? Errno.EINVAL : checkHashSpec(spec) || checkInner(spec)),
  create: (spec, id, env) => new HashOfMaps(spec, id, env),
};

export { MapInMap };
