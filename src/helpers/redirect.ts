/** Helpers: where a packet goes. */
import { ProgType } from '../progs/prog-types.js';
import { TC } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const REDIRECT_HELPERS: readonly Helper[] = [
  absent(13, 'bpf_clone_redirect', RET.int, [ARG.ctx, ARG.u32, ARG.u64], [...TC, ProgType.LwtXmit], {
    invalidatesPacket: true,
  }),
  absent(23, 'bpf_redirect', RET.int, [ARG.u32, ARG.u64], [...TC, ProgType.Xdp, ProgType.LwtXmit]),
  absent(155, 'bpf_redirect_peer', RET.int, [ARG.u32, ARG.u64], TC),
  absent(152, 'bpf_redirect_neigh', RET.int, [ARG.u32, ARG.memReadOrNull, ARG.sizeOrZero, ARG.u64], TC),
  absent(69, 'bpf_fib_lookup', RET.int, [ARG.ctx, ARG.mem, ARG.size, ARG.u32], [...TC, ProgType.Xdp], {
    gplOnly: true,
  }),
  absent(
    163,
    'bpf_check_mtu',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.make('mem')({ write: true, size: 4, aligned: true }), ARG.u32, ARG.u64],
    [...TC, ProgType.Xdp],
    { gplOnly: true },
  ),
];
