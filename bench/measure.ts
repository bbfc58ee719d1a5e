/** One round of one contestant: bpfvm's engines in child processes, the kernel and native code by C programs. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENGINES, workloadInsns } from './engines.js';
import { benchPacket, root, WORKLOADS } from './workloads.js';

export interface Measurement {
  /** Of the first run, signed. */
  readonly result: number;
  readonly nsPerRun: number;
}

export interface Contestant {
  /** Column of the table and key of the JSON document. */
  readonly name: string;
  readonly what: string;
  /** All workloads once, in their order. @throws Error with what the contestant said */
  readonly round: (quick: boolean) => Measurement[];
}

export interface Missing {
  readonly name: string;
  readonly reason: string;
}

const cache = path.join(root, '.cache/bench');
const child = path.join(path.dirname(fileURLToPath(import.meta.url)), 'child.js');
const CHILD_SECONDS = 0.3;
const QUICK_SECONDS = 0.02;
/** Nanoseconds that the kernel and native code spend on a workload in a round. */
const ROUND_NS = 60_000_000;
const QUICK_ROUND_NS = 5_000_000;

function run(command: string, args: readonly string[], input?: Uint8Array): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...(input === undefined ? {} : { input }),
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${path.basename(command)}: exit ${status}: ${stderr.toString().trim()}`);
  return stdout.toString();
}

const engines: readonly Contestant[] = ENGINES.map(({ name, what }) => ({
  name,
  what,
  round: (quick) =>
    JSON.parse(
      run(process.execPath, [child, name, String(quick ? QUICK_SECONDS : CHILD_SECONDS)]),
    ) as Measurement[],
}));

/** Lines of a result and nanoseconds, one a workload. */
function parseLines(text: string): Measurement[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [result, nsPerRun] = line.split(' ').map(Number);
      return { result, nsPerRun };
    });
}

const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const roundNs = (quick: boolean): number => (quick ? QUICK_ROUND_NS : ROUND_NS);

/** Compiles one of the C programs beside this file. */
function build(compiler: string, name: string, output: string): string {
  mkdirSync(cache, { recursive: true });
  const target = path.join(cache, output);
  run(compiler, ['-O2', '-Wall', '-o', target, path.join(root, 'bench', `${name}.c`)]);
  return target;
}

function kernelJit(): Contestant {
  const driver = build('gcc', 'kernel-jit', 'kernel-jit');
  const packet = benchPacket();
  const programs = WORKLOADS.map(({ name }) => workloadInsns(name));
  const input = (quick: boolean): Uint8Array =>
    Buffer.concat([
      word(roundNs(quick)),
      word(packet.length),
      packet,
      ...programs.flatMap(({ bytes, entries }) => [word(entries), word(bytes.length / 8), bytes]),
    ]);
  const contestant: Contestant = {
    name: 'kernelJit',
    what: 'the running kernel, BPF_PROG_TEST_RUN',
    round: (quick) => parseLines(run(driver, [], input(quick))),
  };
  contestant.round(true);
  return contestant;
}

function native(compiler: string, name: string): Contestant {
  const program = build(compiler, 'native', name);
  const packet = benchPacket();
  return {
    name,
    what: `the same C by ${compiler} -O2`,
    round: (quick) => parseLines(run(program, [String(roundNs(quick))], packet)),
  };
}

/** Everyone who can take part here, and why the others cannot. */
export function contestants(): { readonly present: Contestant[]; readonly missing: Missing[] } {
  const present = [...engines];
  const missing: Missing[] = [];
  const tryAdd = (name: string, make: () => Contestant): void => {
    try {
      present.push(make());
    } catch (error) {
      missing.push({ name, reason: (error as Error).message });
    }
  };
  tryAdd('kernelJit', kernelJit);
  tryAdd('native', () => native('clang-19', 'native'));
  tryAdd('nativeGcc', () => native('gcc', 'nativeGcc'));
  return { present, missing };
}
