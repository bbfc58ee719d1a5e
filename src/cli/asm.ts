/** `bpfvm asm`: text to bytes. */
import type { Command } from 'commander';
import type { AddCommand } from './main.js';
import { formatHex, readInput } from './input.js';
import type { CliIo, GlobalOptions } from './output.js';
import { printJson } from './output.js';

interface AsmCommandOptions {
  readonly hex?: boolean;
  readonly out?: string;
}

const HELP = `
Reads the syntax of the kernel's verifier log ("r0 = 0") and that of the conformance suite ("mov %r0, 0"), with
labels and comments; docs/isa.md lists both. Writes 8 bytes a slot.

  echo "r0 = 42; exit" | tr ";" "\\n" | bpfvm asm - | bpfvm disasm -`;

export const addAsm: AddCommand = (program, io) => {
  program
    .command('asm')
    .description('assemble instructions to bytes')
    .argument('<file>', 'the text, - for standard input')
    .option('--hex', 'write bytes in hex (the default on a terminal)')
    .option('-o, --out <file>', 'write there instead of standard output')
    .addHelpText('after', HELP)
    .action((file: string, options: AsmCommandOptions, command: Command) => run(io, file, options, command));
};

async function run(io: CliIo, file: string, options: AsmCommandOptions, command: Command): Promise<void> {
  const { assemble } = await import('../isa/asm.js');
  const { helperByName } = await import('../helpers/registry.js');
  const text = new TextDecoder().decode(await readInput(io, file));
  const bytes = assemble(text, { helperId: (name) => helperByName(name)?.id });
  const global = command.optsWithGlobals<GlobalOptions>();
  if (options.out !== undefined) {
    const { writeFileSync } = await import('node:fs');
    writeFileSync(options.out, options.hex === true ? `${formatHex(bytes)}\n` : bytes);
  } else if (global.json === true) printJson(io, { slots: bytes.length / 8, bytes }, global);
  else if (options.hex === true || io.isTty) io.out(`${formatHex(bytes)}\n`);
  else io.out(bytes);
}
