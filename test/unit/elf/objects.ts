/** The objects that the loader's tests read. */
import { readFileSync } from 'node:fs';
import type { ObjectSpec } from '../../../src/elf/object-spec.js';
import { readObject } from '../../../src/elf/read-object.js';

export const loaderBytes = new Uint8Array(
  readFileSync(new URL('../../programs/loader.bpf.o', import.meta.url)),
);

/** test/programs/loader.bpf.c: one of everything. */
export const loader: ObjectSpec = readObject(loaderBytes, 'loader.bpf.o');

export function program(name: string): ObjectSpec['programs'][number] {
  return loader.programs.find((candidate) => candidate.name === name)!;
}
