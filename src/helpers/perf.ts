/** Helpers: perf event output. */
import { ProgType } from '../progs/prog-types.js';
import { TC, LWT, CGROUP, BTF_TRACING, TRACING } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const PERF_HELPERS: readonly Helper[] = [
  absent(
    25,
    'bpf_perf_event_output',
    RET.int,
    [ARG.ctx, ARG.map, ARG.u64, ARG.memRead, ARG.sizeOrZero],
    [
      ...TRACING,
      ...LWT,
      ...CGROUP,
      ...TC,
      ProgType.SocketFilter,
      ProgType.Xdp,
      ProgType.CgroupSkb,
      ProgType.SockOps,
      ProgType.SkSkb,
      ProgType.SkMsg,
      ProgType.SkLookup,
    ],
    { gplOnly: true },
  ),
  absent(
    111,
    'bpf_skb_output',
    RET.int,
    [ARG.make('btf_id')({ btf: ['sk_buff'] }), ARG.map, ARG.u64, ARG.memRead, ARG.sizeOrZero],
    BTF_TRACING,
    { gplOnly: true },
  ),
  absent(
    121,
    'bpf_xdp_output',
    RET.int,
    [ARG.make('btf_id')({ btf: ['xdp_buff'] }), ARG.map, ARG.u64, ARG.memRead, ARG.sizeOrZero],
    BTF_TRACING,
    { gplOnly: true },
  ),
];
