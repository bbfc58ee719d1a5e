/** `bpfvm btf dump`: the types of an object, a kernel or a raw BTF file. */
import type { Command } from 'commander';
import type { Btf } from '../btf/btf.js';
import type { AddCommand } from './main.js';
import type { CliIo, GlobalOptions } from './output.js';
import { printJson } from './output.js';

const HELP = `
FILE is an object with a .BTF section or raw BTF, e.g. /sys/kernel/btf/vmlinux. The format may also be given in
bpftool's way, as two words. C output compiles to the same layout, with gcc and clang.

  bpfvm btf dump prog.bpf.o
  bpfvm btf dump prog.bpf.o format c > types.h
  bpfvm btf dump /sys/kernel/btf/vmlinux --format c > vmlinux.h`;

const FORMATS = ['raw', 'c', 'json'] as const;
type Format = (typeof FORMATS)[number];

interface DumpOptions {
  readonly format?: string;
}

export const addBtf: AddCommand = (program, io) => {
  program
    .command('btf')
    .description('show type information')
    .command('dump')
    .description('print all types')
    .argument('<file>', 'an object or raw BTF; - for standard input')
    .argument('[words...]', 'format raw|c|json')
    .option('--format <format>', `${FORMATS.join(', ')}; default raw`)
    .addHelpText('after', HELP)
    .action((file: string, words: string[], options: DumpOptions, command: Command) =>
      run(io, file, words, options, command),
    );
};

async function run(
  io: CliIo,
  file: string,
  words: readonly string[],
  options: DumpOptions,
  command: Command,
): Promise<void> {
  const { UsageError } = await import('../errors.js');
  const global = command.optsWithGlobals<GlobalOptions>();
  const wanted = words[0] === 'format' && words.length === 2 ? words[1] : options.format;
  if (words.length > 0 && (words[0] !== 'format' || words.length !== 2)) {
    throw new UsageError('ERR_BPF_USAGE_ARGUMENT', `unexpected "${words.join(' ')}"`, {
      hint: 'format raw|c|json',
    });
  }
  const format = global.json === true ? 'json' : (wanted ?? 'raw');
  if (!FORMATS.includes(format as Format)) {
    throw new UsageError('ERR_BPF_USAGE_ARGUMENT', `unknown format "${format}"`, {
      hint: FORMATS.join(', '),
    });
  }
  const btf = await readTypes(io, file);
  const { dumpC } = await import('../btf/dump-c.js');
  const { rawLines, typeDocuments } = await import('../btf/dump-raw.js');
  if (format === 'c') io.out(dumpC(btf));
  else if (format === 'json') printJson(io, { types: typeDocuments(btf) }, global);
  else io.out(rawLines(btf).join('\n') + '\n');
}

async function readTypes(io: CliIo, file: string): Promise<Btf> {
  const { basename } = await import('node:path');
  const { readInput } = await import('./input.js');
  const btfModule = await import('../btf/btf.js');
  const { readObject } = await import('../elf/read-object.js');
  const { BtfError } = await import('../errors.js');
  const name = file === '-' ? 'stdin' : basename(file);
  const bytes = await readInput(io, file);
  const isRaw = bytes[0] === 0x9f && bytes[1] === 0xeb;
  const btf = isRaw ? btfModule.Btf.parse(bytes, name) : readObject(bytes, name).btf;
  if (btf !== undefined) return btf;
  throw new BtfError('ERR_BPF_BTF_MISSING', `${name}: no .BTF section`, { hint: 'compile with -g' });
}
