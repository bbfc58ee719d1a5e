/**
 * The chained hash table behind the hash maps. All of it lies in the VM's memory, metadata where programs cannot reach.
 *
 *     buckets  u32[nBuckets]            index of the first element, 0 = none     (Handle region)
 *     chunks   u32[]  data, links       base addresses of the chunks             (Handle region)
 *     links    u32[2^shift]  per chunk  index of the next element of the bucket  (Handle region)
 *     data     element[2^shift]         key (rounded to 8) | value (rounded to 8)
 *
 * Elements are numbered from 1. A new element goes to the head of its bucket, as in the kernel, which makes the
 * order of iteration the kernel's when the seed is. Chunks are added as needed and never move or shrink.
 */
import { Errno } from '../errors.js';
import type { BpfMemory, Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import { jhash } from './jhash.js';
import type { MapEnv, MapSpec } from './map.js';
import { MapFlag } from './map.js';
import { copy } from './stored-map.js';

export interface HashTableOptions {
  readonly name: string;
  readonly keySize: number;
  /** Bytes of an element behind its key, a multiple of 8. */
  readonly valueSpan: number;
  /** Most elements that can be live at once. */
  readonly capacity: number;
  readonly buckets: number;
  readonly seed: number;
}

/** Chunks aim at this size, and hold at least one element. */
const CHUNK_BYTES = 256 << 10;

export class HashTable {
  readonly keySize: number;
  /** Offset of the value in an element. */
  readonly valueOffset: number;
  /** Bytes of an element. */
  readonly stride: number;
  count = 0;

  private readonly memory: BpfMemory;
  private readonly name: string;
  private readonly seed: number;
  private readonly mask: number;
  private readonly buckets: Region;
  private readonly shift: number;
  private readonly chunkMask: number;
  private readonly dataChunks: Region[] = [];
  private readonly linkChunks: Region[] = [];
  /** u32 pairs: data and links base of each chunk. */
  private table: Region;
  /** Elements ever handed out: the next fresh index less one. */
  private used = 0;
  private freeHead = 0;
  private pendingHead = 0;
  private pendingTail = 0;
  private pendingCount = 0;

  constructor(memory: BpfMemory, options: HashTableOptions) {
    this.memory = memory;
    this.name = options.name;
    this.keySize = options.keySize;
    this.valueOffset = Math.ceil(options.keySize / 8) * 8;
    this.stride = this.valueOffset + options.valueSpan;
    this.seed = options.seed;
    this.mask = options.buckets - 1;
    let shift = 0;
    while (this.stride << (shift + 1) <= CHUNK_BYTES && 1 << shift < options.capacity) shift++;
    this.shift = shift;
    this.chunkMask = (1 << shift) - 1;
    this.buckets = this.allocate(options.buckets * 4);
    this.table = this.allocate(64);
  }

  /** A table for a map of this spec, with `valueSpan` bytes behind each key. */
  static forSpec(spec: MapSpec, env: MapEnv, valueSpan: number): HashTable {
    return new HashTable(env.memory, {
      name: spec.name,
      keySize: spec.keySize,
      valueSpan,
      capacity: spec.maxEntries,
      buckets: bucketsFor(spec.maxEntries),
      seed: (spec.flags & MapFlag.ZERO_SEED) === 0 ? env.random() : 0,
    });
  }

  private allocate(size: number, kind = RegionKind.Handle): Region {
    const what = kind === RegionKind.Handle ? 'index' : 'elements';
    return this.memory.alloc(size, kind, { label: `${what} of map ${this.name}` });
  }

  get bucketCount(): number {
    return this.mask + 1;
  }

  hash(keyAddr: number): number {
    return jhash(this.memory, keyAddr, this.keySize, this.seed);
  }

  /** Address of element `index`: its key; the value follows at `valueOffset`. */
  address(index: number): number {
    const { i32 } = this.memory;
    const at = index - 1;
    return i32[(this.table.base >> 2) + ((at >>> this.shift) << 1)] + (at & this.chunkMask) * this.stride;
  }

  /** Word index of the link of element `index`. */
  private link(index: number): number {
    const at = index - 1;
    const base = this.memory.i32[(this.table.base >> 2) + ((at >>> this.shift) << 1) + 1];
    return (base >> 2) + (at & this.chunkMask);
  }

  private bucket(hash: number): number {
    return (this.buckets.base >> 2) + (hash & this.mask);
  }

  first(bucket: number): number {
    return this.memory.i32[(this.buckets.base >> 2) + bucket];
  }

  following(index: number): number {
    return this.memory.i32[this.link(index)];
  }

  /** Index of the element with the key at `keyAddr`, or 0. */
  find(keyAddr: number, hash: number): number {
    const { i32 } = this.memory;
    if (this.keySize === 4 && (keyAddr & 3) === 0) return this.findWord(i32, i32[keyAddr >> 2], hash);
    let index = i32[this.bucket(hash)];
    while (index !== 0) {
      if (this.sameKey(this.address(index), keyAddr)) return index;
      index = i32[this.link(index)];
    }
    return 0;
  }

  /** The same for keys of one word, the most frequent, with everything in registers. */
  private findWord(i32: Int32Array, key: number, hash: number): number {
    const { shift, chunkMask } = this;
    const words = this.stride >> 2;
    const table = this.table.base >> 2;
    let index = i32[(this.buckets.base >> 2) + (hash & this.mask)];
    while (index !== 0) {
      const at = index - 1;
      const chunk = table + ((at >>> shift) << 1);
      if (i32[(i32[chunk] >> 2) + (at & chunkMask) * words] === key) return index;
      index = i32[(i32[chunk + 1] >> 2) + (at & chunkMask)];
    }
    return 0;
  }

  private sameKey(a: number, b: number): boolean {
    const { u8, i32 } = this.memory;
    let at = 0;
    if ((b & 3) === 0) {
      for (; at + 4 <= this.keySize; at += 4) if (i32[(a + at) >> 2] !== i32[(b + at) >> 2]) return false;
    }
    for (; at < this.keySize; at++) if (u8[a + at] !== u8[b + at]) return false;
    return true;
  }

  /**
   * Takes an element that is in no bucket, with the key at `keyAddr`; its value is what it was. Fresh elements are
   * zeroed. @throws BpfError `ERR_BPF_MEMORY_LIMIT`
   */
  take(keyAddr: number): number {
    let index = this.freeHead;
    if (index !== 0) this.freeHead = this.memory.i32[this.link(index)];
    else if (this.pendingCount > MAX_PENDING) index = this.takeOldestPending();
    else index = this.fresh();
    this.setKey(index, keyAddr);
    return index;
  }

  /** Takes the element that the caller chose; whoever uses this keeps book of what is free. */
  claim(index: number, keyAddr: number): void {
    while (this.used < index) this.fresh();
    this.setKey(index, keyAddr);
  }

  private setKey(index: number, keyAddr: number): void {
    copy(this.memory.u8, this.memory.i32, this.address(index), keyAddr, this.keySize);
  }

  private fresh(): number {
    if (this.used >>> this.shift === this.dataChunks.length) this.addChunk();
    return ++this.used;
  }

  private addChunk(): void {
    const chunk = this.dataChunks.length;
    const links = this.allocate(4 << this.shift);
    const data = this.allocate(this.stride << this.shift, RegionKind.MapValue);
    if ((chunk + 1) * 8 > this.table.size) {
      const larger = this.allocate(this.table.size * 2);
      this.memory.u8.copyWithin(larger.base, this.table.base, this.table.base + this.table.size);
      this.memory.free(this.table);
      this.table = larger;
    }
    this.dataChunks.push(data);
    this.linkChunks.push(links);
    this.memory.i32[(this.table.base >> 2) + chunk * 2] = data.base;
    this.memory.i32[(this.table.base >> 2) + chunk * 2 + 1] = links.base;
  }

  /** Puts a taken element at the head of its bucket. */
  insert(index: number, hash: number): void {
    const bucket = this.bucket(hash);
    this.memory.i32[this.link(index)] = this.memory.i32[bucket];
    this.memory.i32[bucket] = index;
    this.count++;
  }

  /** Takes an element out of its bucket; it keeps its bytes until `release`. */
  unlink(index: number, hash: number): void {
    const { i32 } = this.memory;
    let at = this.bucket(hash);
    while (i32[at] !== index) {
      if (i32[at] === 0) return;
      at = this.link(i32[at]);
    }
    i32[at] = i32[this.link(index)];
    this.count--;
  }

  /** Gives an unlinked element back. It is reused only after `reclaim`: a program may still hold its address. */
  release(index: number): void {
    const { i32 } = this.memory;
    i32[this.link(index)] = 0;
    if (this.pendingTail === 0) this.pendingHead = index;
    else i32[this.link(this.pendingTail)] = index;
    this.pendingTail = index;
    this.pendingCount++;
  }

  get hasPending(): boolean {
    return this.pendingHead !== 0;
  }

  /**
   * Writes the key after that at `keyAddr` (0: the first) to `outAddr`, by bucket and newest first in each; an unknown
   * key starts anew. 0 or -ENOENT.
   */
  next(keyAddr: number, outAddr: number): number {
    let bucket = 0;
    let index = 0;
    if (keyAddr !== 0) {
      const hash = this.hash(keyAddr);
      index = this.find(keyAddr, hash);
      if (index !== 0) {
        bucket = hash & this.mask;
        index = this.following(index);
        if (index === 0) bucket++;
      }
    }
    while (index === 0 && bucket < this.bucketCount) index = this.first(bucket++);
    if (index === 0) return -Errno.ENOENT;
    copy(this.memory.u8, this.memory.i32, outAddr, this.address(index), this.keySize);
    return 0;
  }

  /** No program runs: what was released can be reused. */
  reclaim(): void {
    if (this.pendingHead === 0) return;
    this.memory.i32[this.link(this.pendingTail)] = this.freeHead;
    this.freeHead = this.pendingHead;
    this.pendingHead = this.pendingTail = this.pendingCount = 0;
  }

  /** A program that deletes and inserts without end gets the oldest of its deleted elements again, as in the kernel. */
  private takeOldestPending(): number {
    const index = this.pendingHead;
    this.pendingHead = this.memory.i32[this.link(index)];
    this.pendingCount--;
    return index;
  }

  destroy(): void {
    for (const region of [this.buckets, this.table, ...this.dataChunks, ...this.linkChunks]) {
      this.memory.free(region);
    }
  }
}

const MAX_PENDING = 4096;

/** The number of buckets: max_entries rounded up to a power of two. */
export const bucketsFor = (maxEntries: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, maxEntries)));
