// `npm run test:kernel`: builds the kernel's BPF selftest objects and the C drivers into the cache, then runs the tests
// on them. What the machine cannot do is skipped, counted and said. Arguments are passed on to vitest.
// `--build-only` stops before the tests.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildCorpus } from './kernel/corpus.mjs';
import { buildDrivers } from './kernel/drivers.mjs';
import { driverCache, manifestFile, root, tryOutput } from './kernel/run.mjs';
import { ensureTools } from './kernel/tools.mjs';

/** Why bpf(2) cannot be used here, or undefined where it can. */
function bpfRefusal() {
  const answer = tryOutput(path.join(driverCache, 'probe'), []);
  return answer === undefined ? 'the probe for bpf(2) could not be run' : answer === '' ? undefined : answer;
}

/** What test/kernel/lib/corpus.ts reads. */
async function prepare() {
  const skipped = ensureTools();
  if (skipped !== undefined) return { skipped, live: skipped };
  const { folder, compiled, failed } = await buildCorpus();
  const failures = await buildDrivers();
  for (const failure of failures) console.error(`driver ${failure}`);
  return {
    objects: folder,
    names: compiled,
    failed,
    drivers: driverCache,
    driverFailures: failures,
    live: bpfRefusal(),
  };
}

const args = process.argv.slice(2).filter((arg) => arg !== '--build-only');
const manifest = await prepare();
mkdirSync(path.dirname(manifestFile), { recursive: true });
writeFileSync(manifestFile, `${JSON.stringify(manifest, undefined, 1)}\n`);
if (manifest.skipped !== undefined) console.log(`kernel selftests skipped: ${manifest.skipped}`);
else
  console.log(
    `${manifest.names.length} selftest objects, ${manifest.failed.length} sources that this clang refuses`,
  );
if (manifest.live !== undefined) console.log(`comparisons with the running kernel skipped: ${manifest.live}`);

if (!process.argv.includes('--build-only')) {
  const node = (...command) =>
    spawnSync(process.execPath, command, {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, BPFVM_TEST_DIST: '1' },
    });
  const built = node('scripts/build.mjs');
  const tests = node('node_modules/vitest/vitest.mjs', 'run', '-c', 'vitest.kernel.config.ts', ...args);
  process.exitCode = built.status === 0 && tests.status === 0 && !manifest.driverFailures?.length ? 0 : 1;
}
