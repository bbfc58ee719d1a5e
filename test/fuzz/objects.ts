/** Damaged objects for tests: the project's own, and what must come of them. */
import { readFileSync, readdirSync } from 'node:fs';
import { BpfError } from '../../src/errors.js';

const EXAMPLES = new URL('../../examples/', import.meta.url);

export interface Sample {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The example objects, as clang made them. */
export const samples: readonly Sample[] = readdirSync(EXAMPLES)
  .filter((name) => name.endsWith('.bpf.o'))
  .sort()
  .map((name) => ({ name, bytes: new Uint8Array(readFileSync(new URL(name, EXAMPLES))) }));

/** Undefined where the call gave a value or threw a BpfError; otherwise what it threw. */
export function unexpected(call: () => unknown): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error instanceof BpfError ? undefined : error;
  }
}
