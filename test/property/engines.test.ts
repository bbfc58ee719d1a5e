import { describe, expect, it } from 'vitest';
import { ROWS } from '../../src/isa/ops.js';
import { interpreter } from '../../src/vm/interpreter.js';
import { wasmEngine } from '../../src/vm/jit/wasm-engine.js';
import { runCampaign } from '../lib/random-campaign.js';
import { testCount, testSeed } from '../lib/seed.js';

const seed = testSeed();
const count = testCount(1000);
/** BPFVM_ENGINE chooses one: compiling to wasm takes most of the time of a long campaign. */
const engines = [interpreter, wasmEngine].filter(
  ({ name }) => (process.env['BPFVM_ENGINE'] ?? name) === name,
);

/** What random programs leave out: they call nothing outside and refer to nothing. */
const LEFT_OUT = ['addr_space_cast', 'may_goto', 'call', 'call_kfunc', 'callx'];

describe(`random programs on ${engines.map(({ name }) => name).join(' and ')} (BPFVM_SEED=${seed}, BPFVM_COUNT=${count})`, () => {
  it(
    'leave the same registers, stack and packet on every engine as on the reference machine',
    () => {
      const { differences, ops, instructions } = runCampaign(engines, seed, count);
      console.log(
        `${count} programs, ${instructions} instructions, ${differences.length} differences, seed ${seed}`,
      );
      expect(differences).toEqual([]);
      const unused = ROWS.filter(
        (row, op) => ops[op] === 0 && !LEFT_OUT.includes(row.kind) && row.kind !== 'lddw',
      );
      if (count >= 1000) expect(unused.map((row) => row.name)).toEqual([]);
    },
    60_000 + 20 * count,
  );
});
