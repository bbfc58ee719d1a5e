/** `bpfvm build`: a program as a WebAssembly module that runs without bpfvm. */
import type { Command } from 'commander';
import type { CheckMode } from '../vm/engine.js';
import type { AddCommand } from './main.js';
import type { CliIo, GlobalOptions } from './output.js';
import { printJson } from './output.js';

interface BuildOptions {
  readonly prog: string;
  readonly output: string;
  readonly checks: string;
  readonly fuel: string;
  readonly btf?: string;
  readonly verify: boolean;
}

const CHECKS: readonly CheckMode[] = ['exact', 'proved', 'off'];

const HELP = `
The module imports its memory and the helpers it calls, and exports run(ctx) -> r0. Its custom section "bpfvm" tells
where maps, stack and free memory are. docs/wasm.md is the contract; examples/run-wasm.ts runs one.

  bpfvm build filter.bpf.o --prog filter -o filter.wasm
  bpfvm build filter.bpf.o --prog filter -o filter.wasm --checks off --fuel 0`;

export const addBuild: AddCommand = (program, io) => {
  program
    .command('build')
    .description('compile a program to a WebAssembly module')
    .argument('<object>', 'an object file')
    .requiredOption('--prog <name>', 'the program')
    .requiredOption('-o, --output <file>', 'where to write the module')
    .option(
      '--checks <mode>',
      'exact: every memory access; proved: those that the verifier has not proved; off: none',
      'exact',
    )
    .option('--fuel <number>', 'loop iterations and calls of one run; 0: unlimited', '100000000')
    .option('--no-verify', 'check the structure of the program only')
    .option('--btf <file>', 'types to relocate against; default: those of the running kernel')
    .addHelpText('after', HELP)
    .action((file: string, options: BuildOptions, command: Command) => build(io, file, options, command));
};

async function build(io: CliIo, file: string, options: BuildOptions, command: Command): Promise<void> {
  const { writeFileSync } = await import('node:fs');
  const { BpfVm } = await import('../bpf-vm.js');
  const { coreTarget, readObjectFile } = await import('./load-objects.js');
  const { buildStandalone } = await import('../vm/jit/standalone.js');
  const engineOptions = await parseOptions(options);
  const spec = readObjectFile(file);
  const target = coreTarget([spec], options.btf);
  const vm = new BpfVm({ verify: options.verify });
  const object = vm.load(spec, { programs: [options.prog], ...(target === undefined ? {} : { target }) });
  const { image } = object.program(options.prog);
  const module = buildStandalone(image, vm.memory, engineOptions);
  writeFileSync(options.output, module);
  const global = command.optsWithGlobals<GlobalOptions>();
  if (global.json === true) {
    printJson(io, { program: image.name, output: options.output, bytes: module.length }, global);
  } else {
    io.out(
      `${options.output}: ${image.name}, ${image.insns.length} instructions in ${module.length} bytes\n`,
    );
  }
}

async function parseOptions({ checks, fuel }: BuildOptions) {
  const { UsageError } = await import('../errors.js');
  const mode = CHECKS.find((name) => name === checks);
  if (mode === undefined) {
    throw new UsageError('ERR_BPF_USAGE_CHECKS', `--checks ${checks}: no such mode`, {
      hint: CHECKS.join(', '),
    });
  }
  const limit = Number(fuel);
  if (!Number.isInteger(limit) || limit < 0 || fuel.trim() === '') {
    throw new UsageError('ERR_BPF_USAGE_FUEL', `--fuel ${fuel}: not a number of iterations`);
  }
  return { checks: mode, fuel: limit };
}
