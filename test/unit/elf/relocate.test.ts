import { describe, expect, it } from 'vitest';
import { POISONED_RELO } from '../../../src/btf/core.js';
import type { RelocatedProgram, RelocationTargets } from '../../../src/elf/relocate.js';
import { POISON_KFUNC, POISON_MAP, Relocator, describePoison } from '../../../src/elf/relocate.js';
import { RelocationError } from '../../../src/errors.js';
import type { Insn } from '../../../src/isa/insn.js';
import { readInsn } from '../../../src/isa/insn.js';
import { loader, program } from './objects.js';

const mapIds = new Map(loader.maps.map((map, index) => [map.name, 100 + index]));

function relocate(name: string, targets: Partial<RelocationTargets> = {}): RelocatedProgram {
  return new Relocator(loader, { mapId: (map) => mapIds.get(map), ...targets }).relocate(program(name));
}

const at = (insns: Uint8Array, pc: number): Insn => readInsn(insns, pc * 8);

function placeOf(name: string, extern: string): number {
  return program(name).relocations.find((r) => 'extern' in r && r.extern === extern)!.pc;
}

describe('relocating', () => {
  it('writes maps and places in data sections', () => {
    const { insns, poisoned } = relocate('pass');
    expect(poisoned).toEqual([]);
    for (const relocation of program('pass').relocations) {
      if (relocation.kind !== 'data') continue;
      expect(at(insns, relocation.pc)).toMatchObject({ src: 2, imm: mapIds.get(relocation.map) });
      expect(at(insns, relocation.pc + 1).imm).toBe(relocation.offset);
    }
  });

  it('leaves the spec as it was', () => {
    const before = program('pass').insns.slice();
    relocate('pass');
    expect(program('pass').insns).toEqual(before);
  });

  it('replaces a map that was not created by an invalid helper that tells which', () => {
    const { insns, poisoned } = relocate('pass', { mapId: () => undefined });
    const [first] = program('pass').relocations;
    const index = loader.maps.findIndex((map) => map.name === (first as { map: string }).map);
    expect(at(insns, first!.pc)).toEqual({ opcode: 0x85, dst: 0, src: 0, off: 0, imm: POISON_MAP + index });
    expect(poisoned[0]!.what).toContain(loader.maps[index]!.name);
    expect(describePoison(loader, POISON_MAP + index)).toBe(`map ${loader.maps[index]!.name}`);
  });

  it('gives weak symbols that do not exist the address 0, and poisons calls of missing kernel functions', () => {
    const { insns } = relocate('externs');
    expect(at(insns, placeOf('externs', 'some_symbol')).imm).toBe(0);
    const call = program('externs').relocations.find((r) => r.kind === 'kfunc')!;
    expect(at(insns, call.pc).imm).toBe(POISON_KFUNC + 2);
    expect(describePoison(loader, POISON_KFUNC + 2)).toBe('kernel function missing_kfunc');
  });

  it('writes what externs are resolved to', () => {
    const { insns } = relocate('externs', {
      extern: ({ kind }) => (kind === 'ksym' ? { address: 0x1122334455667788n } : { btfId: 77, module: 2 }),
    });
    const pc = placeOf('externs', 'some_symbol');
    expect([at(insns, pc).imm, at(insns, pc + 1).imm]).toEqual([0x55667788, 0x11223344]);
    const call = program('externs').relocations.find((r) => r.kind === 'kfunc')!;
    expect(at(insns, call.pc)).toMatchObject({ opcode: 0x85, src: 2, off: 2, imm: 77 });
  });

  it('refuses a strong symbol that does not exist', () => {
    const strong = { ...loader, externs: loader.externs.map((extern) => ({ ...extern, weak: false })) };
    const relocator = new Relocator(strong, { mapId: () => 1 });
    expect(() => relocator.relocate(program('externs'))).toThrow(RelocationError);
    expect(() => relocator.relocate(program('externs'))).toThrow(
      /some_(symbol|variable) does not exist here/,
    );
  });

  it('relocates against the built-in types: moved fields, missing fields, missing types', () => {
    const { insns, poisoned } = relocate('relocated');
    // sk_msg_md.size is at 68, and the structure has 80 bytes.
    expect(at(insns, 0).off).toBe(68);
    expect(at(insns, 1).imm).toBe(0);
    expect(at(insns, 3).imm).toBe(POISONED_RELO);
    expect([at(insns, 6).imm, at(insns, 8).imm, at(insns, 11).imm]).toEqual([0, 0, 80]);
    expect(poisoned).toEqual([{ pc: 3, what: expect.stringContaining('never_there') as string }]);
  });
});
