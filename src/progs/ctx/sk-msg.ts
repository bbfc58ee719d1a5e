/**
 * A message that is being sent: a scatter list of at most 17 elements of at most 32 KiB each as the kernel collects it,
 * fewer and longer where a program has pulled elements together. A program sees one element (or, after a pull, a part
 * of one) through `data` and `data_end`.
 */
import { Errno } from '../../errors.js';
import type { ProgSubject } from '../../maps/sock.js';
import type { MsgCtx, Redirect } from './contexts.js';
import type { AreaOwner, PacketArea } from './packet-area.js';
import type { AddressLayout, SockFields } from './sock-fields.js';
import { sliceFrags } from './sk-buff.js';
import { writeAddresses } from './sock-fields.js';

/** Offsets in `struct sk_msg_md` (UAPI). */
export const MSG = {
  /** 8 bytes each. */
  data: 0,
  dataEnd: 8,
  family: 16,
  remoteIp4: 20,
  localIp4: 24,
  remoteIp6: 28,
  localIp6: 44,
  remotePort: 60,
  localPort: 64,
  size: 68,
  /** 8 bytes. */
  sk: 72,
  bytes: 80,
} as const;

const ADDRESSES: AddressLayout = MSG;

/** Elements of the scatter list. */
export const MAX_MSG_FRAGS = 17;
/** Bytes that one element takes when data are copied in. */
export const MSG_FRAG_BYTES = 32768;
/** The largest run of pages that the kernel's allocator gives. */
const MAX_ALLOC = 1 << 22;

export class SkMsg implements MsgCtx, ProgSubject, AreaOwner {
  applyBytes = 0;
  corkBytes = 0;
  redirect: Redirect | null = null;
  ctx = 0;
  /** Socket whose fields the context shows. */
  sock: SockFields | null = null;
  private elems: Uint8Array[] = [];
  private total = 0;
  private readonly area: PacketArea;
  /** Index of the element that is in the area, or -1. */
  private resident = -1;
  private running = false;
  /** What data and data_end cover: bytes of an element. */
  private window = { elem: 0, from: 0, to: 0 };

  constructor(area: PacketArea) {
    this.area = area;
  }

  get size(): number {
    return this.total;
  }

  /** Bytes of the first element. */
  get firstLength(): number {
    return this.elems.length > 0 ? this.elems[0].length : 0;
  }

  get isFull(): boolean {
    return this.elems.length >= MAX_MSG_FRAGS;
  }

  /** Takes as much of `bytes`, which nobody changes any more, as fits: how many. The last element is filled up first. */
  append(bytes: Uint8Array): number {
    this.evict();
    let done = 0;
    const last = this.elems.length - 1;
    if (last >= 0 && bytes.length > 0) {
      const room = MSG_FRAG_BYTES - this.elems[last].length;
      if (room > 0) {
        done = Math.min(room, bytes.length);
        this.elems[last] = concat(this.elems[last], bytes.subarray(0, done));
      }
    }
    while (done < bytes.length && !this.isFull) {
      const take = Math.min(MSG_FRAG_BYTES, bytes.length - done);
      this.elems.push(bytes.subarray(done, done + take));
      done += take;
    }
    this.total += done;
    return done;
  }

  /** The first `bytes` bytes, which stay. */
  peek(bytes: number): Uint8Array[] {
    this.evict();
    return sliceFrags(this.elems, 0, bytes);
  }

  /** Removes the first `bytes` bytes and returns them. */
  take(bytes: number): Uint8Array[] {
    this.evict();
    const out: Uint8Array[] = [];
    let left = Math.min(bytes, this.total);
    this.total -= left;
    while (left > 0) {
      const elem = this.elems[0];
      if (elem.length > left) {
        out.push(elem.subarray(0, left));
        this.elems[0] = elem.subarray(left);
        break;
      }
      out.push(elem);
      this.elems.shift();
      left -= elem.length;
    }
    return out;
  }

  /** Throws the contents away, forgets apply, cork and redirect; returns the bytes freed. */
  clear(): number {
    const freed = this.total;
    this.evict();
    this.elems = [];
    this.total = 0;
    this.applyBytes = 0;
    this.corkBytes = 0;
    this.redirect = null;
    return freed;
  }

  /** Fills the context; brings the first element into memory where the program looks at data. */
  enter(sockAddress: number, usesData: boolean): void {
    const { memory } = this.area;
    this.ctx = this.area.context(MSG.bytes, 'sk_msg_md');
    this.running = true;
    const at = this.ctx >>> 2;
    memory.u32.fill(0, at, at + (MSG.bytes >>> 2));
    if (this.sock !== null) writeAddresses(memory, this.ctx, ADDRESSES, this.sock);
    memory.u32[at + (MSG.sk >>> 2)] = sockAddress;
    if (usesData) this.showFirst();
    else this.sync();
  }

  /** After the run. */
  leave(): void {
    this.running = false;
  }

  evict(): void {
    if (this.resident < 0) return;
    const { start, memory } = this.area;
    this.elems[this.resident] = memory.u8.slice(start, start + this.elems[this.resident].length);
    this.resident = -1;
    this.area.leave(this);
  }

  pullData(start: number, end: number, flags: number): number {
    const from = start >>> 0;
    const to = end >>> 0;
    if (flags !== 0 || to <= from) return -Errno.EINVAL;
    const first = this.locate(from);
    if (first.offset + (this.elems[first.index]?.length ?? 0) <= from) return -Errno.EINVAL;
    let last = first.index;
    let covered = this.elems[last].length;
    const wanted = to - first.offset;
    while (covered < wanted && last + 1 < this.elems.length) covered += this.elems[++last].length;
    if (covered < wanted) return -Errno.EINVAL;
    if (last > first.index) {
      if (covered > MAX_ALLOC) return -Errno.ENOMEM;
      this.evict();
      const count = last - first.index + 1;
      this.elems.splice(first.index, count, concat(...this.elems.slice(first.index, first.index + count)));
    }
    this.show(first.index, from - first.offset, to - first.offset);
    return 0;
  }

  pushData(start: number, size: number, flags: number): number {
    const at = start >>> 0;
    const length = size >>> 0;
    if (flags !== 0) return -Errno.EINVAL;
    if (length === 0) return 0;
    if (at > this.total) return -Errno.EINVAL;
    if (length > MAX_ALLOC) return -Errno.ENOMEM;
    this.evict();
    const place = this.locate(at);
    const space = MAX_MSG_FRAGS - this.elems.length;
    const inside = at - place.offset;
    const index = Math.min(place.index, this.elems.length - 1);
    const elem = this.elems[index];
    const gap = new Uint8Array(length);
    if (space <= 0 || (space === 1 && inside !== 0 && inside < elem.length)) {
      this.elems[index] = concat(elem.subarray(0, inside), gap, elem.subarray(inside));
    } else if (inside === 0) this.elems.splice(index, 0, gap);
    else if (inside >= elem.length) this.elems.splice(index + 1, 0, gap);
    else this.elems.splice(index, 1, elem.subarray(0, inside), gap, elem.subarray(inside));
    this.total += length;
    this.showFirst();
    return 0;
  }

  popData(start: number, size: number, flags: number): number {
    const from = start >>> 0;
    const length = size >>> 0;
    if (flags !== 0) return -Errno.EINVAL;
    if (length === 0) return 0;
    if (from >= this.total || from + length > this.total) return -Errno.EINVAL;
    this.evict();
    const place = this.locate(from);
    let { index } = place;
    let left = length;
    const inside = from - place.offset;
    if (inside > 0) {
      const elem = this.elems[index];
      const behind = elem.length - inside - left;
      if (behind > 0) {
        this.popInside(index, inside, left);
        left = 0;
      } else {
        left -= elem.length - inside;
        this.elems[index] = elem.subarray(0, inside);
        index++;
      }
    }
    while (left > 0) {
      const elem = this.elems[index];
      if (left < elem.length) {
        this.elems[index] = elem.subarray(left);
        left = 0;
      } else {
        left -= elem.length;
        this.elems.splice(index, 1);
      }
    }
    this.total -= length;
    this.showFirst();
    return 0;
  }

  /** Cuts a hole into an element: two elements where there is room for one more, otherwise one of the rest. */
  private popInside(index: number, inside: number, length: number): void {
    const elem = this.elems[index];
    const front = elem.subarray(0, inside);
    const back = elem.subarray(inside + length);
    if (this.elems.length < MAX_MSG_FRAGS) this.elems.splice(index, 1, front, back);
    else this.elems[index] = concat(front, back);
  }

  /** The element that holds byte `at` and the offset of its first byte; behind the last where there is none. */
  private locate(at: number): { index: number; offset: number } {
    let offset = 0;
    for (let index = 0; index < this.elems.length; index++) {
      const { length } = this.elems[index];
      if (at < offset + length) return { index, offset };
      if (index + 1 === this.elems.length) return { index, offset };
      offset += length;
    }
    return { index: 0, offset: 0 };
  }

  private showFirst(): void {
    if (this.elems.length > 0) this.show(0, 0, this.elems[0].length);
    else {
      this.window = { elem: 0, from: 0, to: 0 };
      this.sync();
    }
  }

  private show(elem: number, from: number, to: number): void {
    if (this.resident !== elem) {
      this.evict();
      const bytes = this.elems[elem];
      const at = this.area.claim(this, bytes.length);
      this.area.memory.u8.set(bytes, at);
      this.resident = elem;
    }
    this.window = { elem, from, to };
    this.sync();
  }

  /** Brings `data`, `data_end` and `size` of the context into step. */
  private sync(): void {
    if (!this.running) return;
    const { u32 } = this.area.memory;
    const at = this.ctx >>> 2;
    u32[at + (MSG.data >>> 2)] = this.area.start + this.window.from;
    u32[at + (MSG.dataEnd >>> 2)] = this.area.start + this.window.to;
    u32[at + (MSG.size >>> 2)] = this.total;
  }
}

function concat(...parts: Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
