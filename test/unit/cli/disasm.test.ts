import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/isa/asm.js';
import { bpfvm } from '../../lib/fake-io.js';

const OBJECT = 'examples/redirect.bpf.o';
const HEX = 'b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00';

describe('bpfvm disasm', () => {
  it('reads hex and binary alike', async () => {
    const text = '0: (b7) r0 = 42\n1: (95) exit\n';
    expect((await bpfvm(['disasm', '-'], HEX)).out).toBe(text);
    expect((await bpfvm(['disasm', '-'], assemble('r0 = 42\nexit'))).out).toBe(text);
  });

  it('prints bytes as comments that the assembler passes over', async () => {
    const { out } = await bpfvm(['disasm', '-', '--opcodes'], HEX);
    expect(out).toContain('; b7 00 00 00 2a 00 00 00');
    expect((await bpfvm(['asm', '-', '--hex'], out)).out.trim()).toBe(HEX);
  });

  it('shows source lines, subprogram labels and map names of an object', async () => {
    const { out } = await bpfvm(['disasm', OBJECT]);
    expect(out).toMatch(/^; \S+.*\(sk_skb, \d+ slots\)$/m);
    expect(out).toMatch(/^; .+ @ redirect\.bpf\.c:\d+$/m);
    expect(out).toMatch(/r\d = map\[\w+\]/);
  });

  it('draws every program as a digraph of its own', async () => {
    const { out } = await bpfvm(['disasm', OBJECT, '--visual']);
    expect(out.match(/^digraph /gm)?.length).toBeGreaterThan(1);
  });

  it('gives one JSON document', async () => {
    const { out } = await bpfvm(['disasm', '-', '-j'], HEX);
    expect(JSON.parse(out)).toEqual({
      programs: [
        {
          name: 'program',
          slots: 2,
          insns: [
            { pc: 0, bytes: 'b70000002a000000', text: 'r0 = 42' },
            { pc: 1, bytes: '9500000000000000', text: 'exit' },
          ],
        },
      ],
    });
  });

  it.each([
    [['disasm', 'no-such-file.o'], '', 2, 'no-such-file.o: cannot be read: ENOENT'],
    [['disasm', OBJECT, '--prog', 'nope'], '', 2, 'no program "nope" (programs: '],
    [['disasm', '-'], 'ff 00 00 00 00 00 00 00', 4, 'insn 0: unknown opcode 0xff'],
    [['disasm', '-'], '', 4, 'program of 0 bytes'],
    [['disasm', '-', '--visual'], '05 00 07 00 00 00 00 00', 4, 'leads out of the program'],
    [['asm', '-'], 'r0 = 1\nfoo', 1, 'line 2: "foo" is no instruction'],
  ])('says what is wrong with %j', async (argv, stdin, code, message) => {
    const result = await bpfvm(argv, stdin);
    expect(result).toMatchObject({ code, out: '', err: expect.stringContaining(message) as string });
  });
});

describe('bpfvm asm', () => {
  it('writes binary, which disasm reads back', async () => {
    const { bytes } = await bpfvm(['asm', '-'], 'call bpf_ktime_get_ns\nexit');
    expect((await bpfvm(['disasm', '-'], bytes)).out).toBe('0: (85) call bpf_ktime_get_ns#5\n1: (95) exit\n');
  });
});
