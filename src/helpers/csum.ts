/** Helpers: checksums. */
import { ProgType } from '../progs/prog-types.js';
import { TC, LWT } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const CSUM_HELPERS: readonly Helper[] = [
  absent(
    10,
    'bpf_l3_csum_replace',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.u64, ARG.u64, ARG.u64],
    [...TC, ProgType.LwtXmit],
    { invalidatesPacket: true },
  ),
  absent(
    11,
    'bpf_l4_csum_replace',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.u64, ARG.u64, ARG.u64],
    [...TC, ProgType.LwtXmit],
    { invalidatesPacket: true },
  ),
  absent(
    28,
    'bpf_csum_diff',
    RET.u64,
    [ARG.memReadOrNull, ARG.sizeOrZero, ARG.memReadOrNull, ARG.sizeOrZero, ARG.u32],
    [...LWT, ...TC, ProgType.Xdp],
    { pktAccess: true },
  ),
  absent(40, 'bpf_csum_update', RET.u64, [ARG.ctx, ARG.u32], [...TC, ProgType.LwtXmit]),
  absent(135, 'bpf_csum_level', RET.int, [ARG.ctx, ARG.u64], [...TC, ProgType.LwtXmit]),
];
