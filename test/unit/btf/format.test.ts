import { describe, expect, it } from 'vitest';
import { Btf } from '../../../src/btf/btf.js';
import { BtfBuilder } from '../../../src/btf/build.js';
import { formatText, formatValue } from '../../../src/btf/format.js';
import { BtfError } from '../../../src/errors.js';
import { loader } from '../elf/objects.js';

const { btf } = loader as { btf: Btf };
const global = loader.globals.find((candidate) => candidate.name === 'initialized')!;
const bytes = loader.maps.find((map) => map.name === global.map)!.initialValue!;

describe('values', () => {
  it('are printed by their types', () => {
    expect(formatValue(btf, global.typeId, bytes)).toEqual({
      lock: { val: 0 },
      name: 'seven',
      color: 'GREEN',
      on: false,
      count: 2 ** 40,
      minus: -2,
      low: 0,
      high: 9,
      inner: 5,
      ptr: '0x0',
    });
  });

  it('are printed as C for people, zeros left out', () => {
    expect(formatText(btf, global.typeId, bytes)).toBe(
      '{ .name = "seven", .color = GREEN, .count = 1099511627776, .minus = -2, .high = 9, .inner = 5 }',
    );
  });

  it('of whole sections are printed variable by variable', () => {
    const section = btf.find('.data.special')!;
    expect(formatValue(btf, section.id, Uint8Array.of(3, 0, 0, 0))).toEqual({ special: 3 });
  });

  it('of 64 bits are exact', () => {
    const builder = new BtfBuilder();
    const id = builder.int('u64', 8);
    const types = Btf.parse(builder.bytes());
    expect(formatValue(types, id, new Uint8Array(8).fill(0xff))).toBe(2n ** 64n - 1n);
  });

  it.each([
    ['the bytes end too early', (b: BtfBuilder) => b.int('u64', 8)],
    ['the type has no values', (b: BtfBuilder) => b.typedef('t', 0)],
    [
      'a structure contains itself',
      (b: BtfBuilder) => b.struct('s', 4, [{ name: 'a', type: 1, bitOffset: 0 }]),
    ],
    [
      'a structure contains itself often',
      (b: BtfBuilder) =>
        b.struct(
          's',
          4,
          Array.from({ length: 9 }, (_, i) => ({ name: `m${i}`, type: 1, bitOffset: 0 })),
        ),
    ],
  ])('are refused where %s', (_what, fill) => {
    const builder = new BtfBuilder();
    const id = fill(builder);
    const types = Btf.parse(builder.bytes());
    expect(() => formatValue(types, id, new Uint8Array(4))).toThrow(BtfError);
  });
});
