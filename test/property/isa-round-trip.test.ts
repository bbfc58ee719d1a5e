import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/isa/asm.js';
import { decode } from '../../src/isa/decode.js';
import type { Dialect } from '../../src/isa/disasm.js';
import { disassemble } from '../../src/isa/disasm.js';
import { encode, encodeOps } from '../../src/isa/encode.js';
import type { DecodedProgram } from '../../src/isa/insn.js';
import { Op } from '../../src/isa/op.gen.js';
import { ROWS } from '../../src/isa/ops.js';
import { anyProgram } from '../lib/arbitrary-insn.js';
import { testCount, testSeed } from '../lib/seed.js';

const seed = testSeed();
const numRuns = testCount(300);

/** The instructions of a decoded program, each with the fields that its row leaves open. */
function fieldsOf(program: DecodedProgram): unknown[] {
  return [...program.op.keys()]
    .filter((pc) => program.op[pc] !== Op.hole)
    .map((pc) => {
      const selected = ROWS[program.op[pc]].select?.field;
      const fields = {
        op: program.op[pc],
        dst: program.dst[pc],
        src: program.src[pc],
        off: program.off[pc],
        imm: program.imm[pc],
        immHi: program.immHi[pc],
      };
      return selected === undefined ? fields : { ...fields, [selected]: 0 };
    });
}

describe(`instruction round trips (BPFVM_SEED=${seed}, BPFVM_COUNT=${numRuns})`, () => {
  it('decode inverts encode', () => {
    fc.assert(
      fc.property(anyProgram, (ops) => {
        const program = decode(encodeOps(ops));
        expect(fieldsOf(program)).toEqual(ops);
        expect(encode(program)).toEqual(program.bytes);
      }),
      { seed, numRuns },
    );
  });

  it.each<Dialect>(['kernel', 'conformance'])('assemble inverts disassemble in the %s dialect', (dialect) => {
    fc.assert(
      fc.property(anyProgram, (ops) => {
        const bytes = encodeOps(ops);
        expect(assemble([...disassemble(decode(bytes), {}, dialect)].join('\n'))).toEqual(bytes);
      }),
      { seed, numRuns },
    );
  });

  it('reads the names that it printed', () => {
    const names = new Map([['bpf_ktime_get_ns', 5]]);
    const program = decode(
      encodeOps([
        { op: Op.call, imm: 5 },
        { op: Op.call_kfunc, imm: 99, off: 3 },
      ]),
    );
    const text = [
      ...disassemble(program, { helper: () => 'bpf_ktime_get_ns', kfunc: () => 'bpf_rcu_read_lock' }),
    ];
    expect(assemble(text.join('\n'), { helperId: (name) => names.get(name) })).toEqual(program.bytes);
  });
});
