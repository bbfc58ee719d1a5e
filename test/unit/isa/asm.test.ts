import { describe, expect, it } from 'vitest';
import type { AsmError } from '../../../src/isa/asm.js';
import { assemble } from '../../../src/isa/asm.js';
import { decode } from '../../../src/isa/decode.js';
import { disassemble } from '../../../src/isa/disasm.js';

const hex = (text: string): string => Buffer.from(assemble(text)).toString('hex');

describe('assembler', () => {
  it.each([
    ['mov32 %r0, 0', 'b400000000000000'],
    ['mov r3, 0xffffffff', 'b7030000ffffffff'],
    ['add64 %r1, %r2', '0f21000000000000'],
    ['sdiv32 %r1, -3', '34010100fdffffff'],
    ['movsx832 %r1, %r2', 'bc21080000000000'],
    ['be16 %r4', 'dc04000010000000'],
    ['bswap64 %r4', 'd704000040000000'],
    ['neg32 %r4', '8404000000000000'],
    ['ldxw %r0, [%r1+4]', '6110040000000000'],
    ['ldxdw %r0, [%r1]', '7910000000000000'],
    ['ldxbsx %r0, [%r1-1]', '9110ffff00000000'],
    ['stb [%r1+2], 0x11', '7201020011000000'],
    ['stxdw [%r10-8], %r1', '7b1af8ff00000000'],
    ['lddw %r0, 0x1122334455667788', '18000000887766550000000044332211'],
    ['lock add [%r10-8], %r1', 'db1af8ff00000000'],
    ['lock fetch_xor32 [%r10-4], %r1', 'c31afcffa1000000'],
    ['lock cmpxchg [%r10-8], %r1', 'db1af8fff1000000'],
    ['ja +2', '0500020000000000'],
    ['jsgt32 %r1, %r2, -1', '6e21ffff00000000'],
    ['jeq %r1, 0, +2', '1501020000000000'],
    ['call 5', '8500000005000000'],
    ['exit', '9500000000000000'],
  ])('reads the conformance dialect: %s', (text, bytes) => {
    expect(hex(text)).toBe(bytes);
  });

  it.each([
    ['0: (b7) r0 = 0', 'b700000000000000'],
    ['r1 += r2', '0f21000000000000'],
    ['w1 s>>= 3', 'c401000003000000'],
    ['r0 = *(u8 *)(r1 + 4)', '7110040000000000'],
    ['r0 = *(s32 *)(r1)', '8110000000000000'],
    ['*(u64 *)(r10 -8) = r1', '7b1af8ff00000000'],
    ['if r1 s< 0xffffffff goto pc+1', 'c5010100ffffffff'],
    ['if w1 & 0x1 goto +1 <LBB0_2>', '4601010001000000'],
    ['gotol pc-1', '06000000ffffffff'],
    ['r0 = *(u16 *)skb[r1 + 14]', '481000000e000000'],
    ['call bpf_ktime_get_ns#5 ; R0_w=scalar()', '8500000005000000'],
    ['r1 = 5', 'b701000005000000'],
    ['(18) r1 = 5', '18010000050000000000000000000000'],
    ['r1 = 0x5', '18010000050000000000000000000000'],
    ['r1 = 5 ll', '18010000050000000000000000000000'],
    ['r1 = -1', 'b7010000ffffffff'],
    ['r1 = map[fd:3][0]+16', '18210000030000000000000010000000'],
  ])('reads the syntax of the verifier log: %s', (text, bytes) => {
    expect(hex(text)).toBe(bytes);
  });

  it('resolves labels forwards and backwards, of jumps, calls and function pointers', () => {
    const bytes = assemble(`
      # both dialects, comments and labels on lines of their own
      start:
        r2 = subprog[callback]
        jeq %r1, 0, out   // to the end
        call callback
        if r0 != 0x0 goto start
        goto out
      out: exit
      callback: r0 = 0
        gotol done
      done:
        exit
    `);
    expect([...disassemble(decode(bytes))]).toEqual([
      '0: (18) r2 = subprog[+6]',
      '2: (15) if r1 == 0x0 goto pc+3',
      '3: (85) call pc+3',
      '4: (55) if r0 != 0x0 goto pc-5',
      '5: (05) goto pc+0',
      '6: (95) exit',
      '7: (b7) r0 = 0',
      '8: (06) gotol pc+0',
      '9: (95) exit',
    ]);
  });

  it('calls helpers by name where it is told their numbers', () => {
    const bytes = assemble('call bpf_get_prandom_u32', { helperId: () => 7 });
    expect(bytes[4]).toBe(7);
  });

  it.each([
    ['frobnicate r1', 1, 'is no instruction'],
    ['\nr1 = r11', 2, 'r11 is no register'],
    ['add %r1', 1, 'is no instruction'],
    ['mov %r1, 0x100000000', 1, 'does not fit 32 bits'],
    ['r1 = 0x10000000000000000', 1, 'does not fit 64 bits'],
    ['ldxw %r0, [%r1+40000]', 1, 'offset 40000 does not fit 16 bits'],
    ['r1 = -r2', 1, 'r2 where r1 must stand'],
    ['goto nowhere', 1, 'no label "nowhere"'],
    ['a: exit\na: exit', 2, 'defined twice'],
    ['call nowhere', 1, 'no label "nowhere"'],
    ['(b7) exit', 1, 'is no instruction'],
    ['r1 += out', 1, '"out" is no number'],
  ])('refuses %j with its line', (text, line, message) => {
    expect(() => assemble(text)).toThrow(
      expect.objectContaining({ line, message: expect.stringContaining(message) as string }) as AsmError,
    );
  });
});
