/** Helpers: SYN cookies. */
import { ProgType } from '../progs/prog-types.js';
import { TC } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const SYNCOOKIE_HELPERS: readonly Helper[] = [
  absent(
    100,
    'bpf_tcp_check_syncookie',
    RET.int,
    [ARG.sockCommon, ARG.memRead, ARG.size, ARG.memRead, ARG.size],
    [...TC, ProgType.Xdp],
    { gplOnly: true, pktAccess: true },
  ),
  absent(
    110,
    'bpf_tcp_gen_syncookie',
    RET.u64,
    [ARG.sockCommon, ARG.memRead, ARG.size, ARG.memRead, ARG.size],
    [...TC, ProgType.Xdp],
    { gplOnly: true, pktAccess: true },
  ),
  absent(
    204,
    'bpf_tcp_raw_gen_syncookie_ipv4',
    RET.u64,
    [ARG.make('mem')({ size: 20 }), ARG.mem, ARG.sizeOrZero],
    [...TC, ProgType.Xdp],
    { gplOnly: true, pktAccess: true },
  ),
  absent(
    205,
    'bpf_tcp_raw_gen_syncookie_ipv6',
    RET.u64,
    [ARG.make('mem')({ size: 40 }), ARG.mem, ARG.sizeOrZero],
    [...TC, ProgType.Xdp],
    { gplOnly: true, pktAccess: true },
  ),
  absent(
    206,
    'bpf_tcp_raw_check_syncookie_ipv4',
    RET.int,
    [ARG.make('mem')({ size: 20 }), ARG.make('mem')({ size: 20 })],
    [...TC, ProgType.Xdp],
    { gplOnly: true, pktAccess: true },
  ),
  absent(
    207,
    'bpf_tcp_raw_check_syncookie_ipv6',
    RET.int,
    [ARG.make('mem')({ size: 40 }), ARG.make('mem')({ size: 20 })],
    [...TC, ProgType.Xdp],
    { gplOnly: true, pktAccess: true },
  ),
];
