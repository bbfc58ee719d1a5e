/** Helpers: checksums. */
import { Errno } from '../errors.js';
import { PacketSkb } from '../progs/ctx/packet-skb.js';
import { csum16Add, csumAdd, csumFold, csumFrom32To16, csumPartial, csumSub } from './checksum.js';
import { ProgType } from '../progs/prog-types.js';
import { TC, LWT } from './prog-sets.js';
import type { Helper } from './proto.js';
import { ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

const HDR_FIELD_MASK = 0xf;
const PSEUDO_HDR = 1 << 4;
const MARK_MANGLED_0 = 1 << 5;
const MARK_ENFORCE = 1 << 6;

/** Sizes of the field that changes; 0: `to` is a difference already. */
const SIZES = [0, 2, 4];

/** The checksum field `sum` when the word `from` becomes `to`. */
function replaced(sum: number, from: number, to: number, size: number): number {
  if (size === 2) return ~csum16Add(csum16Add(~sum & 0xffff, ~from & 0xffff), to & 0xffff) & 0xffff;
  const kept = ~sum & 0xffff;
  return csumFold(size === 0 ? csumAdd(to, kept) : csumAdd(csumSub(kept, from), to));
}

function l3CsumReplace(
  run: RunState,
  _ctx: number,
  offset: number,
  from: number,
  fromHi: number,
  to: number,
  toHi: number,
  flags: number,
  flagsHi: number,
): number {
  const { skb } = run;
  if (!(skb instanceof PacketSkb)) return -Errno.EOPNOTSUPP;
  if ((flags & ~HDR_FIELD_MASK) !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  if (offset >>> 0 > 0xffff || (offset & 1) !== 0 || offset + 2 > skb.len) return -Errno.EFAULT;
  const size = flags & HDR_FIELD_MASK;
  if (!SIZES.includes(size)) return -Errno.EINVAL;
  if (size === 0 && (from !== 0 || fromHi !== 0 || toHi !== 0)) return -Errno.EINVAL;
  const { view } = skb.memory;
  const field = skb.data + offset;
  view.setUint16(field, replaced(view.getUint16(field, true), from, to, size), true);
  return 0;
}

/** A UDP checksum of 0 means that there is none: it stays, and never comes about. */
function l4CsumReplace(
  run: RunState,
  _ctx: number,
  offset: number,
  from: number,
  fromHi: number,
  to: number,
  toHi: number,
  flags: number,
  flagsHi: number,
): number {
  const { skb } = run;
  if (!(skb instanceof PacketSkb)) return -Errno.EOPNOTSUPP;
  const known = MARK_MANGLED_0 | MARK_ENFORCE | PSEUDO_HDR | HDR_FIELD_MASK;
  if ((flags & ~known) !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  if (offset >>> 0 > 0xffff || (offset & 1) !== 0 || offset + 2 > skb.len) return -Errno.EFAULT;
  const { view } = skb.memory;
  const field = skb.data + offset;
  const isUdp = (flags & MARK_MANGLED_0) !== 0;
  if (isUdp && (flags & MARK_ENFORCE) === 0 && view.getUint16(field, true) === 0) return 0;
  const size = flags & HDR_FIELD_MASK;
  if (!SIZES.includes(size)) return -Errno.EINVAL;
  if (size === 0 && (from !== 0 || fromHi !== 0 || toHi !== 0)) return -Errno.EINVAL;
  const mask = size === 2 ? 0xffff : -1;
  const sum = replaced(view.getUint16(field, true), from & mask, to & mask, size === 2 ? 4 : size);
  view.setUint16(field, isUdp && sum === 0 ? 0xffff : sum, true);
  return 0;
}

/** The sum of `to` less that of `from`, on top of `seed`, folded to 16 bits; sizes are multiples of 4. */
function csumDiff(
  run: RunState,
  from: number,
  fromSize: number,
  to: number,
  toSize: number,
  seed: number,
): number {
  run.retHi = 0;
  if (((fromSize | toSize) & 3) !== 0) {
    run.retHi = -1;
    return -Errno.EINVAL;
  }
  const { u8 } = run.vm.memory;
  let sum = seed >>> 0;
  if (toSize > 0) {
    sum = csumPartial(u8, to, toSize, sum);
    if (fromSize > 0) sum = csumSub(sum, csumPartial(u8, from, fromSize, 0));
  } else if (fromSize > 0) sum = ~csumPartial(u8, from, fromSize, ~sum >>> 0) >>> 0;
  return csumFrom32To16(sum);
}

/** Packets of a test run carry no checksum of the hardware to update. */
function csumUpdate(run: RunState): number {
  run.retHi = -1;
  return -Errno.ENOTSUPP;
}

const BPF_CSUM_LEVEL_QUERY = 0;
const BPF_CSUM_LEVEL_RESET = 3;

/** No packet has had checksums verified in advance: there is no level to query. */
function csumLevel(_run: RunState, _ctx: number, level: number, levelHi: number): number {
  if (levelHi !== 0 || level < 0 || level > BPF_CSUM_LEVEL_RESET) return -Errno.EINVAL;
  return level === BPF_CSUM_LEVEL_QUERY ? -Errno.EACCES : 0;
}

export const CSUM_HELPERS: readonly Helper[] = [
  helper(
    10,
    'bpf_l3_csum_replace',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.u64, ARG.u64, ARG.u64],
    [...TC, ProgType.LwtXmit],
    l3CsumReplace,
    { invalidatesPacket: true },
  ),
  helper(
    11,
    'bpf_l4_csum_replace',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.u64, ARG.u64, ARG.u64],
    [...TC, ProgType.LwtXmit],
    l4CsumReplace,
    { invalidatesPacket: true },
  ),
  helper(
    28,
    'bpf_csum_diff',
    RET.u64,
    [ARG.memReadOrNull, ARG.sizeOrZero, ARG.memReadOrNull, ARG.sizeOrZero, ARG.u32],
    [...LWT, ...TC, ProgType.Xdp],
    csumDiff,
    { pktAccess: true },
  ),
  helper(40, 'bpf_csum_update', RET.u64, [ARG.ctx, ARG.u32], [...TC, ProgType.LwtXmit], csumUpdate),
  helper(135, 'bpf_csum_level', RET.int, [ARG.ctx, ARG.u64], [...TC, ProgType.LwtXmit], csumLevel),
];
