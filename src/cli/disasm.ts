/** `bpfvm disasm`: the instructions of an object or of raw bytes. */
import type { Command } from 'commander';
import type { AddCommand } from './main.js';
import { parseHex, readInput } from './input.js';
import type { CliIo, GlobalOptions } from './output.js';
import { bold, dim, printJson } from './output.js';
import type { Listing } from './listing.js';

interface DisasmOptions {
  readonly prog?: string;
  readonly visual?: boolean;
  readonly opcodes?: boolean;
}

const HELP = `
Prints the syntax of the kernel's verifier log, with the source lines of the object. Maps and kernel functions
appear by name where the object only refers to them. Raw bytes may be binary or hex.

  bpfvm disasm prog.bpf.o --prog verdict --opcodes
  bpfvm disasm prog.bpf.o --visual | dot -Tsvg > prog.svg
  echo "b7 00 00 00 00 00 00 00 95 00 00 00 00 00 00 00" | bpfvm disasm -`;

export const addDisasm: AddCommand = (program, io) => {
  program
    .command('disasm')
    .description('print the instructions of an object')
    .argument('<object>', 'an object file, raw bytes or hex; - for standard input')
    .option('--prog <name>', 'this program only')
    .option('--visual', 'the control-flow graph in the DOT language')
    .option('--opcodes', 'the bytes of each instruction, as a comment')
    .addHelpText('after', HELP)
    .action((file: string, options: DisasmOptions, command: Command) => run(io, file, options, command));
};

const isElf = (bytes: Uint8Array): boolean => bytes[0] === 0x7f && bytes[1] === 0x45;

async function run(io: CliIo, file: string, options: DisasmOptions, command: Command): Promise<void> {
  const bytes = await readInput(io, file);
  const listings = isElf(bytes) ? await fromObject(bytes, file, options) : [await fromRaw(bytes)];
  const global = command.optsWithGlobals<GlobalOptions>();
  const { toJson, toDotText, toLines } = await import('./listing.js');
  if (global.json === true) printJson(io, { programs: listings.map(toJson) }, global);
  else if (options.visual === true) io.out(listings.map(toDotText).join(''));
  else {
    for (const [index, listing] of listings.entries()) {
      if (listing.title !== undefined) io.out(`${index === 0 ? '' : '\n'}${bold(`; ${listing.title}`)}\n`);
      for (const line of toLines(listing, options.opcodes === true)) {
        io.out(line.startsWith(';') ? `${dim(line)}\n` : `${line}\n`);
      }
    }
  }
}

async function fromRaw(bytes: Uint8Array): Promise<Listing> {
  const { rawListing } = await import('./listing.js');
  return rawListing(parseHex(new TextDecoder('latin1').decode(bytes)) ?? bytes);
}

async function fromObject(bytes: Uint8Array, file: string, options: DisasmOptions): Promise<Listing[]> {
  const { basename } = await import('node:path');
  const { readObject } = await import('../elf/read-object.js');
  const { objectListings } = await import('./listing.js');
  return objectListings(readObject(bytes, file === '-' ? 'stdin' : basename(file)), options.prog);
}
