import { describe, expect, it } from 'vitest';
import { Btf } from '../../../src/btf/btf.js';
import { BtfBuilder } from '../../../src/btf/build.js';
import { BtfKind } from '../../../src/btf/types.js';
import { BtfError } from '../../../src/errors.js';

function build(fill: (b: BtfBuilder) => void): Btf {
  const builder = new BtfBuilder();
  fill(builder);
  return Btf.parse(builder.bytes());
}

describe('types', () => {
  it('have sizes through typedefs, modifiers and arrays', () => {
    const btf = build((b) => {
      const int = b.int('int', 4, true);
      const array = b.array(b.typedef('word', int), int, 10);
      b.add(BtfKind.Const, '', 0, array);
    });
    expect(btf.sizeOf(4)).toBe(40);
    expect(btf.alignOf(4)).toBe(4);
    expect(btf.resolve(4).kind).toBe(BtfKind.Array);
  });

  it('are found by name and kind, the first of several', () => {
    const btf = build((b) => {
      b.struct('x', 0, []);
      b.typedef('x', 1);
      b.struct('x', 4, []);
    });
    expect(btf.find('x')!.id).toBe(1);
    expect(btf.find('x', BtfKind.Typedef)!.id).toBe(2);
    expect(btf.findAll('x').map((type) => type.id)).toEqual([1, 2, 3]);
    expect(btf.find('y')).toBeUndefined();
  });

  it('may be split: ids and names of a base come first', () => {
    const base = build((b) => b.int('int', 4));
    const builder = new BtfBuilder();
    builder.ptr(1);
    const split = Btf.parse(builder.bytes(), 'module', base);
    expect(split.types.map((type) => type.kind)).toEqual([BtfKind.Void, BtfKind.Int, BtfKind.Ptr]);
    expect(split.firstId).toBe(2);
  });
});

describe('malformed types', () => {
  const good = (): Uint8Array => {
    const builder = new BtfBuilder();
    builder.int('int', 4);
    return builder.bytes();
  };
  const patched = (at: number, ...values: number[]): Uint8Array => {
    const bytes = good();
    bytes.set(values, at);
    return bytes;
  };

  it.each([
    ['TRUNCATED', 'a header of 10 bytes', good().subarray(0, 10)],
    ['MAGIC', 'another magic', patched(0, 0)],
    ['ENDIAN', 'big-endian', patched(0, 0xeb, 0x9f)],
    ['VERSION', 'version 2', patched(2, 2)],
    ['HEADER', 'a header longer than the section', patched(4, 0xff, 0xff)],
    ['TRUNCATED', 'types behind the end', patched(12, 0xff, 0xff)],
    ['STRING', 'a name behind the strings', patched(24, 0xff)],
    ['KIND', 'an unknown kind', patched(31, 31)],
    ['INT', 'an integer of 3 bytes', patched(32, 3)],
  ])('%s: %s', (code, _what, bytes) => {
    expect(() => Btf.parse(bytes)).toThrow(
      expect.objectContaining({ code: `ERR_BPF_BTF_${code}` }) as BtfError,
    );
  });

  it('a reference to a type that does not exist is refused', () => {
    expect(() => build((b) => b.ptr(2))).toThrow('type id 2 is referred to, the last one is 1');
  });

  it.each([
    ['a typedef of itself', (b: BtfBuilder): unknown => b.typedef('t', 1)],
    ['an array of itself', (b: BtfBuilder): unknown => b.array(1, 1, 2)],
  ])('%s ends in an error, not in a loop', (_what, fill) => {
    const btf = build(fill);
    expect(() => btf.sizeOf(1)).toThrow(BtfError);
  });

  it('sizes beyond 32 bits are refused', () => {
    const btf = build((b) => {
      const int = b.int('int', 4);
      b.array(b.array(int, int, 0xffff_ffff), int, 0xffff_ffff);
    });
    expect(() => btf.sizeOf(3)).toThrow('more than 32 bits');
  });
});
