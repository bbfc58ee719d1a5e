import fc from 'fast-check';
import { describe, it } from 'vitest';
import { BpfError } from '../../src/errors.js';
import { encodeOps } from '../../src/isa/encode.js';
import { Op } from '../../src/isa/op.gen.js';
import { BpfMemory, RegionKind } from '../../src/memory/memory.js';
import { interpreter } from '../../src/vm/interpreter.js';
import { anyProgram } from '../lib/arbitrary-insn.js';
import { imageOf, runStateOf } from '../lib/image.js';
import { testCount, testSeed } from '../lib/seed.js';

const seed = testSeed();
const count = testCount(3000);

/** Whether a run ends in a value or a BpfError; anything else is thrown on. */
function endsWell(run: () => unknown): boolean {
  try {
    run();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
  }
  return true;
}

describe(`programs that nobody checked (BPFVM_SEED=${seed}, BPFVM_COUNT=${count})`, () => {
  it('end in a value or a fault, and leave memory outside their regions alone', () => {
    fc.assert(
      fc.property(anyProgram, (ops) => {
        const memory = new BpfMemory();
        const before = memory.alloc(64, RegionKind.Mem, { writable: false });
        const ctx = memory.alloc(64, RegionKind.Ctx);
        const bytes = encodeOps([...ops, { op: Op.exit }]);
        return endsWell(() => {
          const options = { checks: 'exact', fuel: 10_000 } as const;
          const program = interpreter.compile(imageOf(bytes), memory, runStateOf(memory), options);
          endsWell(() => program.run(ctx.base));
          if (memory.u8.subarray(before.base, before.base + 64).some((byte) => byte !== 0)) {
            throw new Error('read-only memory was written');
          }
        });
      }),
      { seed, numRuns: count },
    );
  });
});
