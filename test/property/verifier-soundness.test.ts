/** No accepted program faults: random programs, verified, then run with every check on. BPFVM_COUNT for more. */
import { describe, expect, it } from 'vitest';
import { testCount, testSeed } from '../lib/seed.js';
import { runSoundness } from '../lib/verifier-campaign.js';

const seed = testSeed();
const count = testCount(2000);

describe(`programs that the verifier accepts (BPFVM_SEED=${seed}, BPFVM_COUNT=${count})`, () => {
  it(
    'never fault, whatever their input is',
    () => {
      const { accepted, runs, faults } = runSoundness(seed, count);
      console.log(
        `${count} programs, ${accepted} accepted, ${runs} runs, ${faults.length} faults, seed ${seed}`,
      );
      expect(faults).toEqual([]);
      // A campaign that accepts nothing shows nothing.
      expect(accepted).toBeGreaterThan(count / 20);
    },
    60_000 + 20 * count,
  );
});
