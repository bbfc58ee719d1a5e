/** Helpers: tunnels and infrared. */
import { ProgType } from '../progs/prog-types.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const LWT_HELPERS: readonly Helper[] = [
  absent(
    73,
    'bpf_lwt_push_encap',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.memRead, ARG.size],
    [ProgType.LwtIn, ProgType.LwtXmit],
    { invalidatesPacket: true },
  ),
  absent(
    74,
    'bpf_lwt_seg6_store_bytes',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.memRead, ARG.size],
    [ProgType.LwtSeg6local],
    { invalidatesPacket: true },
  ),
  absent(75, 'bpf_lwt_seg6_adjust_srh', RET.int, [ARG.ctx, ARG.u32, ARG.u32], [ProgType.LwtSeg6local], {
    invalidatesPacket: true,
  }),
  absent(
    76,
    'bpf_lwt_seg6_action',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.memRead, ARG.size],
    [ProgType.LwtSeg6local],
    { invalidatesPacket: true },
  ),
  absent(77, 'bpf_rc_repeat', RET.int, [ARG.ctx], [ProgType.LircMode2], { gplOnly: true }),
  absent(78, 'bpf_rc_keydown', RET.int, [ARG.ctx, ARG.u32, ARG.u64, ARG.u32], [ProgType.LircMode2], {
    gplOnly: true,
  }),
  absent(92, 'bpf_rc_pointer_rel', RET.int, [ARG.ctx, ARG.u32, ARG.u32], [ProgType.LircMode2], {
    gplOnly: true,
  }),
];
