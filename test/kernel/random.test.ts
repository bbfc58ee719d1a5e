import { expect, it } from 'vitest';
import { assemble } from '../../src/isa/asm.js';
import { decode } from '../../src/isa/decode.js';
import { disassemble } from '../../src/isa/disasm.js';
import { interpreter } from '../../src/vm/interpreter.js';
import { wasmEngine } from '../../src/vm/jit/wasm-engine.js';
import { campaignProgram } from '../lib/random-campaign.js';
import type { RandomProgram } from '../lib/random-program.js';
import { RandomRunner } from '../lib/random-runner.js';
import { testCount, testSeed } from '../lib/seed.js';
import { describeLive } from './lib/corpus.js';
import type { KernelAnswer } from './lib/random-run.js';
import { runInKernel } from './lib/random-run.js';

/** The same programs every time: others now and then find what the kernel, not an engine, gets wrong. */
const seed = testSeed(20261122);
const count = testCount(100_000);
const BATCH = 1000;
/** Compiling to wasm takes longer than all the rest: it runs every tenth program, or all with BPFVM_WASM_EVERY=1. */
const WASM_EVERY = Number(process.env.BPFVM_WASM_EVERY ?? 10);

/** Whether the kernel has load-acquire and store-release (6.15, on x86-64 and arm64). */
function hasLoadAcquire(): boolean {
  const bytes = assemble('*(u64 *)(r10 -8) = 1\nr0 = load_acquire((u64 *)(r10 -8))\nexit');
  return runInKernel([{ bytes, packet: new Uint8Array(64) }])[0].errno === 0;
}

function differenceOf(
  runner: RandomRunner,
  program: RandomProgram,
  kernel: KernelAnswer,
): string | undefined {
  const { r0, packet } = runner.run(program);
  const low = Number(r0 & 0xffff_ffffn);
  if (low === kernel.retval && Buffer.compare(packet, kernel.packet) === 0) return undefined;
  const at = packet.findIndex((byte, offset) => byte !== kernel.packet[offset]);
  const listing = [...disassemble(decode(program.bytes))].join('\n');
  return `program seed ${program.seed}: r0 ${low}, kernel ${kernel.retval}; first different byte ${at}\n${listing}`;
}

describeLive(`random programs in the running kernel (BPFVM_SEED=${seed}, BPFVM_COUNT=${count})`, () => {
  it(
    'leave the same r0, registers, packet and stack as on both engines',
    () => {
      const options = { loadAcquire: hasLoadAcquire(), linuxSafe: true };
      const fast = new RandomRunner(interpreter);
      const wasm = new RandomRunner(wasmEngine);
      const differences: string[] = [];
      let refused = 0;
      for (let from = 0; from < count && differences.length === 0; from += BATCH) {
        const size = Math.min(BATCH, count - from);
        const programs = Array.from({ length: size }, (_, index) =>
          campaignProgram(seed, from + index, options),
        );
        for (const [index, answer] of runInKernel(programs).entries()) {
          if (answer.errno !== 0) {
            refused++;
            continue;
          }
          const found =
            differenceOf(fast, programs[index], answer) ??
            (index % WASM_EVERY === 0 ? differenceOf(wasm, programs[index], answer) : undefined);
          if (found !== undefined) differences.push(found);
        }
      }
      console.log(
        `${count} programs, ${refused} refused by the kernel, ${differences.length} differences, seed ${seed}`,
      );
      expect(differences).toEqual([]);
      expect(refused).toBeLessThan(1 + count / 1000);
    },
    60_000 + 20 * count,
  );
});
