/** The command line: declares the commands; each action loads its file when it is chosen, which keeps start-up short. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addAsm } from './asm.js';
import { addBtf } from './btf.js';
import { addBuild } from './build.js';
import { addConformance } from './conformance.js';
import { addDisasm } from './disasm.js';
import { addExec } from './exec.js';
import { addInspect } from './inspect.js';
import { addMap } from './map.js';
import type { CliIo, GlobalOptions } from './output.js';
import { Exit, processIo, reportError } from './output.js';
import { addSelftest } from './selftest.js';
import { addVerify } from './verify.js';
import { addRunCommand } from './run.js';

/** A command adds itself to the program; it imports what it runs inside its action. */
export type AddCommand = (program: Command, io: CliIo) => void;

const COMMANDS: readonly AddCommand[] = [
  addRunCommand,
  addInspect,
  addBtf,
  addAsm,
  addDisasm,
  addConformance,
  addBuild,
  addVerify,
  addSelftest,
  addExec,
  addMap,
];

function version(): string {
  // Two levels up from dist/src/cli as from src/cli is not the same place: the file is looked for upwards.
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

export function createProgram(io: CliIo): Command {
  const program = new Command('bpfvm')
    .description('Load, check and run eBPF objects in userspace, sockmap included.')
    .version(version(), '-V, --version')
    .option('-j, --json', 'one JSON document on stdout')
    .option('-p, --pretty', 'indent the JSON')
    .option('-d, --debug', 'stack traces with errors')
    .showHelpAfterError('(bpfvm --help lists the commands)')
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .exitOverride();
  for (const add of COMMANDS) add(program, io);
  return program;
}

/** Runs one command line and returns the exit code; never throws. */
export async function main(argv: readonly string[], io: CliIo = processIo): Promise<number> {
  const program = createProgram(io);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return Exit.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.ok : Exit.usage;
    return reportError(io, error, program.opts<GlobalOptions>());
  }
}
