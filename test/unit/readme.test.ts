/** The README tells the truth: its commands print what it shows, its code does what it says. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BpfVm, u32 } from '../../src/index.js';
import { createProgram } from '../../src/cli/main.js';
import { bpfvm } from '../lib/fake-io.js';

const readme = readFileSync('README.md', 'utf8');

/** The fenced blocks of a language, in order. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map((match) => match[1]!);
}

it('the first command prints the output that is shown below it (npm run gen writes it)', async () => {
  const command = /npx bpfvm (.*)\n/.exec(blocks('sh')[0]!)![1]!;
  const { code, out } = await bpfvm(command.split(' '));
  expect(code).toBe(0);
  expect(out).toBe(blocks('text')[0]);
});

it('the code prints what its comment says', () => {
  const lines = blocks('js')[0]!.split('\n');
  const body = lines.filter((line) => !line.startsWith('import ')).join('\n');
  const printed: unknown[] = [];
  const run = new Function('readFileSync', 'BpfVm', 'u32', 'console', body) as (...names: unknown[]) => void;
  run(readFileSync, BpfVm, u32, { log: (text: unknown) => printed.push(text) });
  const promised = [...body.matchAll(/\/\/ prints (\w+)/g)].map((match) => match[1]);
  expect(printed).toEqual(promised);
});

it('files that are linked exist', () => {
  for (const [, target] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
    expect(() => readFileSync(target!), target).not.toThrow();
  }
});

it('commands that are named exist', () => {
  const io = {
    out: () => undefined,
    err: () => undefined,
    isTty: false,
    stdin: () => Promise.resolve(Buffer.alloc(0)),
  };
  const known = createProgram(io).commands.map((command) => command.name());
  const named = [...readme.matchAll(/`bpfvm ([a-z]+)/g)].map((match) => match[1]);
  expect(known).toEqual(expect.arrayContaining(named));
});
