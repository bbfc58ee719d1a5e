/** Helpers: the bytes of a packet. */
import { Errno } from '../errors.js';
import { ProgType } from '../progs/prog-types.js';
import { TC, LWT } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

/** Offsets are unsigned; the kernel refuses those that no packet can have before it looks. */
const OFFSET_MAX = 0x7fff_ffff;

function skbStoreBytes(
  run: RunState,
  _ctx: number,
  offset: number,
  from: number,
  size: number,
  flags: number,
  flagsHi: number,
): number {
  const known = BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH;
  if ((flags & ~known) !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  if (offset >>> 0 > OFFSET_MAX) return -Errno.EFAULT;
  return run.skb?.storeBytes(offset, from, size, flags) ?? -Errno.EOPNOTSUPP;
}

export const BPF_F_RECOMPUTE_CSUM = 1 << 0;
export const BPF_F_INVALIDATE_HASH = 1 << 1;

/** Where the bytes are not all there the target is zeroed. */
function skbLoadBytes(run: RunState, _ctx: number, offset: number, to: number, size: number): number {
  const result = offset >>> 0 > OFFSET_MAX ? -Errno.EFAULT : run.skb?.loadBytes(offset, to, size);
  if (result !== undefined && result >= 0) return result;
  run.vm.memory.u8.fill(0, to, to + size);
  return result ?? -Errno.EOPNOTSUPP;
}

function skbPullData(run: RunState, _ctx: number, size: number): number {
  return run.skb?.pullData(size >>> 0) ?? -Errno.EOPNOTSUPP;
}

function skbChangeTail(run: RunState, _ctx: number, size: number, flags: number, flagsHi: number): number {
  if (flagsHi !== 0) return -Errno.EINVAL;
  return run.skb?.changeTail(size >>> 0, flags) ?? -Errno.EOPNOTSUPP;
}

function skbChangeHead(run: RunState, _ctx: number, room: number, flags: number, flagsHi: number): number {
  if (flagsHi !== 0) return -Errno.EINVAL;
  return run.skb?.changeHead(room >>> 0, flags) ?? -Errno.EOPNOTSUPP;
}

function skbAdjustRoom(
  run: RunState,
  _ctx: number,
  delta: number,
  mode: number,
  flags: number,
  flagsHi: number,
): number {
  if (flagsHi !== 0) return -Errno.EINVAL;
  return run.skb?.adjustRoom(delta, mode >>> 0, flags) ?? -Errno.EOPNOTSUPP;
}

export const SKB_HELPERS: readonly Helper[] = [
  helper(
    9,
    'bpf_skb_store_bytes',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.memRead, ARG.size, ARG.u64],
    [...TC, ProgType.LwtXmit, ProgType.SkSkb],
    skbStoreBytes,
    { invalidatesPacket: true },
  ),
  helper(
    26,
    'bpf_skb_load_bytes',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.memUninit, ARG.size],
    [
      ...LWT,
      ...TC,
      ProgType.SocketFilter,
      ProgType.CgroupSkb,
      ProgType.SkSkb,
      ProgType.SkReuseport,
      ProgType.FlowDissector,
    ],
    skbLoadBytes,
  ),
  absent(
    68,
    'bpf_skb_load_bytes_relative',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.memUninit, ARG.size, ARG.u32],
    [...TC, ProgType.SocketFilter, ProgType.CgroupSkb, ProgType.SkReuseport],
  ),
  helper(
    38,
    'bpf_skb_change_tail',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.u64],
    [...TC, ProgType.LwtXmit, ProgType.SkSkb],
    skbChangeTail,
    { invalidatesPacket: true },
  ),
  helper(
    39,
    'bpf_skb_pull_data',
    RET.int,
    [ARG.ctx, ARG.u32],
    [...TC, ProgType.LwtIn, ProgType.LwtOut, ProgType.LwtXmit, ProgType.SkSkb],
    skbPullData,
    { invalidatesPacket: true },
  ),
  helper(
    43,
    'bpf_skb_change_head',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.u64],
    [...TC, ProgType.LwtXmit, ProgType.SkSkb],
    skbChangeHead,
    { invalidatesPacket: true },
  ),
  helper(
    50,
    'bpf_skb_adjust_room',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.u32, ARG.u64],
    [...TC, ProgType.SkSkb],
    skbAdjustRoom,
    { invalidatesPacket: true },
  ),
  absent(31, 'bpf_skb_change_proto', RET.int, [ARG.ctx, ARG.u32, ARG.u64], TC, { invalidatesPacket: true }),
  absent(32, 'bpf_skb_change_type', RET.int, [ARG.ctx, ARG.u32], TC),
  absent(18, 'bpf_skb_vlan_push', RET.int, [ARG.ctx, ARG.u32, ARG.u32], TC, { invalidatesPacket: true }),
  absent(19, 'bpf_skb_vlan_pop', RET.int, [ARG.ctx], TC, { invalidatesPacket: true }),
];
