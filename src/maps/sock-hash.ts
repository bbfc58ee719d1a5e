/** BPF_MAP_TYPE_SOCKHASH. */
import { Errno } from '../errors.js';
import { jhashBytes } from './jhash.js';
import { BPF_EXIST, BPF_NOEXIST } from './map.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import type { Sock } from './sock.js';
import { checkSockSpec, Entry, SockMapBase } from './sock-map.js';

const MAX_KEY = 512;
const MAX_BUCKETS = 0x8000_0000;

class Element extends Entry {
  readonly key: Uint8Array;
  readonly hash: number;

  constructor(map: SockHash, sock: Sock, key: Uint8Array, hash: number) {
    super(map, sock);
    this.key = key;
    this.hash = hash;
  }

  override remove(): void {
    (this.map as SockHash).unhash(this);
  }
}

/** BPF_MAP_TYPE_SOCKHASH: a hash of sockets, walked by ascending bucket and newest first within one. */
export class SockHash extends SockMapBase {
  private readonly buckets = new Map<number, Element[]>();
  /** Occupied buckets, ascending. */
  private readonly order: number[] = [];
  private readonly mask: number;
  private size = 0;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env);
    this.mask = 2 ** Math.ceil(Math.log2(spec.maxEntries)) - 1;
  }

  override get count(): number {
    return this.size;
  }

  override at(bytes: Uint8Array, at: number): Sock | undefined {
    return this.find(bytes, at, this.hashOf(bytes, at))?.sock;
  }

  override getNextKey(key: Uint8Array | null): Uint8Array {
    this.checkCallerRead('get_next_key');
    if (key !== null) this.checkSize('key', key, this.spec.keySize);
    const element = key === null ? undefined : this.find(key, 0, this.hashOf(key, 0));
    const next = element === undefined ? this.firstOf(0) : this.after(element);
    if (next === undefined) throw this.fail(Errno.ENOENT, 'get_next_key');
    return next.key.slice();
  }

  override *entries(): IterableIterator<[Uint8Array, Sock]> {
    for (const bucket of [...this.order]) {
      for (const element of [...(this.buckets.get(bucket) ?? [])]) yield [element.key.slice(), element.sock];
    }
  }

  override clear(): void {
    for (const bucket of [...this.buckets.values()]) for (const element of [...bucket]) element.remove();
  }

  /** For elements: takes one out unless it was replaced. */
  unhash(element: Element): void {
    if (!this.unchain(element)) return;
    this.size--;
    element.sock.linkDrop(element);
  }

  protected override enter(bytes: Uint8Array, at: number, sock: Sock, flags: number): number {
    if (flags >>> 0 > BPF_EXIST) return -Errno.EINVAL;
    const errno = sock.psockGet(this.progs);
    if (errno < 0) return errno;
    const hash = this.hashOf(bytes, at);
    const old = this.find(bytes, at, hash);
    const refused = this.refusal(old !== undefined, flags);
    if (refused !== 0) {
      sock.psockPut();
      return -refused;
    }
    // A copy: a slice of a caller's Buffer would share its bytes.
    const key = new Uint8Array(bytes.subarray(at, at + this.spec.keySize));
    const element = new Element(this, sock, key, hash);
    sock.linkAdd(element);
    this.chain(element);
    this.size++;
    if (old !== undefined) old.remove();
    return 0;
  }

  protected override erase(bytes: Uint8Array, at: number): number {
    const element = this.find(bytes, at, this.hashOf(bytes, at));
    if (element === undefined) return -Errno.ENOENT;
    element.remove();
    return 0;
  }

  /** 0, or why an update with these flags is refused. A full map still takes replacements. */
  private refusal(exists: boolean, flags: number): number {
    if (exists) return flags === BPF_NOEXIST ? Errno.EEXIST : 0;
    if (flags === BPF_EXIST) return Errno.ENOENT;
    return this.size >= this.spec.maxEntries ? Errno.E2BIG : 0;
  }

  private hashOf(bytes: Uint8Array, at: number): number {
    return jhashBytes(bytes, at, this.spec.keySize, 0);
  }

  private bucketOf(hash: number): number {
    return (hash & this.mask) >>> 0;
  }

  private find(bytes: Uint8Array, at: number, hash: number): Element | undefined {
    return this.buckets.get(this.bucketOf(hash))?.find((element) => {
      if (element.hash !== hash) return false;
      for (let i = 0; i < element.key.length; i++) if (element.key[i] !== bytes[at + i]) return false;
      return true;
    });
  }

  private chain(element: Element): void {
    const bucket = this.bucketOf(element.hash);
    const elements = this.buckets.get(bucket);
    if (elements !== undefined) {
      elements.unshift(element);
      return;
    }
    this.buckets.set(bucket, [element]);
    this.order.splice(this.rank(bucket), 0, bucket);
  }

  private unchain(element: Element): boolean {
    const bucket = this.bucketOf(element.hash);
    const elements = this.buckets.get(bucket);
    const index = elements?.indexOf(element) ?? -1;
    if (elements === undefined || index < 0) return false;
    elements.splice(index, 1);
    if (elements.length === 0) {
      this.buckets.delete(bucket);
      this.order.splice(this.rank(bucket), 1);
    }
    return true;
  }

  private after(element: Element): Element | undefined {
    const bucket = this.bucketOf(element.hash);
    const elements = this.buckets.get(bucket) ?? [];
    return elements[elements.indexOf(element) + 1] ?? this.firstOf(bucket + 1);
  }

  /** First element of the first occupied bucket at or after `bucket`. */
  private firstOf(bucket: number): Element | undefined {
    const occupied = this.order[this.rank(bucket)];
    return occupied === undefined ? undefined : this.buckets.get(occupied)?.[0];
  }

  /** How many occupied buckets come before `bucket`. */
  private rank(bucket: number): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.order[middle] < bucket) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export const sockHashFamily: MapFamily = {
  check: (spec) => {
    if (spec.keySize === 0 || spec.maxEntries > MAX_BUCKETS) return Errno.EINVAL;
    return checkSockSpec(spec) || (spec.keySize > MAX_KEY ? Errno.E2BIG : 0);
  },
  create: (spec, id, env) => new SockHash(spec, id, env),
};
