/** Helpers: XDP frames. */
import { ProgType } from '../progs/prog-types.js';
import { BTF_TRACING } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const XDP_HELPERS: readonly Helper[] = [
  absent(44, 'bpf_xdp_adjust_head', RET.int, [ARG.ctx, ARG.u32], [ProgType.Xdp], { invalidatesPacket: true }),
  absent(54, 'bpf_xdp_adjust_meta', RET.int, [ARG.ctx, ARG.u32], [ProgType.Xdp], { invalidatesPacket: true }),
  absent(65, 'bpf_xdp_adjust_tail', RET.int, [ARG.ctx, ARG.u32], [ProgType.Xdp], { invalidatesPacket: true }),
  absent(188, 'bpf_xdp_get_buff_len', RET.u64, [ARG.ctx], [ProgType.Xdp]),
  absent(188, 'bpf_xdp_get_buff_len', RET.u64, [ARG.make('btf_id')({ btf: ['xdp_buff'] })], BTF_TRACING),
  absent(189, 'bpf_xdp_load_bytes', RET.int, [ARG.ctx, ARG.u32, ARG.memUninit, ARG.size], [ProgType.Xdp]),
  absent(190, 'bpf_xdp_store_bytes', RET.int, [ARG.ctx, ARG.u32, ARG.memRead, ARG.size], [ProgType.Xdp]),
  absent(51, 'bpf_redirect_map', RET.int, [ARG.map, ARG.u64, ARG.u64], [ProgType.Xdp]),
];
