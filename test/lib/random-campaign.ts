/** Random programs on an engine, compared with the reference machine. */
import { decode } from '../../src/isa/decode.js';
import { disassemble } from '../../src/isa/disasm.js';
import type { Engine } from '../../src/vm/engine.js';
import type { RandomOptions, RandomProgram } from './random-program.js';
import { randomProgram } from './random-program.js';
import { RandomRunner } from './random-runner.js';
import { seedOf } from './random.js';
import { runReference } from './reference-vm.js';

/** Program `index` of the campaign that starts from `seed`: short and long ones, with small and full stacks. */
export function campaignProgram(seed: number, index: number, options: RandomOptions = {}): RandomProgram {
  const stackBytes = [64, 128, 256, 512][index % 4];
  return randomProgram(seedOf(seed, index), { statements: 8 + (index % 5) * 8, stackBytes, ...options });
}

export interface Campaign {
  readonly count: number;
  readonly instructions: number;
  /** How often each op ran, by `Op`. */
  readonly ops: Uint32Array;
  readonly differences: readonly string[];
}

const MAX_DIFFERENCES = 3;

/** Runs programs `from` to `from + count` of the campaign, on all engines given. */
export function runCampaign(engines: readonly Engine[], seed: number, count: number, from = 0): Campaign {
  const runners = engines.map((engine) => [engine.name, new RandomRunner(engine)] as const);
  const differences: string[] = [];
  const ops = new Uint32Array(256);
  let instructions = 0;
  for (let index = from; index < from + count && differences.length < MAX_DIFFERENCES; index++) {
    const program = campaignProgram(seed, index);
    const insns = decode(program.bytes);
    const expected = runReference(insns, program.packet, ops);
    instructions += expected.steps;
    for (const [name, runner] of runners) {
      const got = runner.run(program);
      if (got.r0 === expected.r0 && Buffer.compare(got.packet, expected.packet) === 0) continue;
      const at = got.packet.findIndex((byte, offset) => byte !== expected.packet[offset]);
      differences.push(
        `${name}: seed ${seed} index ${index}: r0 ${got.r0} instead of ${expected.r0}, ` +
          `first different byte of the packet: ${at}\n${[...disassemble(insns)].join('\n')}`,
      );
    }
  }
  return { count, instructions, ops, differences };
}
