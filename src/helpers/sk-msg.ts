/** Helpers on the message that an sk_msg program judges. */
import { Errno } from '../errors.js';
import { ProgType } from '../progs/prog-types.js';
import type { Helper } from './proto.js';
import { ARG, RET } from './proto.js';

const progTypes = [ProgType.SkMsg] as const;

export const SK_MSG_HELPERS: readonly Helper[] = [
  {
    id: 61,
    name: 'bpf_msg_apply_bytes',
    ret: RET.int,
    args: [ARG.ctx, ARG.u32],
    progTypes,
    state: 'full',
    fn: (run, _ctx, bytes) => {
      if (run.msg !== null) run.msg.applyBytes = bytes >>> 0;
      return 0;
    },
  },
  {
    id: 62,
    name: 'bpf_msg_cork_bytes',
    ret: RET.int,
    args: [ARG.ctx, ARG.u32],
    progTypes,
    state: 'full',
    fn: (run, _ctx, bytes) => {
      if (run.msg !== null) run.msg.corkBytes = bytes >>> 0;
      return 0;
    },
  },
  {
    id: 63,
    name: 'bpf_msg_pull_data',
    ret: RET.int,
    args: [ARG.ctx, ARG.u32, ARG.u32, ARG.u64],
    progTypes,
    invalidatesPacket: true,
    state: 'full',
    fn: (run, _ctx, start, end, lo, hi) => run.msg?.pullData(start, end, lo | hi) ?? -Errno.EINVAL,
  },
  {
    id: 90,
    name: 'bpf_msg_push_data',
    ret: RET.int,
    args: [ARG.ctx, ARG.u32, ARG.u32, ARG.u64],
    progTypes,
    invalidatesPacket: true,
    state: 'full',
    fn: (run, _ctx, start, length, lo, hi) => run.msg?.pushData(start, length, lo | hi) ?? -Errno.EINVAL,
  },
  {
    id: 91,
    name: 'bpf_msg_pop_data',
    ret: RET.int,
    args: [ARG.ctx, ARG.u32, ARG.u32, ARG.u64],
    progTypes,
    invalidatesPacket: true,
    state: 'full',
    fn: (run, _ctx, start, length, lo, hi) => run.msg?.popData(start, length, lo | hi) ?? -Errno.EINVAL,
  },
];
