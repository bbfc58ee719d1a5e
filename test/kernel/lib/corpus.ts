/**
 * The kernel's compiled BPF selftests and the C drivers, as scripts/test-kernel.mjs left them in the cache.
 * Where they are missing, tests are skipped: one counted test a suite, which names the reason.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'vitest';

/** The manifest that scripts/test-kernel.mjs writes. */
interface Manifest {
  readonly skipped?: string;
  /** Why the running kernel cannot be asked. */
  readonly live?: string;
  readonly objects?: string;
  readonly names?: readonly string[];
  readonly failed?: readonly string[];
  readonly drivers?: string;
}

export interface Corpus {
  /** Names of the objects, e.g. `test_sockmap_kern`, sorted. */
  readonly names: readonly string[];
  /** Path of an object. */
  path(name: string): string;
  read(name: string): Uint8Array;
}

export interface DriverResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface DriverOptions {
  readonly input?: string | Uint8Array;
  /** Milliseconds after which the driver is killed and the call rejects; 60 s by default. */
  readonly timeout?: number;
}

const MANIFEST = new URL('../../../.cache/kernel-corpus.json', import.meta.url);

function readManifest(): Manifest {
  if (!existsSync(MANIFEST)) {
    const reason = 'nothing built: run npm run test:kernel once';
    return { skipped: reason, live: reason };
  }
  return JSON.parse(readFileSync(MANIFEST, 'utf8')) as Manifest;
}

const manifest = readManifest();

/** The corpus, for code that runs where it is known to be there, such as inside describeCorpus. */
export function requireCorpus(): Corpus {
  const { objects, names, skipped } = manifest;
  if (objects === undefined || names === undefined) throw new Error(skipped ?? 'no selftest objects');
  const at = (name: string): string => path.join(objects, `${name}.bpf.o`);
  return { names, path: at, read: (name) => new Uint8Array(readFileSync(at(name))) };
}

function describeUnless(reason: string | undefined, name: string, body: () => void): void {
  if (reason === undefined) describe(name, body);
  else describe(name, () => it.skip(`skipped: ${reason}`, () => undefined));
}

/** A suite on the selftest objects. */
export function describeCorpus(name: string, body: (corpus: Corpus) => void): void {
  describeUnless(manifest.skipped, name, () => body(requireCorpus()));
}

/** A suite that also asks the running kernel: needs the objects, the drivers and the right to call bpf(2). */
export function describeLive(name: string, body: (corpus: Corpus) => void): void {
  describeUnless(manifest.skipped ?? manifest.live, name, () => body(requireCorpus()));
}

/** Path of the program built from test/kernel/driver/NAME.c. */
export function driverPath(name: string): string {
  if (manifest.drivers === undefined) throw new Error(manifest.skipped ?? 'no drivers');
  return path.join(manifest.drivers, name);
}

/** Runs a driver to its end. Rejects where it cannot be started or overruns its time; an exit code is a result. */
export function runDriver(
  name: string,
  args: readonly string[] = [],
  options: DriverOptions = {},
): Promise<DriverResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(driverPath(name), args, { timeout: options.timeout ?? 60_000 });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => undefined); // a driver may end before it has read everything
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const [stdout, stderr] = [Buffer.concat(out).toString(), Buffer.concat(err).toString()];
      if (signal === null) resolve({ code, stdout, stderr });
      else reject(new Error(`${name} ${args.join(' ')}: ended by ${signal}\n${stderr}`));
    });
    child.stdin.end(options.input);
  });
}
