// `npm run campaign:diff -- [--count N] [--live N] [--seed S] [--engine NAME]`
// Random programs on the engines: --count of them against the reference functions of the instruction table, --live of
// them against the running kernel (0: none). Prints counts, differences and the seed, which repeats the campaign.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const text = { type: 'string' };
const { values } = parseArgs({ options: { count: text, live: text, seed: text, engine: text } });
const seed = values.seed ?? String(Math.floor(Math.random() * 0x7fffffff));

/** Runs a command with the campaign's settings; whether it succeeded. */
function run(args, count) {
  const engine = values.engine === undefined ? {} : { BPFVM_ENGINE: values.engine };
  const env = { ...process.env, ...engine, BPFVM_SEED: seed, BPFVM_COUNT: count };
  return spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' }).status === 0;
}

const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
const kernel = path.join(root, 'scripts/test-kernel.mjs');
const count = values.count ?? '10000';
const live = values.live ?? '0';
if (!existsSync(vitest)) throw new Error('vitest is missing: npm ci');

const results = [
  count === '0' || run([vitest, 'run', 'test/property/engines.test.ts'], count),
  live === '0' || run([kernel, 'test/kernel/random.test.ts'], live),
];
console.log(`seed ${seed}`);
process.exitCode = results.every(Boolean) ? 0 : 1;
