/** Helpers: socket options and TCP header options. */
import { Errno } from '../errors.js';
import { ProgType } from '../progs/prog-types.js';
import type { Helper } from './proto.js';
import { absent, ARG, RET } from './proto.js';

export const SOCK_OPS_HELPERS: readonly Helper[] = [
  absent(
    49,
    'bpf_setsockopt',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.u32, ARG.memRead, ARG.size],
    [ProgType.SockOps, ProgType.CgroupSockAddr],
  ),
  absent(
    49,
    'bpf_setsockopt',
    RET.int,
    [ARG.sockCommon, ARG.u32, ARG.u32, ARG.memRead, ARG.size],
    [ProgType.Lsm, ProgType.CgroupSockopt, ProgType.StructOps],
  ),
  absent(
    57,
    'bpf_getsockopt',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.u32, ARG.memUninit, ARG.size],
    [ProgType.SockOps, ProgType.CgroupSockAddr],
  ),
  absent(
    57,
    'bpf_getsockopt',
    RET.int,
    [ARG.sockCommon, ARG.u32, ARG.u32, ARG.memUninit, ARG.size],
    [ProgType.Lsm, ProgType.CgroupSockopt, ProgType.StructOps],
  ),
  {
    id: 59,
    name: 'bpf_sock_ops_cb_flags_set',
    ret: RET.int,
    args: [ARG.ctx, ARG.u32],
    progTypes: [ProgType.SockOps],
    state: 'full',
    fn: (run, _ctx, flags) => run.sockOps?.setCbFlags(flags) ?? -Errno.EINVAL,
  },
  absent(142, 'bpf_load_hdr_opt', RET.int, [ARG.ctx, ARG.memWrite, ARG.size, ARG.u64], [ProgType.SockOps]),
  absent(143, 'bpf_store_hdr_opt', RET.int, [ARG.ctx, ARG.memRead, ARG.size, ARG.u64], [ProgType.SockOps]),
  absent(144, 'bpf_reserve_hdr_opt', RET.int, [ARG.ctx, ARG.u32, ARG.u64], [ProgType.SockOps]),
  absent(64, 'bpf_bind', RET.int, [ARG.ctx, ARG.memRead, ARG.size], [ProgType.CgroupSockAddr]),
];
