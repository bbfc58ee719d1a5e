import { describe, expect, it } from 'vitest';
import { readElf } from '../../../src/elf/reader.js';
import { ElfError } from '../../../src/errors.js';
import { loaderBytes } from './objects.js';

/** The loader's test object with some bytes set. */
function damaged(...patches: readonly (readonly [number, ...number[]])[]): Uint8Array {
  const bytes = loaderBytes.slice();
  for (const [at, ...values] of patches) bytes.set(values, at);
  return bytes;
}

describe('the fence around elfy', () => {
  it('gives sections with the fields that elfy reads wrongly', () => {
    const { sections } = readElf(loaderBytes, 'loader.bpf.o');
    const bss = sections.find((section) => section.name === '.bss')!;
    expect([bss.type, bss.size, bss.data.length, bss.align]).toEqual([8, 8, 0, 4]);
    const symtab = sections.find((section) => section.name === '.symtab')!;
    expect([symtab.type, symtab.entsize]).toEqual([2, 24]);
    const xdp = sections.find((section) => section.name === 'xdp')!;
    expect(xdp.flags).toBe(6);
  });

  it('takes any Uint8Array, at any offset of its buffer', () => {
    const shifted = new Uint8Array(loaderBytes.length + 3);
    shifted.set(loaderBytes, 3);
    expect(readElf(shifted.subarray(3), 'x').sections.length).toBeGreaterThan(10);
  });

  it.each([
    ['ERR_BPF_ELF_MAGIC', 'an empty file', new Uint8Array()],
    ['ERR_BPF_ELF_MAGIC', 'text', new TextEncoder().encode('#!/bin/sh\necho no\n')],
    ['ERR_BPF_ELF_TRUNCATED', 'the first 63 bytes', loaderBytes.subarray(0, 63)],
    ['ERR_BPF_ELF_TRUNCATED', 'all but the last byte', loaderBytes.subarray(0, -1)],
    ['ERR_BPF_ELF_CLASS', 'a 32-bit object', damaged([4, 1])],
    ['ERR_BPF_ELF_ENDIAN', 'a big-endian object', damaged([5, 2])],
    ['ERR_BPF_ELF_MACHINE', 'an x86-64 object', damaged([18, 62, 0])],
    ['ERR_BPF_ELF_TYPE', 'an executable', damaged([16, 2])],
    ['ERR_BPF_ELF_HEADER', 'no section headers', damaged([60, 0, 0])],
    ['ERR_BPF_ELF_HEADER', 'names in a section that does not exist', damaged([62, 0xff, 0])],
  ])('refuses with %s: %s', (code, _what, bytes) => {
    expect(() => readElf(bytes, 'x.o')).toThrow(expect.objectContaining({ code }) as ElfError);
    expect(() => readElf(bytes, 'x.o')).toThrow(ElfError);
  });

  it('names the file, the fact and a way out', () => {
    expect(() => readElf(damaged([18, 62, 0]), 'ls')).toThrow(
      'ls: machine 62 (x86-64), not BPF (compile with clang -target bpf)',
    );
  });
});
