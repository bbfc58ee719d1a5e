/** Helpers: what an skb carries besides its bytes. */
import { ProgType } from '../progs/prog-types.js';
import { TC, LWT, CGROUP } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const SKB_META_HELPERS: readonly Helper[] = [
  absent(34, 'bpf_get_hash_recalc', RET.u32, [ARG.ctx], [...LWT, ...TC]),
  absent(41, 'bpf_set_hash_invalid', RET.int, [ARG.ctx], [...TC, ProgType.LwtXmit]),
  absent(48, 'bpf_set_hash', RET.int, [ARG.ctx, ARG.u32], TC),
  absent(24, 'bpf_get_route_realm', RET.u32, [ARG.ctx], [...LWT, ...TC]),
  absent(17, 'bpf_get_cgroup_classid', RET.u32, [ARG.ctx], [...LWT, ...TC]),
  absent(17, 'bpf_get_cgroup_classid', RET.u32, [], [...CGROUP, ProgType.SkMsg]),
  absent(79, 'bpf_skb_cgroup_id', RET.u64, [ARG.ctx], [...TC, ProgType.CgroupSkb]),
  absent(83, 'bpf_skb_ancestor_cgroup_id', RET.u64, [ARG.ctx, ARG.u32], [...TC, ProgType.CgroupSkb]),
  absent(151, 'bpf_skb_cgroup_classid', RET.u64, [ARG.ctx], TC),
  absent(33, 'bpf_skb_under_cgroup', RET.int, [ARG.ctx, ARG.map, ARG.u32], [...LWT, ...TC]),
  absent(192, 'bpf_skb_set_tstamp', RET.int, [ARG.ctx, ARG.u64, ARG.u32], TC),
  absent(97, 'bpf_skb_ecn_set_ce', RET.int, [ARG.ctx], [...TC, ProgType.CgroupSkb]),
  absent(
    20,
    'bpf_skb_get_tunnel_key',
    RET.int,
    [ARG.ctx, ARG.memUninit, ARG.size, ARG.u64],
    [...TC, ProgType.LwtXmit],
  ),
  absent(
    21,
    'bpf_skb_set_tunnel_key',
    RET.int,
    [ARG.ctx, ARG.memRead, ARG.size, ARG.u64],
    [...TC, ProgType.LwtXmit],
  ),
  absent(
    29,
    'bpf_skb_get_tunnel_opt',
    RET.int,
    [ARG.ctx, ARG.memUninit, ARG.size],
    [...TC, ProgType.LwtXmit],
  ),
  absent(30, 'bpf_skb_set_tunnel_opt', RET.int, [ARG.ctx, ARG.memRead, ARG.size], [...TC, ProgType.LwtXmit]),
  absent(66, 'bpf_skb_get_xfrm_state', RET.int, [ARG.ctx, ARG.u32, ARG.memUninit, ARG.size, ARG.u64], TC),
];
