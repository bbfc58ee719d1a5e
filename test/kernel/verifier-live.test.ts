/** The verdicts of random programs that address memory, here and in the running kernel. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { decode } from '../../src/isa/decode.js';
import { disassemble } from '../../src/isa/disasm.js';
import { memoryProgram } from '../lib/memory-program.js';
import { seedOf } from '../lib/random.js';
import { testCount, testSeed } from '../lib/seed.js';
import { verdictOf } from '../lib/verifier-campaign.js';
import { describeLive, driverPath } from './lib/corpus.js';

const seed = testSeed();
const count = testCount(2000);
const BATCH = 500;

function kernelErrnos(programs: readonly Uint8Array[]): number[] {
  const input = Buffer.concat(
    programs.flatMap((bytes) => [new Uint8Array(Uint32Array.of(bytes.length).buffer), bytes]),
  );
  const { stdout, status } = spawnSync(driverPath('verdicts'), { input, maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`verdicts: exit ${status}`);
  return programs.map((_, i) => stdout.readInt32LE(4 * i));
}

describeLive(`the verifier and the running kernel (BPFVM_SEED=${seed}, BPFVM_COUNT=${count})`, () => {
  it(
    'agree on every random program',
    () => {
      const accepts: string[] = [];
      const rejects: string[] = [];
      let errnos = 0;
      for (let from = 0; from < count; from += BATCH) {
        const programs = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) =>
          memoryProgram(seedOf(seed, from + i)),
        );
        for (const [i, errno] of kernelErrnos(programs).entries()) {
          const here = verdictOf(programs[i]);
          if ((errno === 0) === (here.verdict === 'accept')) {
            if (errno !== here.errno) errnos++;
            continue;
          }
          const text = `seed ${seed} index ${from + i}: kernel ${errno}, here ${here.verdict}: ${here.message}\n${[...disassemble(decode(programs[i]))].join('\n')}`;
          (errno === 0 ? rejects : accepts).push(text);
        }
      }
      console.log(
        `${count} programs: ${accepts.length} accepted here only, ${rejects.length} refused here only, ` +
          `${errnos} refused with another errno, seed ${seed}`,
      );
      expect(accepts).toEqual([]);
      expect(rejects).toEqual([]);
    },
    60_000 + 20 * count,
  );
});
