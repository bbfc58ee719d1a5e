/** Objects of other compilers and settings: every one is read, or refused with what is missing. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ObjectSpec } from '../../src/elf/object-spec.js';
import { readObject } from '../../src/elf/read-object.js';
import { Relocator } from '../../src/elf/relocate.js';
import { MapType } from '../../src/maps/map-types.js';
import { describeCorpus } from './lib/corpus.js';

const folder = mkdtempSync(path.join(tmpdir(), 'bpfvm-compilers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const programs = path.resolve(import.meta.dirname, '../programs');
const isThere = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const include = ['-idirafter', `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`];

function clang(version: string, source: string, ...flags: string[]): string {
  const target = path.join(folder, `${path.basename(source, '.c')}-${version}${flags.join('')}.o`);
  execFileSync(`clang-${version}`, [
    '--target=bpf',
    '-O2',
    '-w',
    ...flags,
    ...include,
    '-c',
    source,
    '-o',
    target,
  ]);
  return target;
}

const read = (file: string): ObjectSpec =>
  readObject(new Uint8Array(readFileSync(file)), path.basename(file));

/** What must be the same whatever compiled it. */
const shape = (spec: ObjectSpec): unknown => ({
  programs: spec.programs.map((p) => [p.name, p.section, p.subprogs.map((subprog) => subprog.name)]),
  maps: spec.maps
    .map(({ type, keySize, valueSize, maxEntries }) => [type, keySize, valueSize, maxEntries].join(' '))
    .sort(),
  externs: spec.externs.map((extern) => extern.name),
});

describeCorpus('objects of other compilers', () => {
  const reference = (): unknown => shape(read(path.join(programs, 'loader.bpf.o')));

  for (const version of ['14', '16', '19']) {
    const cpus = version === '19' ? ['v1', 'v2', 'v3', 'v4'] : ['v1', 'v2', 'v3'];
    describe.skipIf(!isThere(`clang-${version}`))(`clang-${version}`, () => {
      it.each(cpus)('-mcpu=%s, with debug information and stripped of it', (cpu) => {
        const object = clang(version, path.join(programs, 'loader.bpf.c'), '-g', `-mcpu=${cpu}`);
        const spec = read(object);
        expect(shape(spec)).toEqual(reference());
        expect(spec.compiler).toContain(`clang version ${version}`);
        const relocator = new Relocator(spec, { mapId: () => 1 });
        for (const program of spec.programs) relocator.relocate(program);
        execFileSync('llvm-strip-19', ['-g', object]);
        expect(shape(read(object))).toEqual(reference());
      });

      it('without -g: maps that need BTF are missing, and the message says so', () => {
        const object = clang(version, path.join(programs, 'scenario.bpf.c'));
        expect(() => read(object)).toThrow(/BTF does not describe section \.maps \(compile with -g/);
      });

      it('without -g: maps declared the old way are read', () => {
        expect(legacyShape(read(clang(version, path.join(import.meta.dirname, 'legacy-maps.c'))))).toEqual(
          LEGACY,
        );
      });
    });
  }

  it.skipIf(!isThere('bpf-gcc'))('bpf-gcc: maps declared the old way are read', () => {
    const object = path.join(folder, 'gcc.o');
    const flags = ['-O2', '-I', include[1]!, '-I', '/usr/include'];
    execFileSync('bpf-gcc', [...flags, '-c', path.join(import.meta.dirname, 'legacy-maps.c'), '-o', object]);
    expect(existsSync(object)).toBe(true);
    expect(legacyShape(read(object))).toEqual(LEGACY);
  });
});

const LEGACY = {
  programs: [['verdict', 'sk_skb/stream_verdict', 3]],
  maps: [
    ['by_key', MapType.Hash, 8, 16, 3, 2],
    ['sockets', MapType.Sockmap, 4, 4, 20, undefined],
  ],
};

const legacyShape = (spec: ObjectSpec): unknown => ({
  programs: spec.programs.map((p) => [p.name, p.section, p.relocations.length]),
  maps: spec.maps
    .filter((map) => map.initialValue === undefined)
    .map((m) => [m.name, m.type, m.keySize, m.valueSize, m.maxEntries, m.pinning])
    .sort(),
});
