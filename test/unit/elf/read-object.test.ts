import { describe, expect, it } from 'vitest';
import { BtfKind } from '../../../src/btf/types.js';
import { readObject } from '../../../src/elf/read-object.js';
import { MapType } from '../../../src/maps/map-types.js';
import { MapFlag } from '../../../src/maps/map.js';
import { ProgType } from '../../../src/progs/prog-types.js';
import { loader, loaderBytes, program } from './objects.js';

const map = (name: string): (typeof loader.maps)[number] => loader.maps.find((m) => m.name === name)!;

describe('programs', () => {
  it('are found with section, type and whether they load by themselves', () => {
    const facts = loader.programs.map((p) => [p.name, p.section, p.progType, p.autoload]);
    expect(facts).toEqual([
      ['pass', 'xdp', ProgType.Xdp, true],
      ['optional', 'tc', ProgType.SchedCls, false],
      ['externs', 'socket', ProgType.SocketFilter, true],
      ['relocated', 'sk_msg', ProgType.SkMsg, true],
      ['untyped', 'unknown_section', ProgType.Unspec, true],
    ]);
  });

  it('get the functions that they call, each once, at the first call', () => {
    const names = (name: string): string[] => program(name).subprogs.map((subprog) => subprog.name);
    expect(names('pass')).toEqual(['pass', 'middle', 'leaf']);
    expect(names('optional')).toEqual(['optional', 'callback', 'leaf']);
    expect(names('untyped')).toEqual(['untyped']);
  });

  it('call their functions where they were put', () => {
    const { insns, subprogs } = program('pass');
    const view = new DataView(insns.buffer, insns.byteOffset);
    const targets = [];
    for (let pc = 0; pc < insns.length / 8; pc++) {
      if (insns[pc * 8] === 0x85 && insns[pc * 8 + 1] === 0x10)
        targets.push(pc + 1 + view.getInt32(pc * 8 + 4, true));
    }
    const [, middle, leaf] = subprogs;
    expect(targets).toEqual([middle!.start, leaf!.start, leaf!.start]);
  });

  it('load the address of a function relative to the instruction', () => {
    const { insns, subprogs } = program('optional');
    const at = insns.findIndex((byte, i) => i % 8 === 0 && byte === 0x18 && insns[i + 1]! >> 4 === 4);
    const imm = new DataView(insns.buffer, insns.byteOffset).getInt32(at + 4, true);
    expect(at / 8 + 1 + imm).toBe(subprogs[1]!.start);
  });

  it('have source lines for all functions, in ascending order', () => {
    const { lineInfo, subprogs } = program('pass');
    const pcs = lineInfo.map((line) => line.pc);
    expect(pcs).toEqual(pcs.toSorted((a, b) => a - b));
    expect(lineInfo.findLast((line) => line.pc <= subprogs[2]!.start)!.text).toContain('x * 3');
    expect(lineInfo[0]!.file).toMatch(/loader\.bpf\.c$/);
  });

  it('name the function of each piece in BTF', () => {
    const names = program('pass').funcInfo.map((info) => loader.btf!.type(info.typeId).name);
    expect(names).toEqual(['pass', 'middle', 'leaf']);
  });

  it('leave relocations to resolve, with their place in the linked program', () => {
    const kinds = program('externs').relocations.map(({ kind }) => kind);
    expect(kinds).toEqual(['extern', 'extern', 'extern', 'extern', 'extern', 'kfunc']);
    expect(program('pass').relocations).toContainEqual(
      expect.objectContaining({ kind: 'data', map: '.data.special', offset: 0 }),
    );
  });
});

describe('maps', () => {
  it('are declared by types or by sizes', () => {
    expect(map('typed')).toMatchObject({
      type: MapType.Hash,
      keySize: 4,
      valueSize: 48,
      maxEntries: 16,
      flags: 1,
    });
    expect(map('sized')).toMatchObject({ type: MapType.Sockhash, keySize: 12, valueSize: 8, pinning: 1 });
  });

  it('know the types of their keys and values', () => {
    expect(loader.btf!.type(map('typed').valueTypeId!).name).toBe('value');
    expect(map('typed').spinLockOffset).toBe(0);
  });

  it('of maps have a template and initial slots', () => {
    expect(map('outer').inner).toMatchObject({ type: MapType.Array, valueSize: 4 });
    expect([...map('outer').initialSlots!]).toEqual([[2, 'inner']]);
    expect([...map('jumps').initialSlots!]).toEqual([[1, 'pass']]);
  });

  it('of ring buffers are rounded up to a power of two of pages', () => {
    expect(map('events').maxEntries).toBe(8192);
  });

  it('come from data sections, named and flagged as libbpf does', () => {
    expect(map('loader.rodata')).toMatchObject({
      flags: MapFlag.RDONLY_PROG | MapFlag.MMAPABLE,
      frozen: true,
    });
    expect(map('loader.bss').initialValue).toBeUndefined();
    expect(map('.data.special').initialValue).toEqual(Uint8Array.of(3, 0, 0, 0));
    expect(map('loader.kconfig').valueSize).toBe(9);
  });

  it('have names of 15 characters at most, the object giving way to the section', () => {
    const spec = readObject(loaderBytes, 'a_rather_long_name.bpf.o');
    expect(spec.maps.map((m) => m.name)).toEqual(
      expect.arrayContaining(['a_rather.data', 'a_rather.rodata', 'a_rathe.kconfig']),
    );
  });
});

describe('the rest of an object', () => {
  it('has a license', () => {
    expect(loader.license).toBe('Dual BSD/GPL');
  });

  it('has globals with their places', () => {
    const facts = loader.globals.map((g) => [g.name, g.section, g.offset, g.isStatic]);
    expect(facts).toContainEqual(['limit', '.rodata', 0, false]);
    expect(facts).toContainEqual(['hidden_counter', '.bss', 4, true]);
  });

  it('has externs: kernel configuration first, by alignment, then kernel symbols by name', () => {
    const facts = loader.externs.map((e) => [e.name, e.kind, e.weak, e.kconfig?.offset]);
    expect(facts).toEqual([
      ['CONFIG_HZ', 'kconfig', false, 0],
      ['CONFIG_BPF_SYSCALL', 'kconfig', true, 8],
      ['missing_kfunc', 'kfunc', true, undefined],
      ['some_symbol', 'ksym', true, undefined],
      ['some_variable', 'ksym', true, undefined],
    ]);
  });

  it('has sections of variables with offsets that clang left open', () => {
    const bss = loader.btf!.find('.bss', BtfKind.Datasec)!;
    expect(bss).toMatchObject({ size: 8 });
  });
});
