/** `bpfvm inspect`: what object files contain, for people and as JSON. */
import type { Command } from 'commander';
import type { ElfSummary } from './inspect-summary.js';
import type { AddCommand } from './main.js';
import type { CliIo, GlobalOptions } from './output.js';
import { CliExit, Exit, bold, dim, printJson, reportError } from './output.js';

const HELP = `
With --json: an array with an entry per object. Types have libbpf's names; "insns" counts the slots of a program with
the functions that it calls, as it would be loaded. An object that cannot be read has an entry with an "error".

  bpfvm inspect prog.bpf.o
  bpfvm --json inspect *.bpf.o | jq '.[].programs[].name'`;

export const addInspect: AddCommand = (program, io) => {
  program
    .command('inspect')
    .description('show programs, maps, globals, externs and relocations of objects')
    .argument('<objects...>', 'object files; - for standard input')
    .option('--link', 'link the objects first, and show them as one')
    .addHelpText('after', HELP)
    .action((files: string[], options: { readonly link?: boolean }, command: Command) =>
      run(io, files, options.link === true, command),
    );
};

interface Failure {
  readonly object: string;
  readonly error: { readonly code: string; readonly message: string };
}

async function run(io: CliIo, files: readonly string[], link: boolean, command: Command): Promise<void> {
  const { basename } = await import('node:path');
  const { readInput } = await import('./input.js');
  const { linkObjects, readObject } = await import('../elf/read-object.js');
  const { summarize } = await import('./inspect-summary.js');
  const { BpfError } = await import('../errors.js');
  const global = command.optsWithGlobals<GlobalOptions>();
  const entries: (ElfSummary | Failure)[] = [];
  let failed = false;
  const named = async (file: string): Promise<{ name: string; bytes: Uint8Array }> => ({
    name: file === '-' ? 'stdin' : basename(file),
    bytes: await readInput(io, file),
  });
  const groups = link ? [files] : files.map((file) => [file]);
  for (const group of groups) {
    const objects = await Promise.all(group.map(named));
    const object = objects.map(({ name }) => name).join('+');
    try {
      const spec = link ? linkObjects(objects, object) : readObject(objects[0].bytes, object);
      const entry = summarize(spec, global.json !== true);
      entries.push(entry);
      if (global.json !== true) print(io, entry);
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      failed = true;
      entries.push({ object, error: { code: error.code, message: error.message } });
      reportError(io, error, global);
    }
  }
  if (global.json === true) printJson(io, entries, global);
  if (failed) throw new CliExit(Exit.badObject);
}

/** Rows of cells to lines; columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
}

function section(
  io: CliIo,
  title: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  if (rows.length === 0) return;
  const [first, ...rest] = table([header, ...rows]);
  io.out(`\n${bold(title)}\n  ${dim(first)}\n`);
  for (const line of rest) io.out(`  ${line}\n`);
}

/** Attach type 0 is also what libbpf says of programs that have none. */
function attachTypeOf(program: ElfSummary['programs'][number]): string {
  const isNone = program.attachType === 'cgroup_inet_ingress' && program.progType !== 'cgroup_skb';
  return isNone ? '-' : program.attachType;
}

const MAX_VALUE = 60;

function print(io: CliIo, entry: ElfSummary): void {
  const facts = [
    entry.license === '' ? 'no license' : `license ${entry.license}`,
    entry.compiler ?? 'compiler unknown',
    entry.btf ? `${entry.btfTypes} BTF types` : 'no BTF',
  ];
  io.out(`${bold(entry.object)}  ${facts.join(', ')}\n`);
  section(
    io,
    'programs',
    ['name', 'section', 'type', 'attach type', 'insns', 'functions', 'relocations'],
    entry.programs.map((p) => [
      p.name,
      p.autoload ? p.section : `?${p.section}`,
      p.progType,
      attachTypeOf(p),
      String(p.insns),
      p.subprogs.join(' ') || '-',
      p.relocations.map(({ kind, count }) => `${count} ${kind}`).join(', ') || '-',
    ]),
  );
  section(
    io,
    'maps',
    ['name', 'type', 'key', 'value', 'entries', 'flags', 'key type', 'value type'],
    entry.maps.map((m) => [
      m.name,
      m.type,
      String(m.keySize),
      String(m.valueSize),
      String(m.maxEntries),
      m.flagNames.join('|') || '-',
      m.keyType ?? '-',
      [m.valueType ?? '-', m.inner === undefined ? '' : `of ${m.inner.type}`, m.pinned ? '(pinned)' : '']
        .filter((text) => text !== '')
        .join(' '),
    ]),
  );
  section(
    io,
    'globals',
    ['section', 'offset', 'size', 'declaration', 'value'],
    entry.globals.map((g) => [
      g.section,
      String(g.offset),
      String(g.size),
      g.declaration,
      shorten(String(g.value ?? '')),
    ]),
  );
  section(
    io,
    'externs',
    ['name', 'kind', 'weak', 'declaration'],
    entry.externs.map((e) => [e.name, e.kind, e.weak ? 'yes' : 'no', e.declaration]),
  );
  section(
    io,
    'struct_ops',
    ['name', 'type', 'link', 'programs'],
    entry.structOps.map((s) => [
      s.name,
      s.type,
      s.link ? 'yes' : 'no',
      Object.entries(s.programs)
        .map(([member, name]) => `${member}=${name}`)
        .join(' '),
    ]),
  );
  io.out('\n');
}

function shorten(text: string): string {
  return text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE - 3)}...`;
}
