/** BPF_MAP_TYPE_BLOOM_FILTER: remembers values by some bits of their hashes; forgets none. */
import { Errno } from '../errors.js';
import { accessFlagsOk, ACCESS_FLAGS } from './array-map.js';
import { jhash } from './jhash.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { MapFlag } from './map.js';
import { StoredMap } from './stored-map.js';

const DEFAULT_HASHES = 5;

export class BloomMap extends StoredMap {
  private readonly bits: Uint32Array;
  private readonly mask: number;
  private readonly hashes: number;
  private readonly seed: number;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env);
    this.hashes = Number((spec.mapExtra ?? 0n) & 0xfn) || DEFAULT_HASHES;
    const bitCount = bitsFor(spec.maxEntries, this.hashes);
    this.bits = new Uint32Array(bitCount / 32);
    this.mask = bitCount - 1;
    this.seed = (spec.flags & MapFlag.ZERO_SEED) === 0 ? env.random() : 0;
  }

  private bit(valueAddr: number, index: number): number {
    const hash = jhash(this.env.memory, valueAddr, this.spec.valueSize, (this.seed + index) | 0);
    return (hash & this.mask) >>> 0;
  }

  override push(valueAddr: number, flags: number): number {
    if (flags !== 0) return -Errno.EINVAL;
    for (let i = 0; i < this.hashes; i++) {
      const bit = this.bit(valueAddr, i);
      this.bits[bit >>> 5] |= 1 << (bit & 31);
    }
    return 0;
  }

  /** 0 where the value may have been pushed, -ENOENT where it was not. */
  override peek(valueAddr: number): number {
    for (let i = 0; i < this.hashes; i++) {
      const bit = this.bit(valueAddr, i);
      if ((this.bits[bit >>> 5] & (1 << (bit & 31))) === 0) return -Errno.ENOENT;
    }
    return 0;
  }

  override pop(): number {
    return -Errno.EOPNOTSUPP;
  }

  override lookup(): number {
    return 0;
  }

  override update(): number {
    return -Errno.EINVAL;
  }

  override delete(): number {
    return -Errno.EOPNOTSUPP;
  }

  protected override next(): number {
    return -Errno.EOPNOTSUPP;
  }

  protected override updateForCaller(_keyAddr: number, valueAddr: number, flags: number): number {
    return this.push(valueAddr, flags);
  }

  /** There are no keys: what is looked up is the value. Gives it back, or fails with ENOENT. */
  override lookupElem(value: Uint8Array): Uint8Array {
    this.checkCallerRead('lookup');
    this.checkSize('value', value, this.spec.valueSize);
    this.env.memory.u8.set(value, this.valueScratch);
    if (this.peek(this.valueScratch) !== 0) throw this.fail(Errno.ENOENT, 'lookup');
    return new Uint8Array(value);
  }
}

/** max_entries * hashes / ln 2, rounded up to a power of two. */
function bitsFor(maxEntries: number, hashes: number): number {
  const wanted = Math.trunc((maxEntries * hashes) / 5) * 7;
  return 2 ** Math.ceil(Math.log2(Math.min(2 ** 32, Math.max(64, wanted))));
}

export const bloomFamily: MapFamily = {
  check: (spec) => {
    const { flags } = spec;
    const allowed = MapFlag.NUMA_NODE | MapFlag.ZERO_SEED | ACCESS_FLAGS;
    if (spec.keySize !== 0 || spec.valueSize === 0 || spec.maxEntries === 0) return Errno.EINVAL;
    if ((flags & ~allowed) !== 0 || !accessFlagsOk(flags)) return Errno.EINVAL;
    return (spec.mapExtra ?? 0n) > 0xfn ? Errno.EINVAL : 0;
  },
  create: (spec, id, env) => new BloomMap(spec, id, env),
};
