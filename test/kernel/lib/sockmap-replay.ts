/** Scenarios replayed on sockets of the running kernel, through the driver sockmap_replay, several at a time. */
import { spawn } from 'node:child_process';
import { driverPath } from './corpus.js';

/** Most of a replay is waiting. */
const PROCESSES = 12;

function replayOnce(
  object: string,
  offsets: readonly number[],
  scenarios: readonly (readonly string[])[],
  pause: number,
): Promise<string[][]> {
  return new Promise((resolve, reject) => {
    const child = spawn(driverPath('sockmap_replay'), [object, pause, ...offsets].map(String), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', () => {
      const text = Buffer.concat(chunks).toString();
      const answers = text.split('begin\n').slice(1);
      resolve(answers.map((answer) => answer.split('\n').slice(0, -1)));
    });
    child.stdin.end(scenarios.map((commands) => ['begin', ...commands, 'end', ''].join('\n')).join(''));
  });
}

/** The answers of each scenario, in order. `offsets` are those of cfg, evs and nev in `.bss`. */
export async function replayInKernel(
  object: string,
  offsets: readonly number[],
  scenarios: readonly (readonly string[])[],
  pause: number,
): Promise<string[][]> {
  const share = Math.ceil(scenarios.length / PROCESSES);
  const parts = Array.from({ length: PROCESSES }, (_, index) =>
    scenarios.slice(index * share, (index + 1) * share),
  );
  const answers = await Promise.all(parts.map((part) => replayOnce(object, offsets, part, pause)));
  return answers.flat();
}
