export interface Random {
  /** 32 unsigned bits. */
  next(): number;
  /** From 0 to `limit` - 1. */
  below(limit: number): number;
  pick<T>(list: readonly T[]): T;
}

export function random(seed: number): Random;
export function caseRandom(seed: number, index: number): Random;
/** A damaged copy of a well-formed 64-bit little-endian object, and the kinds of damage that were done to it. */
export function mutate(
  original: Uint8Array,
  rng: Random,
  allowed?: readonly string[],
): { bytes: Uint8Array; kinds: string[] };
export const KINDS: readonly string[];
