/** Which helpers take which map types, and the reverse. */
import { Errno } from '../errors.js';
import { MapFlag } from '../maps/map.js';
import { MapType } from '../maps/map-types.js';
import { AttachType, ProgType } from '../progs/prog-types.js';
import type { Env } from './env.js';
import type { VerifierMap } from './input.js';

const storage = (kind: string): readonly string[] => [
  `bpf_${kind}_storage_get`,
  `bpf_${kind}_storage_delete`,
  'bpf_kptr_xchg',
];
const REDIRECTED = ['bpf_redirect_map', 'bpf_map_lookup_elem'];
const QUEUE = ['bpf_map_peek_elem', 'bpf_map_pop_elem', 'bpf_map_push_elem'];
const PERF = [
  'bpf_perf_event_read',
  'bpf_perf_event_output',
  'bpf_skb_output',
  'bpf_perf_event_read_value',
  'bpf_xdp_output',
];
const RINGBUF = [
  'bpf_ringbuf_output',
  'bpf_ringbuf_reserve',
  'bpf_ringbuf_query',
  'bpf_ringbuf_reserve_dynptr',
  'bpf_ringbuf_submit_dynptr',
  'bpf_ringbuf_discard_dynptr',
];
const CGROUP = ['bpf_skb_under_cgroup', 'bpf_current_task_under_cgroup'];

/** Map types that only the listed helpers take; any helper takes the others. */
const HELPERS_OF_MAP: Partial<Record<MapType, readonly string[]>> = {
  [MapType.ProgArray]: ['bpf_tail_call'],
  [MapType.PerfEventArray]: PERF,
  [MapType.Ringbuf]: RINGBUF,
  [MapType.UserRingbuf]: ['bpf_user_ringbuf_drain'],
  [MapType.StackTrace]: ['bpf_get_stackid'],
  [MapType.CgroupArray]: CGROUP,
  [MapType.CgroupStorage]: ['bpf_get_local_storage'],
  [MapType.PercpuCgroupStorage]: ['bpf_get_local_storage'],
  [MapType.Devmap]: REDIRECTED,
  [MapType.DevmapHash]: REDIRECTED,
  [MapType.Cpumap]: ['bpf_redirect_map'],
  [MapType.Xskmap]: REDIRECTED,
  [MapType.ArrayOfMaps]: ['bpf_map_lookup_elem'],
  [MapType.HashOfMaps]: ['bpf_map_lookup_elem'],
  [MapType.Sockmap]: [
    'bpf_sk_redirect_map',
    'bpf_sock_map_update',
    'bpf_msg_redirect_map',
    'bpf_sk_select_reuseport',
    'bpf_map_lookup_elem',
  ],
  [MapType.Sockhash]: [
    'bpf_sk_redirect_hash',
    'bpf_sock_hash_update',
    'bpf_msg_redirect_hash',
    'bpf_sk_select_reuseport',
    'bpf_map_lookup_elem',
  ],
  [MapType.ReuseportSockarray]: ['bpf_sk_select_reuseport'],
  [MapType.Queue]: QUEUE,
  [MapType.Stack]: QUEUE,
  [MapType.SkStorage]: storage('sk'),
  [MapType.InodeStorage]: storage('inode'),
  [MapType.TaskStorage]: storage('task'),
  [MapType.CgrpStorage]: storage('cgrp'),
  [MapType.BloomFilter]: ['bpf_map_peek_elem', 'bpf_map_push_elem'],
  [MapType.Arena]: [],
};

const only = (names: readonly string[], types: readonly MapType[]): [string, readonly MapType[]][] =>
  names.map((name) => [name, types]);

/** Helpers that take only the listed map types. */
const MAPS_OF_HELPER: ReadonlyMap<string, readonly MapType[]> = new Map([
  ...only(['bpf_tail_call'], [MapType.ProgArray]),
  ...only(PERF, [MapType.PerfEventArray]),
  ...only(RINGBUF, [MapType.Ringbuf]),
  ...only(['bpf_user_ringbuf_drain'], [MapType.UserRingbuf]),
  ...only(['bpf_get_stackid'], [MapType.StackTrace]),
  ...only(CGROUP, [MapType.CgroupArray]),
  ...only(['bpf_redirect_map'], [MapType.Devmap, MapType.DevmapHash, MapType.Cpumap, MapType.Xskmap]),
  ...only(['bpf_sk_redirect_map', 'bpf_msg_redirect_map', 'bpf_sock_map_update'], [MapType.Sockmap]),
  ...only(['bpf_sk_redirect_hash', 'bpf_msg_redirect_hash', 'bpf_sock_hash_update'], [MapType.Sockhash]),
  ...only(['bpf_get_local_storage'], [MapType.CgroupStorage, MapType.PercpuCgroupStorage]),
  ...only(['bpf_sk_select_reuseport'], [MapType.ReuseportSockarray, MapType.Sockmap, MapType.Sockhash]),
  ...only(['bpf_map_pop_elem'], [MapType.Queue, MapType.Stack]),
  ...only(['bpf_map_peek_elem', 'bpf_map_push_elem'], [MapType.Queue, MapType.Stack, MapType.BloomFilter]),
  ...only(['bpf_map_lookup_percpu_elem'], [MapType.PercpuArray, MapType.PercpuHash, MapType.LruPercpuHash]),
  ...only(['bpf_sk_storage_get', 'bpf_sk_storage_delete'], [MapType.SkStorage]),
  ...only(['bpf_inode_storage_get', 'bpf_inode_storage_delete'], [MapType.InodeStorage]),
  ...only(['bpf_task_storage_get', 'bpf_task_storage_delete'], [MapType.TaskStorage]),
  ...only(['bpf_cgrp_storage_get', 'bpf_cgrp_storage_delete'], [MapType.CgrpStorage]),
]);

const UPDATES_SOCKMAP = new Set<ProgType>([
  ProgType.SocketFilter,
  ProgType.SchedCls,
  ProgType.SchedAct,
  ProgType.Xdp,
  ProgType.SkReuseport,
  ProgType.FlowDissector,
  ProgType.SkLookup,
]);

/** Only where no socket can be locked already may a program insert or delete sockets itself. */
function mayUpdateSockmap(env: Env, helper: string): boolean {
  if (helper !== 'bpf_map_update_elem' && helper !== 'bpf_map_delete_elem') return false;
  const { progType, attachType } = env.input;
  if (UPDATES_SOCKMAP.has(progType)) return true;
  if (progType === ProgType.Tracing && attachType === AttachType.TraceIter) return true;
  if (progType === ProgType.SockOps && helper === 'bpf_map_delete_elem') return true;
  env.log.line('cannot update sockmap in this context');
  return false;
}

export function assertMapFits(env: Env, map: VerifierMap, helper: string, id: number): void {
  const allowed = HELPERS_OF_MAP[map.type];
  const isSockmap = map.type === MapType.Sockmap || map.type === MapType.Sockhash;
  const isTaken =
    allowed === undefined || allowed.includes(helper) || (isSockmap && mayUpdateSockmap(env, helper));
  const types = MAPS_OF_HELPER.get(helper);
  if (!isTaken || (types !== undefined && !types.includes(map.type))) {
    env.reject(Errno.EINVAL, `cannot pass map_type ${map.type} into func ${helper}#${id}`);
  }
}

const CHANGING = new Set([
  'bpf_map_delete_elem',
  'bpf_map_update_elem',
  'bpf_map_push_elem',
  'bpf_map_pop_elem',
]);

export function assertMapWritable(env: Env, map: VerifierMap, helper: string): void {
  if ((map.flags & MapFlag.RDONLY_PROG) !== 0 && CHANGING.has(helper)) {
    env.reject(Errno.EACCES, 'write into map forbidden');
  }
}
