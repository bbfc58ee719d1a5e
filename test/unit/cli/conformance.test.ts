import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/isa/asm.js';
import { bpfvm } from '../../lib/fake-io.js';

const hex = (text: string): string => Buffer.from(assemble(text)).toString('hex').replace(/../g, '$& ');

describe('bpfvm conformance', () => {
  it.each([
    ['prints r0 in hex without prefix', '', 'lddw %r0, 0x1122334455667788\nexit', '1122334455667788'],
    ['gives the address of the memory in r1', '11 22 33 44', 'ldxw %r0, [%r1]\nexit', '44332211'],
    ['gives the length of the memory in r2', '11 22 33 44', 'mov %r0, %r2\nexit', '4'],
    ['gives length 0 without memory', '', 'mov %r0, %r2\nexit', '0'],
    ['reads packet bytes from the memory', '11 22 33 44', 'mov %r6, %r1\nldabsh 1\nexit', '2233'],
    [
      'has gather_bytes as helper 0',
      '',
      'mov %r1, 1\nmov %r2, 2\nmov %r3, 3\nmov %r4, 4\nmov %r5, 5\ncall 0\nexit',
      '102030405',
    ],
    ['has memfrob as helper 1', '01 02', 'mov %r6, %r1\nmov %r2, 2\ncall 1\nldxh %r0, [%r6]\nexit', '282b'],
    ['has trash_registers as helper 2', '', 'mov %r6, 7\ncall 2\nmov %r0, %r6\nexit', '7'],
    ['has sqrti as helper 3', '', 'mov %r1, 1000\ncall 3\nexit', '1f'],
    ['has strcmp_ext as helper 4', '61 62 00', 'mov %r2, %r1\nadd %r2, 1\ncall 4\nexit', 'ffffffffffffffff'],
    ['ends where helper 5, unwind, returns 0', '', 'mov %r1, 0\ncall 5\nmov %r0, 9\nexit', '0'],
    ['goes on where unwind returns another value', '', 'mov %r1, 3\ncall 5\nmov %r0, 9\nexit', '9'],
    ['calls subprograms', '', 'call local f\nexit\nf: mov %r0, 5\nexit', '5'],
  ])('%s', async (_what, memory, text, r0) => {
    expect(await bpfvm(['conformance', memory], hex(text))).toMatchObject({
      code: 0,
      out: `${r0}\n`,
      err: '',
    });
  });

  it('takes the program from an option', async () => {
    expect((await bpfvm(['conformance', '--program', hex('mov %r0, 2\nexit')])).out).toBe('2\n');
  });

  it.each([
    ['a fault', '', 'mov %r1, 0\nldxw %r0, [%r1]\nexit', 'insn 1: null-pointer: read of 4 bytes at 0x0'],
    ['an access beyond the memory', '01', 'ldxh %r0, [%r1]\nexit', 'insn 0: bad-address'],
    ['an endless loop', '', 'ja -1\nexit', 'out-of-fuel'],
    ['a helper that the suite has not', '', 'call 77\nexit', 'there is no helper number 77'],
    ['a bad jump', '', 'ja +5\nexit', 'insn 0: (05) goto pc+5'],
    ['a pointer that memfrob may not touch', '', 'mov %r1, 1\nmov %r2, 4\ncall 1\nexit', 'memfrob'],
  ])('exits with 1 and the reason after %s', async (_what, memory, text, reason) => {
    const result = await bpfvm(['conformance', memory], hex(text));
    expect(result).toMatchObject({ code: 1, out: '', err: expect.stringContaining(reason) as string });
  });

  it.each([
    [['conformance', 'zz'], 'memory: not bytes in hex'],
    [['conformance', '--program', '1'], 'program: not bytes in hex'],
    [['conformance', '--engine', 'warp'], 'no engine "warp" (interpreter'],
  ])('refuses usage %j with 2', async (argv, message) => {
    expect(await bpfvm(argv)).toMatchObject({ code: 2, err: expect.stringContaining(message) as string });
  });
});
