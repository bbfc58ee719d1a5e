/**
 * The part of the address space through which programs see payload. One buffer or message at a time is in it; the
 * next one that needs the place makes the owner copy its bytes out.
 *
 *      base        data                        data_end      base + size
 *      +-----------+---------------------------+-------------+
 *      | headroom  | linear part of the owner  | tailroom    |
 *      +-----------+---------------------------+-------------+
 */
import type { BpfMemory, Region } from '../../memory/memory.js';
import { RegionKind } from '../../memory/memory.js';

/** Whose bytes are in the area. */
export interface AreaOwner {
  /** Copies the bytes out: the area goes to another. */
  evict(): void;
}

export const PACKET_HEADROOM = 256;
const PACKET_TAILROOM = 64;
const FIRST_SIZE = 32768;

export class PacketArea {
  readonly memory: BpfMemory;
  private region: Region;
  private owner: AreaOwner | null = null;
  private readonly contexts = new Map<number, Region>();

  constructor(memory: BpfMemory) {
    this.memory = memory;
    this.region = this.alloc(FIRST_SIZE);
  }

  /** Address at which the payload of a new owner starts. */
  get start(): number {
    return this.region.base + PACKET_HEADROOM;
  }

  /** Bytes from `start` on that may be used. */
  get room(): number {
    return this.region.size - PACKET_HEADROOM - PACKET_TAILROOM;
  }

  /** First address that a push may reach. */
  get floor(): number {
    return this.region.base;
  }

  /** Bytes that fit at `address` and after. */
  roomAt(address: number): number {
    return this.region.base + this.region.size - PACKET_TAILROOM - address;
  }

  /** Makes `owner` the owner of an area of at least `size` bytes; returns `start`. */
  claim(owner: AreaOwner, size: number): number {
    if (this.owner !== owner) {
      this.owner?.evict();
      this.owner = owner;
    }
    if (size > this.room) this.grow(size);
    return this.start;
  }

  /** The owner needs it no more. */
  leave(owner: AreaOwner): void {
    if (this.owner === owner) this.owner = null;
  }

  /** The context structure of a given size: one, as only one program runs at a time. */
  context(size: number, label: string): number {
    let region = this.contexts.get(size);
    if (region === undefined) {
      region = this.memory.alloc(size, RegionKind.Ctx, { label });
      this.contexts.set(size, region);
    }
    return region.base;
  }

  /** Gives the memory back; the area is of no use afterwards. */
  destroy(): void {
    this.memory.free(this.region);
    for (const region of this.contexts.values()) this.memory.free(region);
  }

  /** Contents are lost: the owner copies anew. */
  private grow(size: number): void {
    const bytes = Math.max(this.region.size * 2, size + PACKET_HEADROOM + PACKET_TAILROOM);
    this.memory.free(this.region);
    this.region = this.alloc(bytes);
  }

  private alloc(size: number): Region {
    return this.memory.alloc(size, RegionKind.Packet, { label: 'packet data' });
  }
}
