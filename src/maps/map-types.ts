/** Map types: THE table. Numbers and names are those of the UAPI (`enum bpf_map_type`). */

export enum MapType {
  Unspec = 0,
  Hash = 1,
  Array = 2,
  ProgArray = 3,
  PerfEventArray = 4,
  PercpuHash = 5,
  PercpuArray = 6,
  StackTrace = 7,
  CgroupArray = 8,
  LruHash = 9,
  LruPercpuHash = 10,
  LpmTrie = 11,
  ArrayOfMaps = 12,
  HashOfMaps = 13,
  Devmap = 14,
  Sockmap = 15,
  Cpumap = 16,
  Xskmap = 17,
  Sockhash = 18,
  CgroupStorage = 19,
  ReuseportSockarray = 20,
  PercpuCgroupStorage = 21,
  Queue = 22,
  Stack = 23,
  SkStorage = 24,
  DevmapHash = 25,
  StructOps = 26,
  Ringbuf = 27,
  InodeStorage = 28,
  TaskStorage = 29,
  BloomFilter = 30,
  UserRingbuf = 31,
  CgrpStorage = 32,
  Arena = 33,
}

export interface MapTypeRow {
  readonly type: MapType;
  /** Name as libbpf and bpftool print it, e.g. `sockhash`. */
  readonly name: string;
  /** `full`: works. `parsed`: can be made, so that objects with one load, but holds nothing. */
  readonly state: 'full' | 'parsed';
  /** Values are sockets. */
  readonly holdsSockets?: boolean;
}

/** Indexed by `MapType`. */
export const MAP_TYPES: readonly MapTypeRow[] = [
  { type: MapType.Unspec, name: 'unspec', state: 'parsed' },
  { type: MapType.Hash, name: 'hash', state: 'full' },
  { type: MapType.Array, name: 'array', state: 'full' },
  { type: MapType.ProgArray, name: 'prog_array', state: 'full' },
  { type: MapType.PerfEventArray, name: 'perf_event_array', state: 'full' },
  { type: MapType.PercpuHash, name: 'percpu_hash', state: 'full' },
  { type: MapType.PercpuArray, name: 'percpu_array', state: 'full' },
  { type: MapType.StackTrace, name: 'stack_trace', state: 'parsed' },
  { type: MapType.CgroupArray, name: 'cgroup_array', state: 'parsed' },
  { type: MapType.LruHash, name: 'lru_hash', state: 'full' },
  { type: MapType.LruPercpuHash, name: 'lru_percpu_hash', state: 'full' },
  { type: MapType.LpmTrie, name: 'lpm_trie', state: 'full' },
  { type: MapType.ArrayOfMaps, name: 'array_of_maps', state: 'full' },
  { type: MapType.HashOfMaps, name: 'hash_of_maps', state: 'full' },
  { type: MapType.Devmap, name: 'devmap', state: 'full' },
  { type: MapType.Sockmap, name: 'sockmap', state: 'full', holdsSockets: true },
  { type: MapType.Cpumap, name: 'cpumap', state: 'full' },
  { type: MapType.Xskmap, name: 'xskmap', state: 'parsed' },
  { type: MapType.Sockhash, name: 'sockhash', state: 'full', holdsSockets: true },
  { type: MapType.CgroupStorage, name: 'cgroup_storage', state: 'full' },
  { type: MapType.ReuseportSockarray, name: 'reuseport_sockarray', state: 'full', holdsSockets: true },
  { type: MapType.PercpuCgroupStorage, name: 'percpu_cgroup_storage', state: 'full' },
  { type: MapType.Queue, name: 'queue', state: 'full' },
  { type: MapType.Stack, name: 'stack', state: 'full' },
  { type: MapType.SkStorage, name: 'sk_storage', state: 'full' },
  { type: MapType.DevmapHash, name: 'devmap_hash', state: 'full' },
  { type: MapType.StructOps, name: 'struct_ops', state: 'parsed' },
  { type: MapType.Ringbuf, name: 'ringbuf', state: 'full' },
  { type: MapType.InodeStorage, name: 'inode_storage', state: 'parsed' },
  { type: MapType.TaskStorage, name: 'task_storage', state: 'parsed' },
  { type: MapType.BloomFilter, name: 'bloom_filter', state: 'full' },
  { type: MapType.UserRingbuf, name: 'user_ringbuf', state: 'full' },
  { type: MapType.CgrpStorage, name: 'cgrp_storage', state: 'parsed' },
  { type: MapType.Arena, name: 'arena', state: 'parsed' },
];

/** The name of a map type, or `type N` for a number that the table lacks. */
export function mapTypeName(type: number): string {
  return MAP_TYPES[type]?.name ?? `type ${type}`;
}
