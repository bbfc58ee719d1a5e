/** Seeded random numbers for tests: the same seed gives the same sequence on every machine. */

/** Numbers at which arithmetic goes wrong, as signed 32-bit values. */
export const EDGE_INT32: readonly number[] = [
  0, 1, -1, 2, -2, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, -128, -129, 0x7fff, 0x8000, 0xffff,
  0x10000, 0x7fffffff, -0x80000000, -0x7fffffff, 0x55555555, -0x55555556,
]; // prettier-ignore

const EDGE_WORDS64: readonly bigint[] = [
  0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0x80000001n, 0xffffffffn,
  0x100000000n, 0x100000001n, 0x7fffffffffffffffn, 0x8000000000000000n, 0x8000000000000001n, 0xffffffff00000000n,
  0xffffffff7fffffffn, 0xffffffff80000000n, 0xfffffffffffffffen, 0xffffffffffffffffn, 0x123456789abcdef0n,
]; // prettier-ignore

export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** 32 random bits as a signed number (mulberry32). */
  int32(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) | 0;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    return (this.int32() >>> 0) % limit;
  }

  /** True with probability `percent` / 100. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  /** An edge value half of the time. */
  imm(): number {
    return this.chance(50) ? this.pick(EDGE_INT32) : this.int32();
  }

  /** An unsigned 64-bit word, an edge value half of the time. */
  word64(): bigint {
    if (this.chance(50)) return this.pick(EDGE_WORDS64);
    return (BigInt(this.int32() >>> 0) << 32n) | BigInt(this.int32() >>> 0);
  }
}

/** An independent seed for item `index` of a campaign that started from `seed`. */
export function seedOf(seed: number, index: number): number {
  return new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)).int32();
}
