import { describe, expect, it } from 'vitest';
import { VerifierError } from '../../../src/errors.js';
import type { Helper } from '../../../src/helpers/proto.js';
import { RET } from '../../../src/helpers/proto.js';
import { assemble } from '../../../src/isa/asm.js';
import { ProgType } from '../../../src/progs/prog-types.js';
import type { StructureError, StructureOptions } from '../../../src/verifier/structure.js';
import { decodeAndCheck } from '../../../src/verifier/structure.js';

const helper = (id: number, name: string, progTypes: Helper['progTypes']): Helper => ({
  id,
  name,
  ret: RET.u64,
  args: [],
  progTypes,
  state: 'full',
  fn: () => 0,
});
const HELPERS = new Map([
  [5, helper(5, 'bpf_ktime_get_ns', 'all')],
  [60, helper(60, 'bpf_msg_redirect_map', [ProgType.SkMsg])],
]);
const options: StructureOptions = {
  program: 'prog',
  progType: ProgType.SkSkb,
  helper: (id) => HELPERS.get(id),
  map: (id) => id === 7,
};
const check = (text: string) => decodeAndCheck(assemble(text), options);

describe('structural check', () => {
  it('finds the subprograms that calls and function pointers name', () => {
    const { subprogs } = check(`
      r1 = subprog[second]
      call pc+2
      call bpf_ktime_get_ns#5
      exit
      exit
      second: r0 = 0
      exit`);
    expect(subprogs).toEqual([0, 5, 6]);
  });

  it('accepts known maps, helpers of the type and a loop', () => {
    expect(check('r1 = map[fd:7]\nr1 = map[fd:7][0]+8\ncall bpf_ktime_get_ns#5\ngoto pc-1').subprogs).toEqual(
      [0],
    );
  });

  it.each([
    ['jump', 'a jump beyond the end', 'goto pc+1\nexit', 0],
    ['jump', 'a jump before the start', 'if r1 == 0x0 goto pc-2\nexit', 0],
    ['jump', 'a jump into another subprogram', 'call pc+1\nexit\nr0 = 0\ngoto pc-3', 3],
    ['jump', 'a long jump beyond the end', 'gotol pc+70000\nexit', 0],
    ['lddw-half', 'a jump into the second half of lddw', 'goto pc+1\nr0 = 0x1\nexit', 0],
    ['fall-off', 'a program that ends in an ALU operation', 'exit\nr0 = 0', 1],
    ['fall-off', 'a program that ends in a conditional jump', 'exit\nif r0 == 0x0 goto pc-2', 1],
    ['fall-off', 'a program that ends in lddw', 'exit\nr0 = 0x1', 1],
    ['fall-off', 'a subprogram that runs into the next', 'call pc+1\nr0 = 0\nexit', 1],
    ['call-target', 'a call beyond the end', 'call pc+1\nexit', 0],
    ['call-target', 'a call of the second half of lddw', 'call pc+1\nr1 = 0x1\nexit', 0],
    ['call-target', 'a function pointer before the start', 'r1 = subprog[-2]\nexit', 0],
    ['helper', 'an unknown helper', 'call unknown#9999\nexit', 0],
    ['helper-type', 'a helper of another program type', 'call bpf_msg_redirect_map#60\nexit', 0],
    ['kfunc', 'an unknown kfunc', 'call kernel-function#12\nexit', 0],
    ['map', 'an unknown map', 'r1 = map[fd:8]\nexit', 0],
    ['map', 'an unknown map under a value', 'r1 = map[fd:8][0]+4\nexit', 0],
    ['map', 'an index into a list of maps', 'r1 = map[idx:0]\nexit', 0],
    ['btf-id', 'a kernel variable', 'r1 = btf[fd:0][id:3]\nexit', 0],
    ['callx', 'a call through a register', 'callx r1\nexit', 0],
    ['frame-pointer', 'mov to r10', 'r10 = r1\nexit', 0],
    ['frame-pointer', 'a load to r10', 'r10 = *(u64 *)(r1 +0)\nexit', 0],
    ['frame-pointer', 'lddw to r10', 'r10 = 0x1\nexit', 0],
    ['frame-pointer', 'an exchange that returns in r10', 'r10 = atomic64_xchg((u64 *)(r1 +0), r10)\nexit', 0],
  ])('refuses by rule %s %s', (rule, _what, text, pc) => {
    expect(() => check(text)).toThrow(expect.objectContaining({ rule, pc }) as StructureError);
  });

  it('leaves stores at r10 and reads of r10 alone', () => {
    expect(check('*(u64 *)(r10 -8) = 0\nr1 = r10\nlock *(u64 *)(r10 -8) += r10\nexit').subprogs).toEqual([0]);
  });

  it('names instruction, rule, source line and what to do', () => {
    const bytes = assemble('r0 = 0\ngoto pc+5\nexit');
    const named = { ...options, sourceLine: () => 'a.c:3: goto out;' };
    const refused = expect(() => decodeAndCheck(bytes, named));
    refused.toThrow(VerifierError);
    refused.toThrow(
      'program prog: insn 1: (05) goto pc+5: jump to slot 7, outside the subprogram in slots 0 to 2 ' +
        '[a.c:3: goto out;] (a jump stays inside its subprogram; use call for another one)',
    );
  });

  it('refuses undecodable bytes as a verifier does', () => {
    expect(() => decodeAndCheck(Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 0), options)).toThrow(
      expect.objectContaining({
        code: 'ERR_BPF_VERIFIER_STRUCTURE',
        rule: 'opcode',
        pc: 0,
      }) as StructureError,
    );
  });

  it('takes a program of a million slots', () => {
    const length = 1_000_000;
    const bytes = new Uint8Array(length * 8);
    for (let pc = 0; pc < length - 1; pc++) bytes[pc * 8] = 0xbf;
    bytes[(length - 1) * 8] = 0x95;
    expect(decodeAndCheck(bytes, options).subprogs).toEqual([0]);
  });
});
