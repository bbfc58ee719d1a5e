/**
 * A socket buffer. Its payload is a list of byte arrays that nobody changes; the linear part (what programs reach
 * through `data` and `data_end`) moves into the VM's memory when a program can see it, and out when another buffer
 * needs the place.
 *
 *      resident:      [ linear part in the packet area ][ frags ... ]
 *      not resident:  [ frags ........................................ ], of which `headLen` bytes count as linear
 */
import { Errno } from '../../errors.js';
import type { ProgSubject } from '../../maps/sock.js';
import type { Redirect, SkbCtx } from './contexts.js';
import type { AreaOwner, PacketArea } from './packet-area.js';
import type { AddressLayout, SockFields } from './sock-fields.js';
import { writeAddresses } from './sock-fields.js';

/** Offsets in `struct __sk_buff` (UAPI); sizes are 4 unless noted. */
export const SKB = {
  len: 0,
  pktType: 4,
  mark: 8,
  queueMapping: 12,
  protocol: 16,
  vlanPresent: 20,
  vlanTci: 24,
  vlanProto: 28,
  priority: 32,
  ingressIfindex: 36,
  ifindex: 40,
  tcIndex: 44,
  /** Five words. */
  cb: 48,
  hash: 68,
  tcClassid: 72,
  data: 76,
  dataEnd: 80,
  napiId: 84,
  family: 88,
  remoteIp4: 92,
  localIp4: 96,
  remoteIp6: 100,
  localIp6: 116,
  remotePort: 132,
  localPort: 136,
  dataMeta: 140,
  /** 8 bytes. */
  flowKeys: 144,
  /** 8 bytes. */
  tstamp: 152,
  wireLen: 160,
  gsoSegs: 164,
  /** 8 bytes. */
  sk: 168,
  gsoSize: 176,
  /** 1 byte. */
  tstampType: 180,
  /** 8 bytes. */
  hwtstamp: 184,
  size: 192,
} as const;

const ADDRESSES: AddressLayout = SKB;

/** Longest buffer that the helpers which lengthen one allow: four pages less the kernel's bookkeeping. */
export const SKB_MAX_LEN = 16064;
const MAX_ADJUST = 0xfff;
const ALLOWED_STORE_FLAGS = 3;

/** Words of the context that a program type wants other than zero. */
export interface SkbMeta {
  protocol?: number;
  priority?: number;
  tcIndex?: number;
  hash?: number;
  ifindex?: number;
  ingressIfindex?: number;
}

export class SkBuff implements SkbCtx, ProgSubject, AreaOwner {
  len: number;
  /** Bytes that are linear. */
  headLen: number;
  redirect: Redirect | null = null;
  /** The end of the stream follows these bytes. */
  fin = false;
  readonly meta: SkbMeta;
  ctx = 0;
  /** Socket whose fields the context shows. */
  sock: SockFields | null = null;
  protected readonly area: PacketArea;
  private frags: Uint8Array[];
  /** Address of the linear part, or 0 where it is not in the area. */
  private data = 0;
  private running = false;

  /** `frags` are kept, not copied. `headLen` bytes count as linear; -1: all. */
  constructor(area: PacketArea, frags: Uint8Array[], headLen = 0, meta: SkbMeta = {}) {
    this.area = area;
    this.frags = frags;
    this.len = totalLength(frags);
    this.headLen = headLen < 0 ? this.len : headLen;
    this.meta = meta;
  }

  get cookie(): bigint {
    return this.sock?.cookie ?? 0n;
  }

  /** A second buffer with the same bytes; later writes to one do not show in the other. */
  clone(): SkBuff {
    const other = new SkBuff(this.area, [...this.contents()], this.headLen, { ...this.meta });
    other.sock = this.sock;
    return other;
  }

  /** Appends the bytes of another buffer as its own, not linear. */
  append(other: SkBuff): void {
    this.frags.push(...other.contents());
    this.len += other.len;
  }

  /** All bytes, as arrays that stay as they are. */
  contents(): readonly Uint8Array[] {
    this.evict();
    return this.frags;
  }

  /** Number of byte arrays, the linear part not counted. */
  get fragCount(): number {
    return this.frags.length;
  }

  /** The bytes of a range, as views. */
  range(offset: number, length: number): Uint8Array[] {
    return sliceFrags(this.contents(), offset, length);
  }

  /**
   * Fills the context and, where the program looks at data, brings the linear part into memory.
   * `sockAddress` is the address of the socket's `struct bpf_sock`, 0 for none.
   */
  enter(sockAddress: number, usesData: boolean): void {
    const { memory } = this.area;
    this.ctx = this.area.context(SKB.size, '__sk_buff');
    this.redirect = null;
    this.running = true;
    if (usesData && this.headLen > 0) this.makeLinear(this.headLen);
    const { u32 } = memory;
    const at = this.ctx >>> 2;
    u32.fill(0, at, at + (SKB.size >>> 2));
    const { meta } = this;
    u32[at + (SKB.protocol >>> 2)] = meta.protocol ?? 0;
    u32[at + (SKB.priority >>> 2)] = meta.priority ?? 0;
    u32[at + (SKB.tcIndex >>> 2)] = meta.tcIndex ?? 0;
    u32[at + (SKB.hash >>> 2)] = meta.hash ?? 0;
    u32[at + (SKB.ifindex >>> 2)] = meta.ifindex ?? 0;
    u32[at + (SKB.ingressIfindex >>> 2)] = meta.ingressIfindex ?? 0;
    u32[at + (SKB.sk >>> 2)] = sockAddress;
    if (this.sock !== null) writeAddresses(memory, this.ctx, ADDRESSES, this.sock);
    this.sync();
  }

  /** After the run: keeps what the program wrote to the context. */
  leave(): void {
    const { u32 } = this.area.memory;
    this.meta.priority = u32[(this.ctx + SKB.priority) >>> 2];
    this.meta.tcIndex = u32[(this.ctx + SKB.tcIndex) >>> 2];
    this.running = false;
  }

  evict(): void {
    if (this.data === 0) return;
    if (this.headLen > 0) this.frags.unshift(this.area.memory.u8.slice(this.data, this.data + this.headLen));
    this.data = 0;
    this.area.leave(this);
  }

  loadBytes(offset: number, to: number, size: number): number {
    const { u8 } = this.area.memory;
    if (offset >>> 0 > 0x7fff_ffff || offset + size > this.len) {
      u8.fill(0, to, to + size);
      return -Errno.EFAULT;
    }
    let at = offset;
    let target = to;
    let left = size;
    if (this.data !== 0) {
      const linear = Math.min(left, this.headLen - at);
      if (linear > 0) {
        u8.copyWithin(target, this.data + at, this.data + at + linear);
        target += linear;
        left -= linear;
        at = 0;
      } else at -= this.headLen;
    }
    for (const piece of left > 0 ? sliceFrags(this.frags, at, left) : []) {
      u8.set(piece, target);
      target += piece.length;
    }
    return 0;
  }

  storeBytes(offset: number, from: number, size: number, flags: number): number {
    if ((flags & ~ALLOWED_STORE_FLAGS) !== 0) return -Errno.EINVAL;
    if (offset >>> 0 > 0x7fff_ffff || offset + size > this.len) return -Errno.EFAULT;
    this.makeLinear(Math.max(this.headLen, offset + size));
    this.area.memory.u8.copyWithin(this.data + offset, from, from + size);
    this.sync();
    return 0;
  }

  pullData(size: number): number {
    const want = size === 0 ? this.headLen : size >>> 0;
    if (want > this.len) return -Errno.ENOMEM;
    this.makeLinear(Math.max(this.headLen, want));
    this.sync();
    return 0;
  }

  /** The sk_skb flavour: no lower bound, as there are no headers in front. */
  changeTail(size: number, flags: number): number {
    const want = size >>> 0;
    if (flags !== 0 || want > SKB_MAX_LEN) return -Errno.EINVAL;
    this.makeLinear(this.len);
    if (want > this.len) this.growTail(want - this.len);
    else this.len = this.headLen = want;
    this.sync();
    return 0;
  }

  changeHead(room: number, flags: number): number {
    if (flags !== 0 || room >>> 0 > SKB_MAX_LEN || this.len + room > SKB_MAX_LEN) return -Errno.EINVAL;
    this.push(room);
    this.sync();
    return 0;
  }

  /** The sk_skb flavour: room is made or taken at the very front. */
  adjustRoom(delta: number, mode: number, flags: number): number {
    if (flags !== 0 || mode !== 0) return -Errno.EINVAL;
    if (Math.abs(delta) > MAX_ADJUST) return -Errno.EFAULT;
    if (delta < 0) {
      if (-delta > this.len) return -Errno.ENOMEM;
      this.makeLinear(Math.max(this.headLen, -delta));
      this.pull(-delta);
    } else this.push(delta);
    this.sync();
    return 0;
  }

  /** Adds `size` zero bytes in front. */
  protected push(size: number): void {
    this.makeLinear(this.headLen);
    if (this.data - size < this.area.floor) this.moveTo(size);
    this.data -= size;
    this.area.memory.u8.fill(0, this.data, this.data + size);
    this.headLen += size;
    this.len += size;
  }

  /** Removes `size` linear bytes in front. */
  protected pull(size: number): void {
    this.data += size;
    this.headLen -= size;
    this.len -= size;
  }

  /** Adds `size` zero bytes at the end of a wholly linear buffer. */
  protected growTail(size: number): void {
    const end = this.headLen;
    if (this.area.roomAt(this.data) < end + size) this.reload(end, end + size);
    this.area.memory.u8.fill(0, this.data + end, this.data + end + size);
    this.headLen += size;
    this.len += size;
  }

  /** Brings the first `size` bytes into the area and makes them linear. */
  protected makeLinear(size: number): void {
    if (this.data === 0) this.reload(size, size);
    else if (size > this.headLen) {
      if (this.area.roomAt(this.data) < size) this.reload(size, size);
      else this.copyIn(this.headLen, size - this.headLen);
    }
    this.headLen = size;
  }

  /** Brings the first `size` bytes to the start of an area that holds `capacity`. */
  private reload(size: number, capacity: number): void {
    this.evict();
    this.data = this.area.claim(this, capacity);
    this.copyIn(0, size);
  }

  /** Moves the linear part to the right by `room` bytes. */
  private moveTo(room: number): void {
    const size = this.headLen;
    this.evict();
    this.data = this.area.claim(this, size + room) + room;
    this.copyIn(0, size);
  }

  /** Takes `size` bytes from the front of the frags to `at` in the area. */
  private copyIn(at: number, size: number): void {
    const { u8 } = this.area.memory;
    let to = this.data + at;
    let left = size;
    let used = 0;
    while (left > 0) {
      const frag = this.frags[used];
      if (frag.length > left) {
        u8.set(frag.subarray(0, left), to);
        this.frags[used] = frag.subarray(left);
        break;
      }
      u8.set(frag, to);
      to += frag.length;
      left -= frag.length;
      used++;
    }
    if (used > 0) this.frags.splice(0, used);
  }

  /** Brings `len`, `data` and `data_end` of the context into step. */
  private sync(): void {
    if (!this.running) return;
    const { u32 } = this.area.memory;
    const at = this.ctx >>> 2;
    const data = this.data === 0 ? this.area.start : this.data;
    u32[at + (SKB.len >>> 2)] = this.len;
    u32[at + (SKB.data >>> 2)] = data;
    u32[at + (SKB.dataMeta >>> 2)] = data;
    u32[at + (SKB.dataEnd >>> 2)] = data + this.headLen;
  }
}

export function totalLength(frags: readonly Uint8Array[]): number {
  let sum = 0;
  for (const frag of frags) sum += frag.length;
  return sum;
}

/** Views of `length` bytes from `offset` on. */
export function sliceFrags(frags: readonly Uint8Array[], offset: number, length: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  let skip = offset;
  let left = length;
  for (const frag of frags) {
    if (left <= 0) break;
    if (skip >= frag.length) {
      skip -= frag.length;
      continue;
    }
    const piece =
      skip === 0 && left >= frag.length ? frag : frag.subarray(skip, Math.min(frag.length, skip + left));
    out.push(piece);
    left -= piece.length;
    skip = 0;
  }
  return out;
}
