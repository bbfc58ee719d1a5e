import { describe, expect, it } from 'vitest';
import { Btf } from '../../../src/btf/btf.js';
import { BtfBuilder } from '../../../src/btf/build.js';
import { dumpC, typeName } from '../../../src/btf/dump-c.js';
import { BtfKind } from '../../../src/btf/types.js';
import { BtfError } from '../../../src/errors.js';
import { loader } from '../elf/objects.js';

function dump(fill: (b: BtfBuilder) => void): string {
  const builder = new BtfBuilder();
  fill(builder);
  return dumpC(Btf.parse(builder.bytes()));
}

describe('types as C', () => {
  it('are declared before they are used', () => {
    const text = dump((b) => {
      // struct list { struct list *next; struct item item; }; struct item { int x; };
      const int = b.int('int', 4, true);
      b.struct('list', 16, [
        { name: 'next', type: 4, bitOffset: 0 },
        { name: 'item', type: 3, bitOffset: 64 },
      ]);
      b.struct('item', 4, [{ name: 'x', type: int, bitOffset: 0 }]);
      b.ptr(2);
    });
    expect(text.indexOf('struct item {')).toBeLessThan(text.indexOf('struct list {'));
    expect(text.indexOf('struct list;')).toBeLessThan(text.indexOf('struct list {'));
  });

  it('are packed and padded where a compiler would lay them out differently', () => {
    const text = dump((b) => {
      const char = b.int('char', 1);
      const int = b.int('int', 4);
      b.struct('odd', 9, [
        { name: 'a', type: char, bitOffset: 0 },
        { name: 'b', type: int, bitOffset: 40 },
      ]);
    });
    expect(text).toContain('long long: 32;');
    expect(text).toContain('__attribute__((packed, aligned(1)))');
  });

  it('get a suffix where a name occurs twice', () => {
    const text = dump((b) => {
      b.struct('twice', 0, []);
      b.struct('twice', 0, []);
    });
    expect(text).toContain('struct twice___2 {');
  });

  it('define the enumerators of an anonymous enumeration once', () => {
    const text = dump((b) => {
      const anonymous = b.enum('', { A: 1 });
      b.struct('x', 8, [
        { name: 'first', type: anonymous, bitOffset: 0 },
        { name: 'second', type: anonymous, bitOffset: 32 },
      ]);
    });
    expect(text.match(/A = 1/g)).toHaveLength(1);
  });

  it('are named in one line', () => {
    const builder = new BtfBuilder();
    const int = builder.int('int', 4, true);
    const array = builder.array(builder.ptr(int), int, 3);
    const pointer = builder.ptr(builder.add(BtfKind.Const, '', 0, array));
    const btf = Btf.parse(builder.bytes());
    expect(typeName(btf, array)).toBe('int *[3]');
    expect(typeName(btf, pointer)).toBe('int *const (*)[3]');
  });

  it('of the test object all come out', () => {
    const text = dumpC(loader.btf!);
    for (const name of ['struct value {', 'enum color {', 'struct sk_msg_md {']) expect(text).toContain(name);
  });

  it.each([
    ['contains itself', (b: BtfBuilder): unknown => b.struct('s', 4, [{ name: 'a', type: 1, bitOffset: 0 }])],
    ['is a typedef of itself', (b: BtfBuilder): unknown => b.typedef('t', 1)],
  ])('are refused where one %s', (_what, fill) => {
    expect(() => dump(fill)).toThrow(BtfError);
  });
});
