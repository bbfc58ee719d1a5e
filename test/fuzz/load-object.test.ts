/** Damaged objects through the whole loader: maps, relocation, checks. Nothing but a value or a BpfError comes of them. */
import { describe, expect, it } from 'vitest';
import { caseRandom, mutate } from '../../scripts/fuzz/mutate.mjs';
import { BpfVm } from '../../src/bpf-vm.js';
import { testCount, testSeed } from '../lib/seed.js';
import { samples, unexpected } from './objects.js';

const SEED = testSeed();
const COUNT = testCount(1500);

describe('loading damaged objects', () => {
  it.each(samples)('$name loads as it is', ({ bytes, name }) => {
    expect(new BpfVm().load(bytes, { name }).programs.size).toBeGreaterThan(0);
  });

  it(`${COUNT} mutations give a value or a BpfError (BPFVM_SEED=${SEED})`, () => {
    for (let index = 0; index < COUNT; index++) {
      const rng = caseRandom(SEED, index);
      const { bytes, kinds } = mutate(rng.pick(samples).bytes, rng);
      const load = (): unknown => new BpfVm().load(bytes, { name: 'damaged.bpf.o' });
      expect(unexpected(load), `seed ${SEED} case ${index}: ${kinds.join(', ')}`).toBeUndefined();
    }
  });

  it('an object that is refused leaves no map and no program in the VM', () => {
    const { bytes } = samples[0]!;
    const vm = new BpfVm();
    for (let index = 0; index < 200; index++) {
      const { bytes: damaged } = mutate(bytes, caseRandom(SEED, index));
      const before = [[...vm.maps].length, [...vm.programs].length];
      try {
        vm.load(damaged, { name: 'damaged.bpf.o' });
      } catch {
        expect([[...vm.maps].length, [...vm.programs].length]).toEqual(before);
      }
    }
  });
});
