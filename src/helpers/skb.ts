/** Helpers: the bytes of a packet. */
import { Errno } from '../errors.js';
import type { VlanTag } from '../progs/ctx/packet-skb.js';
import { PacketSkb, swap16 } from '../progs/ctx/packet-skb.js';
import { SKB } from '../progs/ctx/sk-buff.js';
import { ProgType } from '../progs/prog-types.js';
import { TC, LWT } from './prog-sets.js';
import type { Helper } from './proto.js';
import { ARG, helper, RET } from './proto.js';
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

const START_MAC = 0;
const START_NET = 1;

function skbLoadBytesRelative(
  run: RunState,
  _ctx: number,
  offset: number,
  to: number,
  size: number,
  start: number,
): number {
  const { skb } = run;
  let result: number = -Errno.EFAULT;
  if (!(skb instanceof PacketSkb)) result = -Errno.EOPNOTSUPP;
  else if (start === START_MAC || start === START_NET) result = skb.loadRelative(start, offset, to, size);
  if (result < 0) run.vm.memory.u8.fill(0, to, to + size);
  return result;
}

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
/** An IPv6 header is longer by this. */
const HEADER_DIFFERENCE = 20;

/** Makes room for the other IP version's header, or takes it; the program writes the header itself. */
function skbChangeProto(run: RunState, _ctx: number, proto: number, flags: number, flagsHi: number): number {
  const { skb } = run;
  if (!(skb instanceof PacketSkb)) return -Errno.EOPNOTSUPP;
  if (flags !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  const from = swap16(skb.protocol);
  const to = swap16(proto & 0xffff);
  const macLength = skb.networkAt - skb.macAt;
  if (from === ETH_P_IP && to === ETH_P_IPV6) skb.insert(macLength, HEADER_DIFFERENCE);
  else if (from === ETH_P_IPV6 && to === ETH_P_IP) {
    if (skb.len < macLength + HEADER_DIFFERENCE) return -Errno.ENOMEM;
    skb.remove(macLength, HEADER_DIFFERENCE);
  } else return -Errno.ENOTSUPP;
  skb.macAt = skb.data;
  skb.networkAt = skb.data + macLength;
  skb.protocol = proto & 0xffff;
  skb.setField(SKB.hash, 0);
  skb.sync();
  return 0;
}

const PACKET_OTHERHOST = 3;

function skbChangeType(run: RunState, _ctx: number, type: number): number {
  const { skb } = run;
  if (!(skb instanceof PacketSkb)) return -Errno.EOPNOTSUPP;
  if (type >>> 0 > PACKET_OTHERHOST || skb.pktType > PACKET_OTHERHOST) return -Errno.EINVAL;
  skb.pktType = type;
  skb.sync();
  return 0;
}

const ETH_P_8021Q = 0x8100;
const ETH_P_8021AD = 0x88a8;
const isVlan = (type: number): boolean => type === ETH_P_8021Q || type === ETH_P_8021AD;
const MAC_ADDRESSES = 12;
const VLAN_HLEN = 4;

/** A tag beside the packet; one that is there already goes into the bytes. */
function skbVlanPush(run: RunState, _ctx: number, proto: number, tci: number): number {
  const { skb } = run;
  if (!(skb instanceof PacketSkb)) return -Errno.EOPNOTSUPP;
  const type = isVlan(swap16(proto & 0xffff)) ? proto & 0xffff : swap16(ETH_P_8021Q);
  if (skb.vlan !== null) {
    skb.insert(MAC_ADDRESSES, VLAN_HLEN);
    const { view } = skb.memory;
    view.setUint16(skb.data + MAC_ADDRESSES, skb.vlan.proto, true);
    view.setUint16(skb.data + MAC_ADDRESSES + 2, skb.vlan.tci);
    skb.macAt = skb.data;
    skb.protocol = skb.vlan.proto;
    skb.networkAt = skb.macAt + MAC_ADDRESSES + 2 + VLAN_HLEN;
  }
  skb.vlan = { proto: type, tci: tci & 0xffff };
  skb.sync();
  return 0;
}

/** Takes the tag beside the packet off; the next one in the bytes takes its place. */
function skbVlanPop(run: RunState): number {
  const { skb } = run;
  if (!(skb instanceof PacketSkb)) return -Errno.EOPNOTSUPP;
  if (skb.vlan === null && isVlan(swap16(skb.protocol))) popFromBytes(skb);
  skb.vlan = null;
  if (isVlan(swap16(skb.protocol))) skb.vlan = popFromBytes(skb);
  skb.sync();
  return 0;
}

function popFromBytes(skb: PacketSkb): VlanTag | null {
  if (skb.len < MAC_ADDRESSES + 2 + VLAN_HLEN) return null;
  const { view } = skb.memory;
  const tag = { proto: skb.protocol, tci: view.getUint16(skb.data + MAC_ADDRESSES + 2) };
  skb.remove(MAC_ADDRESSES, VLAN_HLEN);
  skb.macAt = skb.data;
  skb.protocol = view.getUint16(skb.data + MAC_ADDRESSES, true);
  skb.networkAt = skb.macAt + MAC_ADDRESSES + 2;
  return tag;
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
  helper(
    68,
    'bpf_skb_load_bytes_relative',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.memUninit, ARG.size, ARG.u32],
    [...TC, ProgType.SocketFilter, ProgType.CgroupSkb, ProgType.SkReuseport],
    skbLoadBytesRelative,
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
  helper(31, 'bpf_skb_change_proto', RET.int, [ARG.ctx, ARG.u32, ARG.u64], TC, skbChangeProto, {
    invalidatesPacket: true,
  }),
  helper(32, 'bpf_skb_change_type', RET.int, [ARG.ctx, ARG.u32], TC, skbChangeType),
  helper(18, 'bpf_skb_vlan_push', RET.int, [ARG.ctx, ARG.u32, ARG.u32], TC, skbVlanPush, {
    invalidatesPacket: true,
  }),
  helper(19, 'bpf_skb_vlan_pop', RET.int, [ARG.ctx], TC, skbVlanPop, { invalidatesPacket: true }),
];
