import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { caseRandom, mutate } from '../../../scripts/fuzz/mutate.mjs';

const original = new Uint8Array(readFileSync(new URL('../../../examples/redirect.bpf.o', import.meta.url)));
const damaged = (seed: number, index: number): Uint8Array => mutate(original, caseRandom(seed, index)).bytes;

it('the same seed and case give the same bytes, so that a failure can be repeated', () => {
  for (let index = 0; index < 50; index++) expect(damaged(7, index)).toEqual(damaged(7, index));
});

it('cases differ from each other and seeds from each other', () => {
  const texts = [1, 2].flatMap((seed) =>
    Array.from({ length: 50 }, (_, index) => Buffer.from(damaged(seed, index)).toString('latin1')),
  );
  expect(new Set(texts).size).toBeGreaterThan(90);
});

it('leaves the original as it is', () => {
  const before = original.slice();
  for (let index = 0; index < 200; index++) damaged(3, index);
  expect(original).toEqual(before);
});
