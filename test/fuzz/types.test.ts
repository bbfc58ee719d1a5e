/**
 * Damaged type information: cycles, counts that nobody has, offsets at the edges. Reading, describing, relocating and
 * printing give a value or a BpfError. The long campaign is scripts/fuzz-objects.mjs --stage types --damage types.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { caseRandom, mutate } from '../../scripts/fuzz/mutate.mjs';
import { mutateTypes } from '../../scripts/fuzz/mutate-types.mjs';
import { dumpC } from '../../src/btf/dump-c.js';
import { rawLines } from '../../src/btf/dump-raw.js';
import { summarize } from '../../src/cli/inspect-summary.js';
import { linkObjects, readObject } from '../../src/elf/read-object.js';
import { Relocator } from '../../src/elf/relocate.js';
import { testCount, testSeed } from '../lib/seed.js';
import { loaderBytes } from '../unit/elf/objects.js';
import { samples, unexpected } from './objects.js';

const SEED = testSeed();
const COUNT = testCount(1500);

const objects = [...samples.map((sample) => sample.bytes), loaderBytes];

/** What a call threw that is no BpfError, for each of the things that are done with an object. */
function attempt(bytes: Uint8Array): unknown[] {
  const found: unknown[] = [];
  found.push(
    unexpected(() => {
      const spec = readObject(bytes, 'damaged.bpf.o');
      found.push(unexpected(() => summarize(spec)));
      const relocator = new Relocator(spec, { mapId: () => 1, extern: () => ({ btfId: 1 }) });
      for (const program of spec.programs) found.push(unexpected(() => relocator.relocate(program)));
      const { btf } = spec;
      if (btf === undefined) return;
      found.push(unexpected(() => dumpC(btf)));
      found.push(unexpected(() => rawLines(btf)));
    }),
  );
  return found.filter((error) => error !== undefined);
}

describe('damaged type information', () => {
  it(`${COUNT} mutations give a value or a BpfError (BPFVM_SEED=${SEED})`, () => {
    for (let index = 0; index < COUNT; index++) {
      const rng = caseRandom(SEED, index);
      const { bytes, kinds } = mutateTypes(rng.pick(objects), rng);
      expect(attempt(bytes), `seed ${SEED} case ${index}: ${kinds.join(', ')}`).toEqual([]);
    }
  });

  const [one, two] = ['link-a', 'link-b'].map(
    (name) => new Uint8Array(readFileSync(new URL(`../programs/${name}.bpf.o`, import.meta.url))),
  );

  it(`${COUNT} linked with a whole object give a value or a BpfError (BPFVM_SEED=${SEED})`, () => {
    for (let index = 0; index < COUNT; index++) {
      const rng = caseRandom(SEED, index);
      const { bytes, kinds } = (index % 2 === 0 ? mutate : mutateTypes)(one!, rng);
      const objects = [
        { name: 'damaged.bpf.o', bytes },
        { name: 'whole.bpf.o', bytes: two! },
      ];
      expect(
        unexpected(() => linkObjects(objects, 'linked.bpf.o')),
        `seed ${SEED} case ${index}: ${kinds.join(', ')}`,
      ).toBeUndefined();
    }
  });
});
