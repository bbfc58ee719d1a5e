import type { Random } from './mutate.mjs';

/** A damaged copy of a well-formed object with BTF, and the kinds of damage that were done to it. */
export function mutateTypes(original: Uint8Array, rng: Random): { bytes: Uint8Array; kinds: string[] };
