/**
 * A packet of the network stack, wholly linear in the VM's memory: what BPF_PROG_TEST_RUN gives to tc, socket filter,
 * cgroup and tunnel programs.
 *
 *      region                       data            data + len
 *      +-----------+------+---------+---------------+-----------+
 *      | headroom  | MAC  | (pulled off where the type  | tailroom |
 *      +-----------+------+---------+---------------+-----------+
 *                  macAt            networkAt
 *
 * The context structure in memory is the state that programs may write; everything else is kept here and written to
 * the context by `sync`.
 */
import { Errno } from '../../errors.js';
import type { ProgSubject } from '../../maps/sock.js';
import type { BpfMemory, Region } from '../../memory/memory.js';
import { RegionKind } from '../../memory/memory.js';
import type { Redirect, SkbCtx } from './contexts.js';
import { SKB } from './sk-buff.js';

export const ETH_HLEN = 14;
/** Headroom of a received packet on x86-64. */
const HEADROOM = 64;
const TAILROOM = 512;
/** Four pages less bookkeeping: the longest packet that helpers make. */
export const SKB_MAX_ALLOC = 16064;

export interface VlanTag {
  /** Network order, as the context shows it. */
  readonly proto: number;
  readonly tci: number;
}

export class PacketSkb implements SkbCtx, ProgSubject {
  readonly ctx: number;
  redirect: Redirect | null = null;
  /** Of the socket that a test run makes up. */
  readonly cookie = 1n << 62n;
  /** Programs of the type may read the packet but not write it. */
  readOnly = false;
  len: number;
  /** Address of the first byte that the program sees. */
  data: number;
  /** Address of the MAC and of the network header. */
  macAt: number;
  networkAt: number;
  /** EtherType in network order. */
  protocol = 0;
  /** PACKET_HOST 0, BROADCAST 1, MULTICAST 2, OTHERHOST 3. */
  pktType = 0;
  vlan: VlanTag | null = null;
  gsoSegs = 0;
  gsoSize = 0;
  readonly memory: BpfMemory;
  private region: Region;
  private readonly ctxRegion: Region;

  /** A packet that starts with its Ethernet header, which the program sees too. */
  constructor(memory: BpfMemory, frame: Uint8Array) {
    this.memory = memory;
    this.ctxRegion = memory.alloc(SKB.size, RegionKind.Ctx, { label: '__sk_buff' });
    this.ctx = this.ctxRegion.base;
    this.region = memory.alloc(HEADROOM + frame.length + TAILROOM, RegionKind.Packet, {
      label: 'packet data',
    });
    this.data = this.region.base + HEADROOM;
    this.macAt = this.data;
    this.networkAt = this.data + ETH_HLEN;
    this.len = frame.length;
    memory.u8.set(frame, this.data);
  }

  destroy(): void {
    this.memory.free(this.region);
    this.memory.free(this.ctxRegion);
  }

  /** The bytes that the program sees. */
  bytes(): Uint8Array {
    return this.memory.u8.slice(this.data, this.data + this.len);
  }

  /** A 32-bit field of the context. */
  field(offset: number): number {
    return this.memory.u32[(this.ctx + offset) >>> 2];
  }

  setField(offset: number, value: number): void {
    this.memory.u32[(this.ctx + offset) >>> 2] = value;
  }

  /** Brings the context into step with the packet. */
  sync(): void {
    this.setField(SKB.len, this.len);
    this.setField(SKB.pktType, this.pktType);
    this.setField(SKB.protocol, this.protocol);
    this.setField(SKB.vlanPresent, this.vlan === null ? 0 : 1);
    this.setField(SKB.vlanTci, this.vlan?.tci ?? 0);
    this.setField(SKB.vlanProto, this.vlan?.proto ?? 0);
    this.setField(SKB.data, this.data);
    this.setField(SKB.dataMeta, this.data);
    this.setField(SKB.dataEnd, this.data + this.len);
    this.setField(SKB.gsoSegs, this.gsoSegs);
    this.setField(SKB.gsoSize, this.gsoSize);
  }

  /** Negative offsets are those of the packet loads: from the network or MAC header. */
  loadBytes(offset: number, to: number, size: number): number {
    if (offset < 0) {
      if (offset < LL_OFFSET) return -Errno.EFAULT;
      return offset < NET_OFFSET
        ? this.loadRelative(0, offset - LL_OFFSET, to, size)
        : this.loadRelative(1, offset - NET_OFFSET, to, size);
    }
    if (offset >>> 0 > 0x7fff_ffff || offset + size > this.len) return -Errno.EFAULT;
    this.memory.u8.copyWithin(to, this.data + offset, this.data + offset + size);
    return 0;
  }

  /** From the MAC (0) or network (1) header. */
  loadRelative(start: number, offset: number, to: number, size: number): number {
    const from = (start === 0 ? this.macAt : this.networkAt) + offset;
    if (offset >>> 0 > 0x7fff_ffff || from + size > this.data + this.len) return -Errno.EFAULT;
    this.memory.u8.copyWithin(to, from, from + size);
    return 0;
  }

  storeBytes(offset: number, from: number, size: number, flags: number): number {
    if (offset >>> 0 > 0x7fff_ffff || offset + size > this.len) return -Errno.EFAULT;
    this.memory.u8.copyWithin(this.data + offset, from, from + size);
    if ((flags & INVALIDATE_HASH) !== 0) this.setField(SKB.hash, 0);
    return 0;
  }

  pullData(size: number): number {
    return size > this.len ? -Errno.ENOMEM : 0;
  }

  /** The tc flavour: not shorter than the headers. */
  changeTail(size: number, flags: number): number {
    const most = SKB_MAX_ALLOC;
    const least = this.networkAt - this.data;
    if (flags !== 0 || size > most || size < Math.max(0, least)) return -Errno.EINVAL;
    if (size > this.len) {
      this.reserve(0, size - this.len);
      this.memory.u8.fill(0, this.data + this.len, this.data + size);
    }
    this.len = size;
    this.sync();
    return 0;
  }

  changeHead(room: number, flags: number): number {
    if (flags !== 0 || room > SKB_MAX_ALLOC || this.len + room > SKB_MAX_ALLOC) return -Errno.EINVAL;
    this.push(room);
    this.macAt = this.data;
    this.sync();
    return 0;
  }

  /** bpf_skb_adjust_room is written with the other header work: see `adjustSkbRoom`. */
  adjustRoom(delta: number, mode: number, flags: number): number {
    return adjustSkbRoom(this, delta, mode, flags);
  }

  /** Makes room: `head` bytes before the data, `tail` bytes after it. The packet may move. */
  reserve(head: number, tail: number): void {
    const { region } = this;
    const haveHead = this.data - region.base;
    const haveTail = region.base + region.size - this.data - this.len;
    if (haveHead >= head && haveTail >= tail) return;
    const front = Math.max(head, haveHead) + HEADROOM;
    const size = front + this.len + tail + TAILROOM;
    const moved = this.memory.alloc(size, RegionKind.Packet, { label: 'packet data' });
    const shift = moved.base + front - this.data;
    // Headers that were pulled off lie before the data: they move along.
    this.memory.u8.copyWithin(this.data + shift - haveHead, region.base, this.data + this.len);
    this.memory.free(region);
    this.region = moved;
    this.data += shift;
    this.macAt += shift;
    this.networkAt += shift;
  }

  /** Zero bytes in front of the data. */
  push(size: number): void {
    this.reserve(size, 0);
    this.data -= size;
    this.len += size;
    this.memory.u8.fill(0, this.data, this.data + size);
  }

  /** Takes bytes off the front. */
  pull(size: number): void {
    this.data += size;
    this.len -= size;
  }

  /** Zero bytes `offset` bytes into the data; what is before moves to the front. */
  insert(offset: number, size: number): void {
    this.push(size);
    const { u8 } = this.memory;
    u8.copyWithin(this.data, this.data + size, this.data + size + offset);
    u8.fill(0, this.data + offset, this.data + offset + size);
    this.macAt -= size;
    this.networkAt -= size;
  }

  /** Takes bytes out, `offset` bytes into the data. */
  remove(offset: number, size: number): void {
    this.memory.u8.copyWithin(this.data + size, this.data, this.data + offset);
    this.pull(size);
    this.macAt += size;
    this.networkAt += size;
  }
}

const INVALIDATE_HASH = 2;
/** SKF_NET_OFF and SKF_LL_OFF. */
const NET_OFFSET = -0x10_0000;
const LL_OFFSET = -0x20_0000;

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;

/** A 16-bit value of the network as a little-endian load gives it. */
export const swap16 = (value: number): number => ((value & 0xff) << 8) | (value >>> 8);

/** Bytes of the network header that must stay: IPv4's or IPv6's without options; 0 for other protocols. */
export function ipHeaderLength(skb: PacketSkb): number {
  const protocol = swap16(skb.protocol);
  return protocol === ETH_P_IP ? 20 : protocol === ETH_P_IPV6 ? 40 : 0;
}

const MAX_ADJUST = 0xfff;
const ADJ_ROOM_NET = 0;
const ADJ_ROOM_MAC = 1;

const FIXED_GSO = 1 << 0;
const ENCAP_L3_IPV4 = 1 << 1;
const ENCAP_L3_IPV6 = 1 << 2;
const ENCAP_L4_GRE = 1 << 3;
const ENCAP_L4_UDP = 1 << 4;
const NO_CSUM_RESET = 1 << 5;
const ENCAP_L2_ETH = 1 << 6;
const DECAP_L3_IPV4 = 1 << 7;
const DECAP_L3_IPV6 = 1 << 8;
const ENCAP = ENCAP_L3_IPV4 | ENCAP_L3_IPV6 | ENCAP_L4_GRE | ENCAP_L4_UDP | ENCAP_L2_ETH;
const DECAP = DECAP_L3_IPV4 | DECAP_L3_IPV6;
const L2_LENGTH_SHIFT = 24;
const KNOWN_FLAGS = FIXED_GSO | ENCAP | NO_CSUM_RESET | DECAP | (0xff << L2_LENGTH_SHIFT);

/** bpf_skb_adjust_room of tc: room between the MAC and the network header, or behind the network header. */
function adjustSkbRoom(skb: PacketSkb, delta: number, mode: number, flags: number): number {
  const macLength = skb.networkAt - skb.macAt;
  const size = Math.abs(delta);
  const shrink = delta < 0;
  if ((flags & ~KNOWN_FLAGS) !== 0) return -Errno.EINVAL;
  if (size > MAX_ADJUST) return -Errno.EFAULT;
  const ipLength = ipHeaderLength(skb);
  if (ipLength === 0) return -Errno.ENOTSUPP;
  if (mode !== ADJ_ROOM_NET && mode !== ADJ_ROOM_MAC) return -Errno.ENOTSUPP;
  let least = mode === ADJ_ROOM_NET ? ipLength : 0;
  if ((flags & DECAP) !== 0) {
    if (!shrink || (flags & DECAP) === DECAP || (flags & ENCAP) !== 0) return -Errno.EINVAL;
    least = (flags & DECAP_L3_IPV6) !== 0 ? 40 : 20;
  }
  const offset = skb.networkAt - skb.data + (mode === ADJ_ROOM_NET ? ipLength : 0);
  const lengthAtNetwork = skb.len - (skb.networkAt - skb.data);
  if (shrink && (size >= lengthAtNetwork || lengthAtNetwork - size < least)) return -Errno.ENOTSUPP;
  if (!shrink && (flags & ENCAP) !== 0) {
    const refused = checkEncapsulation(flags, size);
    if (refused !== 0) return refused;
  }
  if (!shrink && skb.len + size > SKB_MAX_ALLOC) return -Errno.ENOTSUPP;
  if (shrink) skb.remove(offset, size);
  else skb.insert(offset, size);
  skb.macAt = skb.data;
  skb.networkAt = skb.data + macLength;
  if (shrink && (flags & DECAP_L3_IPV4) !== 0) skb.protocol = swap16(ETH_P_IP);
  if (shrink && (flags & DECAP_L3_IPV6) !== 0) skb.protocol = swap16(ETH_P_IPV6);
  if (!shrink && (flags & ENCAP_L3_IPV6) !== 0) skb.protocol = swap16(ETH_P_IPV6);
  if (!shrink && (flags & ENCAP_L3_IPV4) !== 0) skb.protocol = swap16(ETH_P_IP);
  skb.sync();
  return 0;
}

/** One outer network header, at most one transport, and room for both. */
function checkEncapsulation(flags: number, size: number): number {
  const l3 = flags & (ENCAP_L3_IPV4 | ENCAP_L3_IPV6);
  if (l3 === (ENCAP_L3_IPV4 | ENCAP_L3_IPV6) || l3 === 0) return -Errno.EINVAL;
  if ((flags & ENCAP_L4_GRE) !== 0 && (flags & ENCAP_L4_UDP) !== 0) return -Errno.EINVAL;
  if ((flags & ENCAP_L2_ETH) !== 0 && flags >>> L2_LENGTH_SHIFT < ETH_HLEN) return -Errno.EINVAL;
  return flags >>> L2_LENGTH_SHIFT > size ? -Errno.EINVAL : 0;
}
