import { describe, expect, it } from 'vitest';
import type { EngineOptions } from '../../../src/vm/engine.js';
import { interpreter } from '../../../src/vm/interpreter.js';
import { wasmEngine } from '../../../src/vm/jit/wasm-engine.js';
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
