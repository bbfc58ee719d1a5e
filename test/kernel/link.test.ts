/** Objects linked here and by bpftool: the same programs and maps come out. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { CoreReloKind } from '../../src/btf/ext-types.js';
import type { ObjectSpec, ProgramSpec } from '../../src/elf/object-spec.js';
import { linkObjects, readObject } from '../../src/elf/read-object.js';
import { Relocator } from '../../src/elf/relocate.js';
import { describeCorpus } from './lib/corpus.js';

const folder = mkdtempSync(path.join(tmpdir(), 'bpfvm-link-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Sets that the selftests link. bpftool 7.1 places the maps of some of them wrongly: these are only read. */
const SETS: readonly { names: readonly string[]; compare: boolean }[] = [
  { names: ['linked_funcs1', 'linked_funcs2'], compare: true },
  { names: ['linked_vars1', 'linked_vars2'], compare: true },
  { names: ['test_usdt', 'test_usdt_multispec'], compare: true },
  { names: ['linked_maps1', 'linked_maps2'], compare: false },
  { names: ['test_subskeleton', 'test_subskeleton_lib', 'test_subskeleton_lib2'], compare: false },
];

function byBpftool(paths: readonly string[]): ObjectSpec | undefined {
  const target = path.join(folder, 'linked.bpf.o');
  rmSync(target, { force: true });
  const { status } = spawnSync('bpftool', ['gen', 'object', target, ...paths], {
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` },
  });
  return status === 0 ? readObject(new Uint8Array(readFileSync(target)), 'linked.bpf.o') : undefined;
}

/** Relocated instructions and lines. Type ids differ: bpftool drops types that are the same. */
function comparable(spec: ObjectSpec, program: ProgramSpec): unknown {
  const mapId = (name: string): number => spec.maps.findIndex((map) => map.name === name);
  const { insns } = new Relocator(spec, { mapId, extern: () => ({ btfId: 1 }) }).relocate(program);
  for (const { pc, kind } of program.coreRelos) {
    if (kind === CoreReloKind.TypeIdLocal) insns.fill(0, pc * 8 + 4, pc * 8 + 8);
  }
  const { name, section, subprogs, lineInfo } = program;
  return { name, section, subprogs, insns, lines: lineInfo.map(({ pc, line }) => [pc, line]) };
}

const maps = (spec: ObjectSpec): unknown[] =>
  spec.maps.map(({ name, type, keySize, valueSize, maxEntries, flags, initialValue }) => ({
    name,
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    initialValue: initialValue === undefined ? '' : Buffer.from(initialValue).toString('hex'),
  }));

describeCorpus('linking', (corpus) => {
  it.each(SETS)('$names', ({ names, compare }) => {
    const objects = names.map((name) => ({ name: `${name}.bpf.o`, bytes: corpus.read(name) }));
    const ours = linkObjects(objects, 'linked.bpf.o');
    expect(ours.programs.length).toBeGreaterThan(0);
    const theirs = compare ? byBpftool(names.map((name) => corpus.path(name))) : undefined;
    if (theirs === undefined) return;
    const programsOf = (spec: ObjectSpec): unknown[] => spec.programs.map((p) => comparable(spec, p));
    expect(programsOf(ours)).toEqual(programsOf(theirs));
    expect(maps(ours)).toEqual(maps(theirs));
  });
});
