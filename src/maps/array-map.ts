/** BPF_MAP_TYPE_ARRAY: `max_entries` values side by side, index times stride from the base. */
import { Errno } from '../errors.js';
import type { Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BPF_EXIST, BPF_F_LOCK, BPF_NOEXIST, MapFlag } from './map.js';
import { MapType } from './map-types.js';
import { roundUp8, StoredMap } from './stored-map.js';

export class ArrayMap extends StoredMap {
  private readonly values: Region;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env);
    this.values = env.memory.alloc(this.stride * spec.maxEntries, RegionKind.MapValue, {
      label: `values of map ${spec.name}`,
      // Values of whole pages are mapped to callers: they start at a page.
      ...((spec.flags & MapFlag.MMAPABLE) === 0 ? {} : { align: 4096 }),
    });
    if (spec.initialValue !== undefined) env.memory.u8.set(spec.initialValue, this.values.base);
  }

  /** Address of value 0. Value i is at `base + i * stride`, for i below `spec.maxEntries`; it never moves. */
  get base(): number {
    return this.values.base;
  }

  override lookup(keyAddr: number): number {
    const index = this.env.memory.view.getUint32(keyAddr, true);
    return index < this.spec.maxEntries ? this.values.base + index * this.stride : 0;
  }

  override update(keyAddr: number, valueAddr: number, flags: number): number {
    const refused = checkArrayUpdate(this, keyAddr, flags, this.env);
    if (refused !== 0) return refused;
    this.copyValue(this.lookup(keyAddr), valueAddr);
    return 0;
  }

  override delete(_keyAddr: number): number {
    return -Errno.EINVAL;
  }

  override forEach(visit: (keyAddr: number, valueAddr: number) => number): number {
    const { maxEntries } = this.spec;
    for (let index = 0; index < maxEntries; index++) {
      const key = this.visitedKey(index);
      if (visit(key, this.base + index * this.stride) !== 0) return index + 1;
    }
    return maxEntries;
  }

  override keyOfValue(valueAddr: number): number {
    return this.visitedKey((valueAddr - this.base) / this.stride);
  }

  protected override next(keyAddr: number, outAddr: number): number {
    return nextIndex(keyAddr, outAddr, this.spec.maxEntries, this.env);
  }

  override directValueAddress(): number {
    return this.spec.maxEntries === 1 ? this.values.base : 0;
  }

  override destroy(): void {
    this.env.memory.free(this.values);
    super.destroy();
  }
}

/** Iteration over indices: a key outside starts anew. */
export function nextIndex(keyAddr: number, outAddr: number, maxEntries: number, env: MapEnv): number {
  const { view } = env.memory;
  const index = keyAddr === 0 ? maxEntries : view.getUint32(keyAddr, true);
  if (index === maxEntries - 1) return -Errno.ENOENT;
  view.setUint32(outAddr, index >= maxEntries ? 0 : index + 1, true);
  return 0;
}

/** The checks of every array: flags, then the index, then BPF_NOEXIST (all elements always exist). */
export function checkArrayUpdate(map: StoredMap, keyAddr: number, flags: number, env: MapEnv): number {
  if ((flags & ~BPF_F_LOCK) >>> 0 > BPF_EXIST) return -Errno.EINVAL;
  if (env.memory.view.getUint32(keyAddr, true) >= map.spec.maxEntries) return -Errno.E2BIG;
  if ((flags & BPF_NOEXIST) !== 0) return -Errno.EEXIST;
  if ((flags & BPF_F_LOCK) !== 0 && map.spec.spinLockOffset === undefined) return -Errno.EINVAL;
  return 0;
}

export const ACCESS_FLAGS = MapFlag.RDONLY | MapFlag.WRONLY | MapFlag.RDONLY_PROG | MapFlag.WRONLY_PROG;
const ARRAY_FLAGS =
  ACCESS_FLAGS | MapFlag.NUMA_NODE | MapFlag.MMAPABLE | MapFlag.PRESERVE_ELEMS | MapFlag.INNER_MAP;

export const INT_MAX = 0x7fff_ffff;
/** Largest value of a per-CPU map (the kernel's smallest per-CPU unit). */
export const PERCPU_VALUE_MAX = 32 << 10;

/** A program may not be refused both reading and writing. */
export function accessFlagsOk(flags: number): boolean {
  const both = MapFlag.RDONLY_PROG | MapFlag.WRONLY_PROG;
  return (flags & both) !== both;
}

/** What all arrays check at creation. */
export function checkArraySpec(spec: MapSpec): number {
  const { flags, type } = spec;
  const percpu = type === MapType.PercpuArray;
  if (spec.maxEntries === 0 || spec.keySize !== 4 || spec.valueSize === 0) return Errno.EINVAL;
  if ((flags & ~ARRAY_FLAGS) !== 0 || !accessFlagsOk(flags)) return Errno.EINVAL;
  if (percpu && (flags & MapFlag.NUMA_NODE) !== 0) return Errno.EINVAL;
  if (type !== MapType.Array && (flags & (MapFlag.MMAPABLE | MapFlag.INNER_MAP)) !== 0) return Errno.EINVAL;
  if (type !== MapType.PerfEventArray && (flags & MapFlag.PRESERVE_ELEMS) !== 0) return Errno.EINVAL;
  if (spec.valueSize > INT_MAX) return Errno.E2BIG;
  if (percpu && roundUp8(spec.valueSize) > PERCPU_VALUE_MAX) return Errno.E2BIG;
  return 0;
}

export const arrayFamily: MapFamily = {
  check: checkArraySpec,
  create: (spec, id, env) => new ArrayMap(spec, id, env),
};
