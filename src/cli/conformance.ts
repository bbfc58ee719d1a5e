/** `bpfvm conformance`: the plugin protocol of the public BPF conformance suite. */
import type { Command } from 'commander';
import type { AddCommand } from './main.js';
import { readInput, requireHex } from './input.js';
import { CliExit, Exit } from './output.js';
import type { CliIo } from './output.js';

interface ConformanceOptions {
  readonly program?: string;
  readonly engine: string;
}

const HELP = `
Runs raw bytecode with structural checks only and prints r0 in hex. r1 is the address of the memory, r2 its
length. Exit code 1, and the reason on stderr, where the program is refused or faults.

  echo "b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00" | bpfvm conformance
  bpfvm conformance "01 02 03 04" --program "$(bpfvm asm load.s --hex)"`;

export const addConformance: AddCommand = (program, io) => {
  program
    .command('conformance')
    .description('run raw bytecode by the plugin protocol of the bpf_conformance suite')
    .argument('[memory]', 'bytes in hex that r1 points to', '')
    .option('--program <hex>', 'the program instead of standard input')
    .option('--engine <name>', 'interpreter or wasm', 'interpreter')
    .addHelpText('after', HELP)
    .action((memory: string, options: ConformanceOptions, command: Command) =>
      run(io, memory, options, command),
    );
};

async function run(io: CliIo, memory: string, options: ConformanceOptions, command: Command): Promise<void> {
  const { engineByName, runRaw } = await import('./raw-program.js');
  const { BpfError } = await import('../errors.js');
  const engine = await engineByName(options.engine);
  const text = options.program ?? new TextDecoder().decode(await readInput(io, '-'));
  const bytes = requireHex(text, 'program');
  const region = requireHex(memory, 'memory');
  const isJson = command.optsWithGlobals<{ json?: boolean }>().json === true;
  try {
    const { r0 } = runRaw(bytes, { engine, memory: region });
    io.out(isJson ? `${JSON.stringify({ r0: r0.toString(16) })}\n` : `${r0.toString(16)}\n`);
  } catch (error) {
    // The protocol knows one exit code for all that goes wrong with a program.
    if (!(error instanceof BpfError)) throw error;
    io.err(`${error.message}\n`);
    throw new CliExit(Exit.failed);
  }
}
