import { describe, expect, it } from 'vitest';
import { decode } from '../../src/isa/decode.js';
import { disassemble } from '../../src/isa/disasm.js';
import { AttachType, ProgType } from '../../src/progs/prog-types.js';
import { verify } from '../../src/verifier/verify.js';
import { interpreter } from '../../src/vm/interpreter.js';
import { wasmEngine } from '../../src/vm/jit/wasm-engine.js';
import { campaignProgram } from '../lib/random-campaign.js';
import { RandomRunner } from '../lib/random-runner.js';
import { runReference } from '../lib/reference-vm.js';
import { testCount, testSeed } from '../lib/seed.js';

const seed = testSeed();
const count = testCount(200);

const INPUT = {
  name: 'random',
  progType: ProgType.SchedCls,
  attachType: AttachType.CgroupInetIngress,
  flags: {},
  isGpl: true,
  maps: new Map(),
} as const;

describe(`random programs that the kernel accepts (BPFVM_SEED=${seed}, BPFVM_COUNT=${count})`, () => {
  it('are accepted, and do what is written with proved accesses unchecked', () => {
    const runners = [interpreter, wasmEngine].map((engine) => new RandomRunner(engine, 'proved'));
    for (let index = 0; index < count; index++) {
      const program = campaignProgram(seed, index);
      const insns = decode(program.bytes);
      const { verdict, message, proved } = verify({ ...INPUT, insns });
      expect({ index, verdict, message }).toEqual({ index, verdict: 'accept', message: '' });
      const expected = runReference(insns, program.packet);
      for (const runner of runners) {
        const { r0, packet } = runner.run(program, proved);
        if (r0 === expected.r0 && Buffer.compare(packet, expected.packet) === 0) continue;
        expect.fail(`index ${index}: r0 ${r0}, not ${expected.r0}\n${[...disassemble(insns)].join('\n')}`);
      }
    }
  });
});
