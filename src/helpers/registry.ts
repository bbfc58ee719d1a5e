/** THE table of helpers: one record for each id and prototype, assembled from a file a family. */
import type { ProgType } from '../progs/prog-types.js';
import { BASE_HELPERS } from './base.js';
import { CALLBACK_HELPERS } from './callback.js';
import { CGROUP_HELPERS } from './cgroup.js';
import { CSUM_HELPERS } from './csum.js';
import { DYNPTR_HELPERS } from './dynptr.js';
import { LWT_HELPERS } from './lwt.js';
import { MAP_HELPERS } from './map.js';
import { OBJECT_HELPERS } from './object.js';
import { PERF_HELPERS } from './perf.js';
import { PRINT_HELPERS } from './print.js';
import { PROBE_HELPERS } from './probe.js';
import { REDIRECT_HELPERS } from './redirect.js';
import { RINGBUF_HELPERS } from './ringbuf.js';
import { SKB_HELPERS } from './skb.js';
import { SKB_META_HELPERS } from './skb-meta.js';
import { SOCK_OPS_HELPERS } from './sock-ops.js';
import { SK_MSG_HELPERS } from './sk-msg.js';
import { SOCKMAP_HELPERS } from './sockmap.js';
import { SOCKET_HELPERS } from './socket.js';
import { STORAGE_HELPERS } from './storage.js';
import { STRING_HELPERS } from './string.js';
import { SYNCOOKIE_HELPERS } from './syncookie.js';
import { TRACING_HELPERS } from './tracing.js';
import { XDP_HELPERS } from './xdp.js';
import type { Helper } from './proto.js';

/** By ascending id. An id has several records where its prototype depends on the type of the program. */
export const HELPERS: readonly Helper[] = [
  ...MAP_HELPERS,
  ...BASE_HELPERS,
  ...PRINT_HELPERS,
  ...STRING_HELPERS,
  ...PROBE_HELPERS,
  ...PERF_HELPERS,
  ...RINGBUF_HELPERS,
  ...DYNPTR_HELPERS,
  ...CALLBACK_HELPERS,
  ...OBJECT_HELPERS,
  ...SKB_HELPERS,
  ...CSUM_HELPERS,
  ...SKB_META_HELPERS,
  ...REDIRECT_HELPERS,
  ...XDP_HELPERS,
  ...SOCKET_HELPERS,
  ...SOCKMAP_HELPERS,
  ...SK_MSG_HELPERS,
  ...STORAGE_HELPERS,
  ...SOCK_OPS_HELPERS,
  ...SYNCOOKIE_HELPERS,
  ...TRACING_HELPERS,
  ...CGROUP_HELPERS,
  ...LWT_HELPERS,
].toSorted((a, b) => a.id - b.id);

/** The record of an id: that of the program type, or the first where no type is given. */
export function helperById(id: number, progType?: ProgType): Helper | undefined {
  return HELPERS.find((helper) => helper.id === id && (progType === undefined || mayCall(helper, progType)));
}

/** By the C spelling, `bpf_map_lookup_elem`; see `helperById`. */
export function helperByName(name: string, progType?: ProgType): Helper | undefined {
  return HELPERS.find(
    (helper) => helper.name === name && (progType === undefined || mayCall(helper, progType)),
  );
}

/** The helpers that programs of a type may call, by id. */
export function helpersFor(progType: ProgType): ReadonlyMap<number, Helper> {
  const found = new Map<number, Helper>();
  for (const helper of HELPERS) {
    if (!found.has(helper.id) && mayCall(helper, progType)) found.set(helper.id, helper);
  }
  return found;
}

function mayCall(helper: Helper, progType: ProgType): boolean {
  return helper.progTypes === 'all' || helper.progTypes.includes(progType);
}
