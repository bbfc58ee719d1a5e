/** Objects that are none: exit code 3, one line that says why, no output, nothing left running. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Exit } from '../../../src/cli/output.js';
import { bpfvm } from '../../lib/fake-io.js';

const good = new Uint8Array(readFileSync('examples/redirect.bpf.o'));
const folder = mkdtempSync(path.join(tmpdir(), 'bpfvm-bad-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The good object with a few bytes of its ELF header replaced. */
function damaged(at: number, ...bytes: number[]): Uint8Array {
  const copy = good.slice();
  copy.set(bytes, at);
  return copy;
}

const EI_CLASS = 4;
const EI_DATA = 5;
const E_TYPE = 16;
const E_MACHINE = 18;
const E_SHOFF = 40;

const BAD: readonly [what: string, bytes: Uint8Array, says: string][] = [
  ['an x86-64 object', damaged(E_MACHINE, 62), 'x86-64'],
  ['a big-endian object', damaged(EI_DATA, 2), 'big-endian'],
  ['a 32-bit object', damaged(EI_CLASS, 1), 'not 64-bit'],
  ['a shared object', damaged(E_TYPE, 3), 'not relocatable'],
  ['section headers behind the end', damaged(E_SHOFF, 0xff, 0xff, 0xff), 'the file has'],
  ['the first 40 bytes', good.slice(0, 40), 'an ELF header has'],
  ['all but the last byte', good.slice(0, -1), 'the file has'],
];

const NO_ELF: typeof BAD = [
  ['an empty file', new Uint8Array(), 'empty'],
  ['a text', new TextEncoder().encode('#include <linux/bpf.h>\n'), 'not an ELF file'],
  ['zeros', new Uint8Array(4096), 'not an ELF file'],
];

/** Commands that take objects, and what else they want. `raw`: they take bytes that are no ELF, too. */
const COMMANDS: readonly { argv: readonly string[]; raw?: boolean }[] = [
  { argv: ['run'] },
  { argv: ['verify'] },
  { argv: ['inspect'] },
  { argv: ['exec'] },
  { argv: ['selftest'] },
  { argv: ['disasm'], raw: true },
];

describe.each(COMMANDS)('bpfvm $argv', ({ argv, raw }) => {
  it.each(raw === true ? BAD : [...BAD, ...NO_ELF])('refuses %s', async (_what, bytes, says) => {
    const file = path.join(folder, 'bad.bpf.o');
    writeFileSync(file, bytes);
    const before = process.getActiveResourcesInfo().length;
    const { code, out, err } = await bpfvm([...argv, file]);
    expect(err).toContain(says);
    expect(err).toMatch(/^bpfvm: .*\n$/);
    expect([code, out]).toEqual([Exit.badObject, '']);
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before);
  });

  it.each(['nosuch.bpf.o', '.'])('calls it usage where %s cannot be read', async (file) => {
    const { code, out, err } = await bpfvm([...argv, file]);
    expect(err).toMatch(/^bpfvm: .*cannot be read.*\n$/);
    expect([code, out]).toEqual([Exit.usage, '']);
  });
});

describe('a truncated object', () => {
  it('is refused wherever it ends', async () => {
    const file = path.join(folder, 'short.bpf.o');
    for (let length = 0; length < good.length; length += 61) {
      writeFileSync(file, good.subarray(0, length));
      const { code, err } = await bpfvm(['run', file, '--map', 'sockmap']);
      expect([length, code], err).toEqual([length, Exit.badObject]);
    }
  });
});
