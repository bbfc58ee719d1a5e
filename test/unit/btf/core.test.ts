/** CO-RE relocations of all kinds, on types built here: the local ones and a target where much is elsewhere. */
import { describe, expect, it } from 'vitest';
import { Btf } from '../../../src/btf/btf.js';
import { BtfBuilder } from '../../../src/btf/build.js';
import { CoreRelocator, CoreTarget, POISONED_RELO } from '../../../src/btf/core.js';
import { essentialName } from '../../../src/btf/core-match.js';
import { CoreReloKind } from '../../../src/btf/ext-types.js';
import { BtfError } from '../../../src/errors.js';
import { readInsn, writeInsn } from '../../../src/isa/insn.js';

function table(fill: (b: BtfBuilder) => void): Btf {
  const builder = new BtfBuilder();
  fill(builder);
  return Btf.parse(builder.bytes());
}

const INT = 1;
const PAIR = 2;
const COLOR = 3;
const BITS = 4;
const LONG_PAIR = 6;

/** struct pair { int a; int b; }; enum color { RED, BLUE = 5 }; struct bits { unsigned x:3, y:5; } */
const local = table((b) => {
  b.int('unsigned int', 4);
  b.struct('pair', 8, [
    { name: 'a', type: INT, bitOffset: 0 },
    { name: 'b', type: INT, bitOffset: 32 },
  ]);
  b.enum('color', { RED: 0, BLUE: 5 });
  b.struct('bits', 4, [
    { name: 'x', type: INT, bitOffset: 0, bits: 3 },
    { name: 'y', type: INT, bitOffset: 3, bits: 5 },
  ]);
  b.struct('absent', 4, [{ name: 'x', type: INT, bitOffset: 0 }]);
  b.struct('pair___flavour', 4, [{ name: 'b', type: INT, bitOffset: 0 }]);
});

/** struct pair { u64 z; struct { u64 b; }; int a; }: b is longer and in an anonymous structure. */
const target = new CoreTarget(
  table((b) => {
    b.int('unsigned long', 8);
    b.int('unsigned int', 4);
    b.struct('', 8, [{ name: 'b', type: 1, bitOffset: 0 }]);
    b.struct('pair', 24, [
      { name: 'z', type: 1, bitOffset: 0 },
      { name: '', type: 3, bitOffset: 64 },
      { name: 'a', type: 2, bitOffset: 128 },
    ]);
    b.enum('color', { GREEN: 1, BLUE: 9 });
    b.struct('bits', 8, [
      { name: 'w', type: 2, bitOffset: 0 },
      { name: 'y', type: 2, bitOffset: 37, bits: 5 },
    ]);
  }),
);

const MOV = { opcode: 0xb7, dst: 1, src: 0, off: 0, imm: 0 };
const LOAD = { opcode: 0x61, dst: 1, src: 1, off: 0, imm: 0 };

function apply(
  insn: typeof MOV,
  typeId: number,
  access: string,
  kind: CoreReloKind,
): ReturnType<typeof readInsn> {
  const bytes = new Uint8Array(8);
  writeInsn(bytes, 0, insn);
  new CoreRelocator(local, target).apply(bytes, [{ pc: 0, typeId, access, kind }]);
  return readInsn(bytes, 0);
}

describe('essential names', () => {
  it.each([
    ['sock', 'sock'],
    ['sock___new', 'sock'],
    ['a___b___c', 'a___b'],
    ['___x', '___x'],
    ['x____y', 'x____y'],
  ])('%s is %s', (name, essential) => {
    expect(essentialName(name)).toBe(essential);
  });
});

describe('CO-RE relocations', () => {
  it.each([
    ['byte offset', PAIR, '0:0', CoreReloKind.FieldByteOffset, 0, 16],
    ['byte offset of an element', PAIR, '2:0', CoreReloKind.FieldByteOffset, 16, 64],
    ['byte offset in an anonymous structure', PAIR, '0:1', CoreReloKind.FieldByteOffset, 4, 8],
    ['byte size', PAIR, '0:1', CoreReloKind.FieldByteSize, 4, 8],
    ['existence', PAIR, '0:1', CoreReloKind.FieldExists, 1, 1],
    ['existence of what is missing', BITS, '0:0', CoreReloKind.FieldExists, 1, 0],
    ['sign', PAIR, '0:0', CoreReloKind.FieldSigned, 0, 0],
    ['left shift of a bit field', BITS, '0:1', CoreReloKind.FieldLshiftU64, 56, 54],
    ['right shift of a bit field', BITS, '0:1', CoreReloKind.FieldRshiftU64, 59, 59],
    ['offset of a bit field', BITS, '0:1', CoreReloKind.FieldByteOffset, 0, 4],
    ['local type id', PAIR, '0', CoreReloKind.TypeIdLocal, 0, PAIR],
    ['target type id', PAIR, '0', CoreReloKind.TypeIdTarget, 0, 4],
    ['existence of a type', PAIR, '0', CoreReloKind.TypeExists, 1, 1],
    ['existence of a missing type', 5, '0', CoreReloKind.TypeExists, 1, 0],
    ['size of a type', PAIR, '0', CoreReloKind.TypeSize, 8, 24],
    ['match of a type that differs', PAIR, '0', CoreReloKind.TypeMatches, 1, 0],
    ['existence of an enumerator', COLOR, '1', CoreReloKind.EnumvalExists, 1, 1],
    ['existence of a missing enumerator', COLOR, '0', CoreReloKind.EnumvalExists, 1, 0],
    ['value of an enumerator', COLOR, '1', CoreReloKind.EnumvalValue, 5, 9],
    ['a field of a flavour', LONG_PAIR, '0:0', CoreReloKind.FieldByteOffset, 0, 8],
  ])('%s', (_what, typeId, access, kind, original, wanted) => {
    expect(apply({ ...MOV, imm: original }, typeId, access, kind).imm).toBe(wanted);
  });

  it('resize loads of unsigned integers', () => {
    expect(apply({ ...LOAD, off: 4 }, PAIR, '0:1', CoreReloKind.FieldByteOffset)).toMatchObject({
      opcode: 0x79,
      off: 8,
    });
  });

  it('poison an instruction whose field is missing', () => {
    expect(apply({ ...LOAD, off: 0 }, 5, '0:0', CoreReloKind.FieldByteOffset)).toEqual({
      opcode: 0x85,
      dst: 0,
      src: 0,
      off: 0,
      imm: POISONED_RELO,
    });
  });

  it.each([
    ['the instruction holds another value', { ...MOV, imm: 3 }, PAIR, '0:1', CoreReloKind.FieldByteOffset],
    [
      'the instruction cannot be relocated',
      { ...MOV, opcode: 0x95 },
      PAIR,
      '0:1',
      CoreReloKind.FieldByteOffset,
    ],
    ['the path leads nowhere', MOV, PAIR, '0:7', CoreReloKind.FieldByteOffset],
    ['the path is malformed', MOV, PAIR, '0:-1', CoreReloKind.FieldByteOffset],
    ['the kind is unknown', MOV, PAIR, '0', 77 as CoreReloKind],
    ['the type does not exist', MOV, 4711, '0', CoreReloKind.TypeSize],
    ['an enumerator does not exist', MOV, COLOR, '2', CoreReloKind.EnumvalValue],
  ])('are refused where %s', (_what, insn, typeId, access, kind) => {
    expect(() => apply(insn, typeId, access, kind)).toThrow(BtfError);
  });

  it('are refused where two types of that name disagree', () => {
    const ambiguous = new CoreTarget(
      table((b) => {
        b.int('unsigned int', 4);
        b.struct('pair', 8, [{ name: 'a', type: 1, bitOffset: 0 }]);
        b.struct('pair', 8, [{ name: 'a', type: 1, bitOffset: 32 }]);
      }),
    );
    const relo = { pc: 0, typeId: PAIR, access: '0:0', kind: CoreReloKind.FieldByteOffset };
    const insns = new Uint8Array(8);
    writeInsn(insns, 0, MOV);
    expect(() => new CoreRelocator(local, ambiguous).apply(insns, [relo])).toThrow(/disagree/);
  });
});
