import { describe, expect, it } from 'vitest';
import type { EngineOptions } from '../../../src/vm/engine.js';
import { interpreter } from '../../../src/vm/interpreter.js';
import { wasmEngine } from '../../../src/vm/jit/wasm-engine.js';
import { mutatedProgram } from '../../lib/mutate-program.js';
import { randomProgram } from '../../lib/random-program.js';
import { seedOf } from '../../lib/random.js';
import { runOn } from '../../lib/run-image.js';
import { testCount, testSeed } from '../../lib/seed.js';

const seed = testSeed();
const count = testCount(150);

const MODES: readonly (readonly [string, EngineOptions, number])[] = [
  ['checked, with fuel', { checks: 'exact', fuel: 1_000_000 }, 2],
  ['unchecked', { checks: 'off', fuel: 0 }, 1],
];

describe(`interpreter and wasm on random programs (BPFVM_SEED=${seed})`, () => {
  it.each(MODES)(
    'leave the same result and packet: %s',
    { timeout: 60_000 + 50 * count },
    (_name, options, times) => {
      for (let i = 0; i < count; i++) {
        const { seed: programSeed, bytes, packet } = randomProgram(seedOf(seed, i));
        const expected = runOn(interpreter, bytes, packet, options, times);
        expect(runOn(wasmEngine, bytes, packet, options, times), `program ${programSeed}`).toEqual(expected);
      }
    },
  );
});

/** Instructions for the interpreter; wasm counts loop iterations, of which there are fewer. */
const FUEL = 100_000;

describe(`interpreter and wasm on programs that go astray (BPFVM_SEED=${seed})`, () => {
  it(
    'report the same fault, registers included, and leave the same packet',
    { timeout: 60_000 + 50 * count },
    () => {
      const kinds = new Map<string, number>();
      for (let i = 0; i < count; i++) {
        const programSeed = seedOf(seed, i);
        const { bytes, packet } = mutatedProgram(programSeed);
        const options: EngineOptions = { checks: 'exact', fuel: FUEL };
        const expected = runOn(interpreter, bytes, packet, options);
        const actual = runOn(wasmEngine, bytes, packet, options);
        const kind = expected.fault?.kind ?? 'none';
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
        if (kind !== 'out-of-fuel') expect(actual, `program ${programSeed}`).toEqual(expected);
      }
      expect(kinds.get('bad-address')).toBeGreaterThan(0);
    },
  );
});
