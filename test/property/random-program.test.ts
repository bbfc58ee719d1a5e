import { describe, expect, it } from 'vitest';
import { decode } from '../../src/isa/decode.js';
import { ProgType } from '../../src/progs/prog-types.js';
import { checkStructure } from '../../src/verifier/structure.js';
import { randomProgram } from '../lib/random-program.js';
import { seedOf } from '../lib/random.js';
import { runReference } from '../lib/reference-vm.js';

const SEED = Number(process.env['BPFVM_SEED'] ?? 1);
const COUNT = Number(process.env['BPFVM_COUNT'] ?? 300);

const structure = {
  program: 'random',
  progType: ProgType.SchedCls,
  helper: () => undefined,
  map: () => false,
};

describe(`random programs (BPFVM_SEED=${SEED}, BPFVM_COUNT=${COUNT})`, () => {
  it('are well formed and terminate on the reference machine', () => {
    for (let index = 0; index < COUNT; index++) {
      const { bytes, packet } = randomProgram(seedOf(SEED, index), {
        stackBytes: index % 2 === 0 ? 256 : 512,
      });
      const program = decode(bytes);
      checkStructure(program, structure);
      expect(runReference(program, packet).steps).toBeGreaterThan(10);
    }
  });

  it('are the same whenever seed and options are', () => {
    expect(randomProgram(7, { statements: 40 })).toEqual(randomProgram(7, { statements: 40 }));
  });
});
