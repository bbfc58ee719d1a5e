import { describe, expect, it } from 'vitest';
import { format, FormatError } from '../../../src/helpers/format.js';
import { BpfMemory, RegionKind } from '../../../src/memory/memory.js';

const memory = new BpfMemory();
const text = memory.alloc(16, RegionKind.Mem).base;
memory.u8.set(new TextEncoder().encode('sockmap'), text);
const bytes = (source: string): Uint8Array => new TextEncoder().encode(source);

describe('format', () => {
  it.each<[string, bigint[], string]>([
    ['%d %u', [0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn], '-1 4294967295'],
    ['%ld %lu', [0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn], '-1 18446744073709551615'],
    ['%lld|%llx|%X', [-5n, 255n, 255n], '-5|ff|FF'],
    ['[%5d|%-5d|%05d|%+d]', [-12n, -12n, -12n, 12n], '[  -12|-12  |-0012|+12]'],
    ['%s, %pks', [BigInt(text), BigInt(text)], 'sockmap, sockmap'],
    ['%c%c 100%%', [0x6fn, 0x6bn], 'ok 100%'],
    ['%pI4 %pi4', [BigInt(text), BigInt(text)], '115.111.99.107 115.111.099.107'],
    ['%px %p', [0xabcn, 0xabcn], 'abc 0000000000000abc'],
    ['%s', [3n], ''],
  ])('%s', (source, args, result) => {
    expect(format(bytes(source), args, memory)).toBe(result);
  });

  it.each([
    ['an unknown conversion', '%q', [1n]],
    ['a lone percent', '100%', []],
    ['a missing argument', '%d %d', [1n]],
    ['a byte that does not print', 'a\u0001', []],
    ['a byte beyond ASCII', 'é', []],
    ['floating point', '%f', [1n]],
    ['a pointer with a letter behind', '%pz', [1n]],
  ])('refuses %s', (_name, source, args) => {
    expect(() => format(bytes(source), args, memory)).toThrow(FormatError);
  });
});
