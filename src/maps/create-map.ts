/** BPF_MAP_CREATE: the checks of the kernel, then the family of the type. */
import { BpfError, Errno, MapError } from '../errors.js';
import { arrayFamily } from './array-map.js';
import { bloomFamily } from './bloom-map.js';
import { cpumapFamily, devmapFamily } from './device-maps.js';
import { hashFamily } from './hash-map.js';
import { lpmTrieFamily } from './lpm-trie.js';
import { lruHashFamily } from './lru-hash-map.js';
import { arrayOfMapsFamily, hashOfMapsFamily } from './map-in-map.js';
import type { BpfMap, MapEnv, MapFamily, MapSpec } from './map.js';
import { MapFlag } from './map.js';
import { MapType, mapTypeName } from './map-types.js';
import { opaqueFamily } from './opaque-map.js';
import { percpuArrayFamily } from './percpu-array-map.js';
import { percpuHashFamily } from './percpu-hash-map.js';
import { perfEventArrayFamily } from './perf-event-array-map.js';
import { progArrayFamily } from './prog-array-map.js';
import { queueFamily } from './queue-map.js';
import { reuseportFamily } from './reuseport-map.js';
import { ringbufFamily } from './ringbuf-map.js';
import { sockHashFamily } from './sock-hash.js';
import { sockMapFamily } from './sock-map.js';
import { cgroupStorageFamily, skStorageFamily } from './storage-map.js';
import { userRingbufFamily } from './user-ringbuf-map.js';

/** Families by type. */
const FAMILIES: ReadonlyMap<MapType, MapFamily> = new Map<MapType, MapFamily>([
  [MapType.Hash, hashFamily],
  [MapType.Array, arrayFamily],
  [MapType.ProgArray, progArrayFamily],
  [MapType.PerfEventArray, perfEventArrayFamily],
  [MapType.PercpuHash, percpuHashFamily],
  [MapType.PercpuArray, percpuArrayFamily],
  [MapType.StackTrace, opaqueFamily],
  [MapType.CgroupArray, opaqueFamily],
  [MapType.LruHash, lruHashFamily],
  [MapType.LruPercpuHash, lruHashFamily],
  [MapType.LpmTrie, lpmTrieFamily],
  [MapType.ArrayOfMaps, arrayOfMapsFamily],
  [MapType.HashOfMaps, hashOfMapsFamily],
  [MapType.Devmap, devmapFamily],
  [MapType.Sockmap, sockMapFamily],
  [MapType.Cpumap, cpumapFamily],
  [MapType.Xskmap, opaqueFamily],
  [MapType.Sockhash, sockHashFamily],
  [MapType.CgroupStorage, cgroupStorageFamily],
  [MapType.ReuseportSockarray, reuseportFamily],
  [MapType.PercpuCgroupStorage, cgroupStorageFamily],
  [MapType.Queue, queueFamily],
  [MapType.Stack, queueFamily],
  [MapType.SkStorage, skStorageFamily],
  [MapType.DevmapHash, devmapFamily],
  [MapType.StructOps, opaqueFamily],
  [MapType.Ringbuf, ringbufFamily],
  [MapType.InodeStorage, opaqueFamily],
  [MapType.TaskStorage, opaqueFamily],
  [MapType.BloomFilter, bloomFamily],
  [MapType.UserRingbuf, userRingbufFamily],
  [MapType.CgrpStorage, opaqueFamily],
  [MapType.Arena, opaqueFamily],
]);

const NAME_MAX = 15;

/** Whether a map of this type can be made. */
export function canCreateMap(type: MapType): boolean {
  return FAMILIES.has(type);
}

/**
 * Makes a map with an id that its VM chose.
 * @throws MapError EINVAL, E2BIG, ENOTSUPP and ENOMEM where the kernel gives them; EOPNOTSUPP for a type that bpfvm lacks.
 */
export function createMap(spec: MapSpec, id: number, env: MapEnv): BpfMap {
  const family = FAMILIES.get(spec.type);
  if (family === undefined) {
    const hint = 'bpfvm inspects maps of this type but cannot make them';
    throw failed(spec, Errno.EOPNOTSUPP, 'type is not implemented', { hint });
  }
  for (const field of ['keySize', 'valueSize', 'maxEntries', 'flags'] as const) {
    // The kernel's fields have 32 bits: what they cannot hold, no family looks for.
    if (spec[field] !== spec[field] >>> 0)
      throw failed(spec, Errno.EINVAL, `${field} ${spec[field]} is no u32`);
  }
  const errno = checkCommon(spec) || family.check(spec, env);
  if (errno !== 0) throw failed(spec, errno, describeSpec(spec));
  try {
    return family.create(spec, id, env);
  } catch (error) {
    if (!(error instanceof BpfError) || error.code !== 'ERR_BPF_MEMORY_LIMIT') throw error;
    throw failed(spec, Errno.ENOMEM, describeSpec(spec), { cause: error, hint: error.message });
  }
}

/** What the kernel checks for every type: the file access flags, map_extra and the name. */
function checkCommon(spec: MapSpec): number {
  const access = spec.flags & (MapFlag.RDONLY | MapFlag.WRONLY);
  if (access === (MapFlag.RDONLY | MapFlag.WRONLY)) return Errno.EINVAL;
  const usesExtra = spec.type === MapType.BloomFilter || spec.type === MapType.Arena;
  if (!usesExtra && (spec.mapExtra ?? 0n) !== 0n) return Errno.EINVAL;
  return 0;
}

function describeSpec(spec: MapSpec): string {
  const flags = spec.flags === 0 ? '' : `, flags 0x${spec.flags.toString(16)}`;
  return `key ${spec.keySize}, value ${spec.valueSize}, max_entries ${spec.maxEntries}${flags}`;
}

function failed(
  spec: MapSpec,
  errno: number,
  what: string,
  options: { hint?: string; cause?: unknown } = {},
): MapError {
  const message = `map ${spec.name}: create ${mapTypeName(spec.type)}: ${what}`;
  return new MapError('ERR_BPF_MAP_CREATE', errno, message, options);
}

/** The kernel keeps 15 characters of a name; libbpf truncates it so. */
export function kernelName(name: string): string {
  return name.slice(0, NAME_MAX);
}
