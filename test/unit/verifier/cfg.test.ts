/** The kernel's checks of the control-flow graph: messages and errno, on programs that no compiler makes. */
import { expect, it } from 'vitest';
import { Errno } from '../../../src/errors.js';
import { assemble } from '../../../src/isa/asm.js';
import { decode } from '../../../src/isa/decode.js';
import { buildCfg } from '../../../src/verifier/cfg.js';

const noTraits = (): { argCount: number } => ({ argCount: 5 });

it.each([
  ['a jump into a 64-bit constant', 'goto pc+1\nr0 = 0x1 ll\nexit', 'unreachable insn 1'],
  [
    'a branch into a 64-bit constant',
    'if r1 == 0 goto pc+1\nr0 = 0x1 ll\nexit',
    'jump into the middle of ldimm64 insn 1',
  ],
  ['a jump behind the end', 'goto pc+7\nexit', 'jump out of range from insn 0 to 8'],
  ['a jump before the start', 'goto pc-3\nexit', 'jump out of range from insn 0 to -2'],
  ['no exit', 'r0 = 0', 'jump out of range from insn 0 to 1'],
  ['code that nothing reaches', 'exit\nr0 = 0\nexit', 'unreachable insn 1'],
])('%s is refused', (_what, text, message) => {
  const found = buildCfg(decode(assemble(text)), noTraits, []);
  expect(found).toMatchObject({ errno: Errno.EINVAL, message });
});

it('a program with a loop has a component for it', () => {
  const found = buildCfg(decode(assemble('r0 = 0\nr0 += 1\nif r0 < 10 goto pc-2\nexit')), noTraits, []);
  expect(found).toMatchObject({ sccCount: 1 });
  expect('scc' in found && [...found.scc]).toEqual([0, 1, 1, 0]);
});
