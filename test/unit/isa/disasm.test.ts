import { describe, expect, it } from 'vitest';
import { decode } from '../../../src/isa/decode.js';
import { disassemble, formatInsn, formatLine } from '../../../src/isa/disasm.js';

const program = (hex: string) => decode(Uint8Array.from(Buffer.from(hex, 'hex')));

describe('disassembler', () => {
  // Texts as Linux 6.18 prints them.
  it.each([
    ['0f21000000000000', '(0f) r1 += r2'],
    ['c40100001f000000', '(c4) w1 s>>= 31'],
    ['3701010002000000', '(37) r1 s/= 2'],
    ['bf21080000000000', '(bf) r1 = (s8)r2'],
    ['8401000000000000', '(84) w1 = -w1'],
    ['dc04000010000000', '(dc) r4 = be16 r4'],
    ['d704000040000000', '(d7) r4 = bswap64 r4'],
    ['bf21010000000100', '(bf) r1 = addr_space_cast(r2, 1, 0)'],
    ['9121fcff00000000', '(91) r1 = *(s8 *)(r2 -4)'],
    ['7a0af8ffffffffff', '(7a) *(u64 *)(r10 -8) = -1'],
    ['630afcff00000000', '(63) *(u32 *)(r10 -4) = r0'],
    ['db1af8ff00000000', '(db) lock *(u64 *)(r10 -8) += r1'],
    ['c31afcff51000000', '(c3) r1 = atomic_fetch_and((u32 *)(r10 -4), r1)'],
    ['db1af8ffe1000000', '(db) r1 = atomic64_xchg((u64 *)(r10 -8), r1)'],
    ['db1af8fff1000000', '(db) r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r1)'],
    ['d3a0f8ff00010000', '(d3) r0 = load_acquire((u8 *)(r10 -8))'],
    ['db1af8ff10010000', '(db) store_release((u64 *)(r10 -8), r1)'],
    ['300000000e000000', '(30) r0 = *(u8 *)skb[14]'],
    ['48100000fcffffff', '(48) r0 = *(u16 *)skb[r1 + -4]'],
    ['18010000efbeadde00000000ffffffff', '(18) r1 = 0xffffffffdeadbeef'],
    ['0500feff00000000', '(05) goto pc-2'],
    ['0600000001000000', '(06) gotol pc+1'],
    ['6601020080000000', '(66) if w1 s> 0x80 goto pc+2'],
    ['bd21020000000000', '(bd) if r1 <= r2 goto pc+2'],
    ['e500030000000000', '(e5) may_goto pc+3'],
    ['85000000ffff0000', '(85) call unknown#65535'],
    ['8510000007000000', '(85) call pc+7'],
    ['8520000007000000', '(85) call kernel-function#7'],
    ['9500000000000000', '(95) exit'],
  ])('%s is %s', (hex, text) => {
    expect(formatLine(program(hex), 0)).toBe(`0: ${text}`);
  });

  it('takes the names of helpers, kfuncs, maps and targets that it is given', () => {
    const insns = program(
      '8500000001000000' + '8520000009000000' + '1811000005000000' + '0'.repeat(16) + '05000000000000' + '00',
    );
    const names = {
      helper: () => 'bpf_map_lookup_elem',
      kfunc: (id: number, _object: number, pc: number) => `kfunc_${id}_at_${pc}`,
      operand: (pc: number) => (pc === 2 ? 'map[counts]' : undefined),
      target: () => 'out',
    };
    expect([...disassemble(insns, names)]).toEqual([
      '0: (85) call bpf_map_lookup_elem#1',
      '1: (85) call kfunc_9_at_1#9',
      '2: (18) r1 = map[counts]',
      '4: (05) goto out',
    ]);
    expect(formatInsn(insns, 3)).toBe('');
  });
});
