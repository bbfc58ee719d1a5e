/**
 * An XDP frame: one page, with headroom for headers and metadata.
 *
 *      base      base + 40         meta      data              end       base + 4096 - 320
 *      +---------+-----------------+---------+-----------------+---------+
 *      | (frame) | headroom        | metadata| packet          | tailroom|
 *      +---------+-----------------+---------+-----------------+---------+
 */
import { Errno } from '../../errors.js';
import type { ProgSubject } from '../../maps/sock.js';
import type { BpfMemory, Region } from '../../memory/memory.js';
import { RegionKind } from '../../memory/memory.js';
import { ETH_HLEN } from './packet-skb.js';

const XDP_HEADROOM = 256;
const FRAME_HEADER = 40;
const PAGE = 4096;
const SHARED_INFO = 320;
/** Bytes of a packet that one page takes. */
export const XDP_MAX_LINEAR = PAGE - XDP_HEADROOM - SHARED_INFO;
const META_MAX = 252;

/** Offsets in `struct xdp_md`. */
export const XDP_MD = {
  data: 0,
  dataEnd: 4,
  dataMeta: 8,
  ingressIfindex: 12,
  rxQueueIndex: 16,
  size: 24,
} as const;

/** Where bpf_redirect and bpf_redirect_map sent it. */
export interface XdpRedirect {
  readonly ifindex?: number;
  readonly mapId?: number;
  readonly key?: number;
}

export class XdpBuff implements ProgSubject {
  readonly ctx: number;
  readonly memory: BpfMemory;
  data: number;
  end: number;
  meta: number;
  redirect: XdpRedirect | null = null;
  private readonly region: Region;
  private readonly ctxRegion: Region;

  /** The first `metaLength` bytes of `frame` are metadata. */
  constructor(memory: BpfMemory, frame: Uint8Array, metaLength = 0) {
    this.memory = memory;
    this.ctxRegion = memory.alloc(XDP_MD.size, RegionKind.Ctx, { label: 'xdp_md', writable: false });
    this.ctx = this.ctxRegion.base;
    this.region = memory.alloc(PAGE, RegionKind.Packet, { label: 'frame' });
    this.data = this.region.base + XDP_HEADROOM;
    this.meta = this.data - metaLength;
    this.end = this.meta + frame.length;
    memory.u8.set(frame, this.meta);
    this.sync();
  }

  destroy(): void {
    this.memory.free(this.region);
    this.memory.free(this.ctxRegion);
  }

  get length(): number {
    return this.end - this.data;
  }

  /** Metadata and packet. */
  bytes(): Uint8Array {
    return this.memory.u8.slice(this.meta, this.end);
  }

  setIngress(ifindex: number, queue: number): void {
    const { u32 } = this.memory;
    u32[(this.ctx + XDP_MD.ingressIfindex) >>> 2] = ifindex;
    u32[(this.ctx + XDP_MD.rxQueueIndex) >>> 2] = queue;
  }

  private sync(): number {
    const { u32 } = this.memory;
    u32[(this.ctx + XDP_MD.data) >>> 2] = this.data;
    u32[(this.ctx + XDP_MD.dataEnd) >>> 2] = this.end;
    u32[(this.ctx + XDP_MD.dataMeta) >>> 2] = this.meta;
    return 0;
  }

  private get lowest(): number {
    return this.region.base + FRAME_HEADER;
  }

  adjustHead(delta: number): number {
    const data = this.data + delta;
    const metaLength = this.data - this.meta;
    if (data < this.lowest + metaLength || data > this.end - ETH_HLEN) return -Errno.EINVAL;
    this.memory.u8.copyWithin(this.meta + delta, this.meta, this.data);
    this.meta += delta;
    this.data = data;
    return this.sync();
  }

  adjustMeta(delta: number): number {
    const meta = this.meta + delta;
    const length = this.data - meta;
    if (meta < this.lowest || meta > this.data) return -Errno.EINVAL;
    if ((length & 3) !== 0 || length > META_MAX) return -Errno.EACCES;
    this.meta = meta;
    return this.sync();
  }

  adjustTail(delta: number): number {
    const end = this.end + delta;
    if (end > this.region.base + PAGE - SHARED_INFO || end < this.data + ETH_HLEN) return -Errno.EINVAL;
    if (delta > 0) this.memory.u8.fill(0, this.end, end);
    this.end = end;
    return this.sync();
  }

  loadBytes(offset: number, to: number, size: number): number {
    if (offset >>> 0 > 0xffff || size > 0xffff || offset + size > this.length) return -Errno.EINVAL;
    this.memory.u8.copyWithin(to, this.data + offset, this.data + offset + size);
    return 0;
  }

  storeBytes(offset: number, from: number, size: number): number {
    if (offset >>> 0 > 0xffff || size > 0xffff || offset + size > this.length) return -Errno.EINVAL;
    this.memory.u8.copyWithin(this.data + offset, from, from + size);
    return 0;
  }
}
