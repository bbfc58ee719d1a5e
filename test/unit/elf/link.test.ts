import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { NamedObject } from '../../../src/elf/read-object.js';
import { linkObjects, readObject } from '../../../src/elf/read-object.js';
import { Relocator } from '../../../src/elf/relocate.js';
import { ElfError } from '../../../src/errors.js';

function object(name: string): NamedObject {
  const file = `${name}.bpf.o`;
  return {
    name: file,
    bytes: new Uint8Array(readFileSync(new URL(`../../programs/${file}`, import.meta.url))),
  };
}

const [a, b] = [object('link-a'), object('link-b')];
const linked = linkObjects([a, b], 'both.bpf.o');

describe('linking objects', () => {
  it('each half alone is refused, by the name that is missing', () => {
    expect(() => readObject(a.bytes, a.name)).toThrow(/link-a\.bpf\.o: extern (shared_counter|helper_of_b)/);
    expect(() => readObject(b.bytes, b.name)).toThrow(ElfError);
  });

  it('gives the programs of all, with functions of both', () => {
    const facts = linked.programs.map((p) => [p.name, p.subprogs.map((subprog) => subprog.name)]);
    expect(facts).toEqual([
      ['verdict', ['verdict', 'helper_of_b', 'helper_of_a', 'either']],
      ['message', ['message', 'helper_of_b', 'helper_of_a', 'either']],
    ]);
  });

  it('keeps the first of two weak functions', () => {
    const source = linked.programs[0]!.lineInfo.map((line) => line.text).join('\n');
    expect(source).toContain('x + own++');
    expect(source).not.toContain('x - own++');
  });

  it('keeps one copy of a map that several refer to', () => {
    expect(linked.maps.map((map) => map.name)).toEqual(['sockets', 'both.data']);
    for (const program of linked.programs) {
      expect(program.relocations).toContainEqual(expect.objectContaining({ kind: 'map', map: 'sockets' }));
    }
  });

  it('joins the data, statics of the same name apart', () => {
    const places = linked.globals.map((g) => [g.name, g.offset, g.isStatic]);
    expect(places).toEqual([
      ['own', 0, true],
      ['shared_counter', 4, false],
      ['own', 8, true],
    ]);
    expect([...linked.maps[1]!.initialValue!]).toEqual([7, 0, 0, 0, 40, 0, 0, 0, 9, 0, 0, 0]);
  });

  it('leaves nothing that cannot be relocated', () => {
    expect(linked.externs).toEqual([]);
    const relocator = new Relocator(linked, { mapId: () => 1 });
    for (const program of linked.programs) expect(relocator.relocate(program).poisoned).toEqual([]);
  });

  it('refuses what is defined twice', () => {
    expect(() => linkObjects([a, a, b], 'x')).toThrow(
      expect.objectContaining({ code: 'ERR_BPF_ELF_LINK' }) as ElfError,
    );
    expect(() => linkObjects([a, a, b], 'x')).toThrow(
      'x: symbol helper_of_a is defined in link-a.bpf.o and in link-a.bpf.o',
    );
  });

  it('of one object is that object', () => {
    const one = object('loader');
    const [read, relinked] = [readObject(one.bytes, one.name), linkObjects([one], one.name)];
    expect(relinked.programs.map((p) => [p.name, p.insns, p.relocations])).toEqual(
      read.programs.map((p) => [p.name, p.insns, p.relocations]),
    );
    expect(relinked.maps.map((map) => map.name)).toEqual(read.maps.map((map) => map.name));
  });
});
