/** BPF_MAP_TYPE_HASH, and what the other hash maps share with it. */
import { Errno } from '../errors.js';
import { accessFlagsOk, ACCESS_FLAGS, PERCPU_VALUE_MAX } from './array-map.js';
import { bucketsFor, HashTable } from './hash-table.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BPF_EXIST, BPF_F_LOCK, BPF_NOEXIST, MapFlag } from './map.js';
import { MapType } from './map-types.js';
import { roundUp8, StoredMap } from './stored-map.js';

export abstract class HashedMap extends StoredMap {
  protected readonly table: HashTable;
  private readonly reclaim: () => void;

  constructor(spec: MapSpec, id: number, env: MapEnv, valueSpan: number, scratchValueSize?: number) {
    super(spec, id, env, scratchValueSize);
    this.table = HashTable.forSpec(spec, env, valueSpan);
    this.reclaim = () => {
      this.table.reclaim();
    };
  }

  /** Elements in the map. */
  get count(): number {
    return this.table.count;
  }

  override delete(keyAddr: number): number {
    const hash = this.table.hash(keyAddr);
    const index = this.table.find(keyAddr, hash);
    if (index === 0) return -Errno.ENOENT;
    this.removeElement(index, hash);
    return 0;
  }

  override lookupAndDeleteElem(key: Uint8Array, flags = 0): Uint8Array {
    this.checkKnownFlags(flags, BPF_F_LOCK, 'lookup_and_delete');
    this.checkCallerRead('lookup_and_delete');
    this.checkCallerWrite('lookup_and_delete');
    this.checkFlags(flags, BPF_F_LOCK, 'lookup_and_delete');
    this.putKey(key);
    const hash = this.table.hash(this.keyScratch);
    const index = this.table.find(this.keyScratch, hash);
    if (index === 0) throw this.fail(Errno.ENOENT, 'lookup_and_delete');
    const value = this.readValue(this.table.address(index) + this.table.valueOffset);
    this.removeElement(index, hash);
    return value;
  }

  /** Unlinks and gives back; the bytes stay until no program runs, but for a timer, which ends. */
  protected removeElement(index: number, hash: number): void {
    this.table.unlink(index, hash);
    this.endTimer(this.table.address(index) + this.table.valueOffset);
    this.giveBack(index);
  }

  protected giveBack(index: number): void {
    const first = !this.table.hasPending;
    this.table.release(index);
    if (first) this.env.whenIdle(this.reclaim);
  }

  override keyOfValue(valueAddr: number): number {
    return valueAddr - this.table.valueOffset;
  }

  override forEach(visit: (keyAddr: number, valueAddr: number) => number): number {
    const { table } = this;
    let visited = 0;
    for (let bucket = 0; bucket < table.bucketCount; bucket++) {
      let index = table.first(bucket);
      while (index !== 0) {
        const following = table.following(index);
        const address = table.address(index);
        visited++;
        if (visit(address, this.valueForProgram(address + table.valueOffset)) !== 0) return visited;
        index = following;
      }
    }
    return visited;
  }

  /** Where the running program finds the value of an element whose value area starts at `address`. */
  protected valueForProgram(address: number): number {
    return address;
  }

  protected override next(keyAddr: number, outAddr: number): number {
    return this.table.next(keyAddr, outAddr);
  }

  override destroy(): void {
    this.table.destroy();
    super.destroy();
  }
}

export class HashMap extends HashedMap {
  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env, roundUp8(spec.valueSize));
  }

  override lookup(keyAddr: number): number {
    const { table } = this;
    const index = table.find(keyAddr, table.hash(keyAddr));
    return index === 0 ? 0 : table.address(index) + table.valueOffset;
  }

  override update(keyAddr: number, valueAddr: number, flags: number): number {
    if ((flags & ~BPF_F_LOCK) >>> 0 > BPF_EXIST) return -Errno.EINVAL;
    const { table } = this;
    const hash = table.hash(keyAddr);
    const old = table.find(keyAddr, hash);
    const refused = checkPresence(old !== 0, flags);
    if (refused !== 0) return refused;
    if ((flags & BPF_F_LOCK) !== 0 && this.spec.spinLockOffset === undefined) return -Errno.EINVAL;
    if (old !== 0 && (flags & BPF_F_LOCK) !== 0) {
      this.copyValue(table.address(old) + table.valueOffset, valueAddr);
      return 0;
    }
    if (old === 0 && table.count >= this.spec.maxEntries) return -Errno.E2BIG;
    // A replaced element stays as it was for whoever holds its address: the new value gets an element of its own.
    const index = table.take(keyAddr);
    const value = table.address(index) + table.valueOffset;
    this.initValue(value, valueAddr);
    table.insert(index, hash);
    if (old !== 0) this.removeElement(old, hash);
    return 0;
  }
}

export function checkPresence(exists: boolean, flags: number): number {
  const rule = flags & ~BPF_F_LOCK;
  if (exists && rule === BPF_NOEXIST) return -Errno.EEXIST;
  if (!exists && rule === BPF_EXIST) return -Errno.ENOENT;
  return 0;
}

const HASH_FLAGS =
  ACCESS_FLAGS | MapFlag.NO_PREALLOC | MapFlag.NO_COMMON_LRU | MapFlag.NUMA_NODE | MapFlag.ZERO_SEED;
/** Key and value together stay below the largest block of the kernel's allocator, 4 MiB less an element's header. */
const ELEMENT_MAX = (4 << 20) - 48;
const MAX_BUCKETS = 2 ** 28;

/** What all hash maps check at creation. */
export function checkHashSpec(spec: MapSpec): number {
  const { flags, type } = spec;
  const percpu = type === MapType.PercpuHash || type === MapType.LruPercpuHash;
  const lru = type === MapType.LruHash || type === MapType.LruPercpuHash;
  const percpuLru = (flags & MapFlag.NO_COMMON_LRU) !== 0;
  if ((flags & ~HASH_FLAGS) !== 0 || !accessFlagsOk(flags)) return Errno.EINVAL;
  if (!lru && percpuLru) return Errno.EINVAL;
  if (lru && (flags & MapFlag.NO_PREALLOC) !== 0) return Errno.ENOTSUPP;
  if ((flags & MapFlag.NUMA_NODE) !== 0 && (percpu || percpuLru)) return Errno.EINVAL;
  if (spec.maxEntries === 0 || spec.keySize === 0 || spec.valueSize === 0) return Errno.EINVAL;
  if (spec.keySize + spec.valueSize >= ELEMENT_MAX) return Errno.E2BIG;
  if (percpu && roundUp8(spec.valueSize) > PERCPU_VALUE_MAX) return Errno.E2BIG;
  if (bucketsFor(spec.maxEntries) >= MAX_BUCKETS) return Errno.E2BIG;
  return 0;
}

export const hashFamily: MapFamily = {
  check: checkHashSpec,
  create: (spec, id, env) => new HashMap(spec, id, env),
};
