// Measures start-up: from spawning `bpfvm run` to its first line on stdout, above what `node -e 0` takes.
// `startup.mjs [ROUNDS] [-- ARGS...]` prints medians of interleaved rounds; it measures and never fails on a figure.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const GOAL_MS = 150;
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const split = process.argv.indexOf('--');
const rounds = Number(process.argv[2]) || 11;
const run = ['run', path.join(root, 'examples/redirect.bpf.o'), '--map', 'sockmap'];
const bpfvm = [path.join(root, 'dist/bin/bpfvm.js'), ...(split < 0 ? run : process.argv.slice(split + 1))];

/** Milliseconds from spawn to the first output, or to the end of a process that prints nothing. */
function measure(args) {
  return new Promise((resolve, reject) => {
    const started = process.hrtime.bigint();
    const elapsed = () => Number(process.hrtime.bigint() - started) / 1e6;
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let first;
    let errors = '';
    child.stdout.on('data', () => (first ??= elapsed()));
    child.stderr.on('data', (text) => (errors += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(first ?? elapsed());
      else reject(new Error(`${args.join(' ')}: exit ${code}\n${errors}`));
    });
  });
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

if (!existsSync(bpfvm[0])) throw new Error('dist/ is missing: npm run build');
const times = { node: [], bpfvm: [] };
for (let round = 0; round < rounds; round++) {
  times.node.push(await measure(['-e', '0']));
  times.bpfvm.push(await measure(bpfvm));
}
const [node, tool] = [median(times.node), median(times.bpfvm)];
console.log(
  `node -e 0: ${node.toFixed(0)} ms; bpfvm ${bpfvm[1]} to its first line: ${tool.toFixed(0)} ms; ` +
    `above: ${(tool - node).toFixed(0)} ms (goal ${GOAL_MS}), medians of ${rounds}`,
);
