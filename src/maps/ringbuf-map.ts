/**
 * BPF_MAP_TYPE_RINGBUF: records from programs to a caller, in order of reservation.
 *
 *     record:  | length : 30, DISCARD : 1, BUSY : 1 | id of the map | data, padded to 8 |
 *
 * A record lies in one piece: where it passes the end of the ring it goes on into a shadow of the same size behind
 * it, which the kernel has by mapping the pages twice.
 */
import { Errno } from '../errors.js';
import type { BpfMemory, Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BpfMap, MapFlag } from './map.js';

const BUSY = 0x8000_0000;
const DISCARD = 0x4000_0000;
const LENGTH_MASK = 0x3fff_ffff;
const HEADER = 8;

/** Flags of output, submit and discard. */
export const BPF_RB_NO_WAKEUP = 1;
export const BPF_RB_FORCE_WAKEUP = 2;

export const enum RingbufQuery {
  AvailData = 0,
  RingSize = 1,
  ConsPos = 2,
  ProdPos = 3,
}

export class RingbufMap extends BpfMap {
  private readonly data: Region;
  private readonly size: number;
  /** Positions count bytes since the start; below 2^53. */
  private producer = 0;
  private consumer = 0;
  /** First record that may still be busy. */
  private pending = 0;
  /** Called when a record is committed and the consumer should look. */
  onData: (() => void) | null = null;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env);
    this.size = spec.maxEntries;
    this.data = env.memory.alloc(this.size * 2, RegionKind.MapValue, { label: `ring of map ${spec.name}` });
  }

  private header(position: number): number {
    return this.data.base + (position % this.size);
  }

  private word(position: number): number {
    return this.env.memory.u32[this.header(position) >>> 2];
  }

  /** Address of `size` bytes for a program to fill, or 0 where there is no room. */
  reserve(size: number): number {
    const length = Math.ceil((size + HEADER) / 8) * 8;
    if (size >>> 0 > LENGTH_MASK || length > this.size) return 0;
    while (this.pending < this.producer) {
      const word = this.word(this.pending);
      if ((word & BUSY) !== 0) break;
      this.pending += Math.ceil(((word & LENGTH_MASK) + HEADER) / 8) * 8;
    }
    const end = this.producer + length;
    if (end - this.consumer > this.size - 1 || end - this.pending > this.size - 1) return 0;
    const header = this.header(this.producer);
    this.env.memory.u32[header >>> 2] = (size | BUSY) >>> 0;
    this.env.memory.u32[(header >>> 2) + 1] = this.id;
    this.producer = end;
    return header + HEADER;
  }

  /** The map whose header stands before a record. */
  static mapIdOf(memory: BpfMemory, record: number): number {
    return memory.u32[(record - 4) >>> 2];
  }

  /** Whether a record starts at `address`, reserved and not yet committed. */
  isReserved(address: number): boolean {
    const header = address - HEADER;
    const inside = header >= this.data.base && header < this.data.base + this.size && address % 8 === 0;
    return inside && (this.env.memory.u32[header >>> 2] & BUSY) !== 0;
  }

  /** Ends a reservation. The consumer hears of it where it waits at this very record, or the flags say so. */
  commit(address: number, flags: number, discard: boolean): void {
    const header = address - HEADER;
    const { u32 } = this.env.memory;
    u32[header >>> 2] = ((u32[header >>> 2] & LENGTH_MASK) | (discard ? DISCARD : 0)) >>> 0;
    const atConsumer = header === this.header(this.consumer);
    if ((flags & BPF_RB_FORCE_WAKEUP) !== 0 || (atConsumer && (flags & BPF_RB_NO_WAKEUP) === 0)) {
      this.onData?.();
    }
  }

  /** bpf_ringbuf_output: 0, -EAGAIN where it is full, -EINVAL for unknown flags. */
  output(from: number, size: number, flags: number): number {
    if ((flags & ~(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP)) !== 0) return -Errno.EINVAL;
    const to = this.reserve(size);
    if (to === 0) return -Errno.EAGAIN;
    this.env.memory.u8.copyWithin(to, from, from + size);
    this.commit(to, flags, false);
    return 0;
  }

  query(what: number): number {
    switch (what) {
      case RingbufQuery.AvailData:
        return this.producer - this.consumer;
      case RingbufQuery.RingSize:
        return this.size;
      case RingbufQuery.ConsPos:
        return this.consumer;
      case RingbufQuery.ProdPos:
        return this.producer;
      default:
        return 0;
    }
  }

  /**
   * Gives each committed record to `take`, in order, up to the first that is still being written; at most `limit`.
   * The bytes are a view that is valid during the call. Returns how many there were, discarded ones not counted.
   */
  consume(take: (record: Uint8Array) => void, limit = Infinity): number {
    this.checkCallerRead('consume');
    let taken = 0;
    while (this.consumer < this.producer && taken < limit) {
      const word = this.word(this.consumer);
      if ((word & BUSY) !== 0) break;
      const length = word & LENGTH_MASK;
      const start = this.header(this.consumer) + HEADER;
      this.consumer = Math.min(this.producer, this.consumer + Math.ceil((length + HEADER) / 8) * 8);
      if ((word & DISCARD) !== 0) continue;
      taken++;
      take(this.env.memory.u8.subarray(start, Math.min(start + length, this.data.base + this.data.size)));
    }
    return taken;
  }

  override lookupElem(): Uint8Array {
    throw this.fail(Errno.ENOTSUPP, 'lookup', 'records are read by consume');
  }

  override updateElem(): void {
    throw this.fail(Errno.ENOTSUPP, 'update');
  }

  override deleteElem(): void {
    throw this.fail(Errno.ENOTSUPP, 'delete');
  }

  override getNextKey(): Uint8Array {
    throw this.fail(Errno.ENOTSUPP, 'get_next_key');
  }

  override lookup(): number {
    return 0;
  }

  override update(): number {
    return -Errno.ENOTSUPP;
  }

  override delete(): number {
    return -Errno.ENOTSUPP;
  }

  override destroy(): void {
    this.env.memory.free(this.data);
    super.destroy();
  }
}

const PAGE = 4096;
const isPowerOf2 = (value: number): boolean => value > 0 && Number.isInteger(Math.log2(value));

/** Both ring buffers: no key, no value, a power of two of whole pages. */
export function checkRingSpec(spec: MapSpec): number {
  const sized = isPowerOf2(spec.maxEntries) && spec.maxEntries % PAGE === 0;
  const refused = (spec.flags & ~MapFlag.NUMA_NODE) !== 0 || spec.keySize !== 0 || spec.valueSize !== 0;
  return refused || !sized ? Errno.EINVAL : 0;
}

export const ringbufFamily: MapFamily = {
  check: checkRingSpec,
  create: (spec, id, env) => new RingbufMap(spec, id, env),
};
