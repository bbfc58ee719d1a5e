/** Programs that no verifier would accept, but that have the right shape: random programs with fields changed. */
import { BpfError } from '../../src/errors.js';
import { ProgType } from '../../src/progs/prog-types.js';
import type { StructureOptions } from '../../src/verifier/structure.js';
import { decodeAndCheck } from '../../src/verifier/structure.js';
import { EDGE_INT32, Random } from './random.js';
import { randomProgram } from './random-program.js';

const OPTIONS: StructureOptions = {
  program: 'test',
  progType: ProgType.SchedCls,
  helper: () => undefined,
  map: () => false,
};

/** Whether the structural check lets the bytes pass. */
function isWellFormed(bytes: Uint8Array): boolean {
  try {
    decodeAndCheck(bytes, OPTIONS);
    return true;
  } catch (error) {
    if (error instanceof BpfError) return false;
    throw error;
  }
}

/**
 * The random program of `seed` with one to `changes` registers, offsets, immediates or opcodes replaced; registers
 * are read uninitialised, accesses go astray, loops do not end.
 */
export function mutatedProgram(seed: number, changes = 6): { bytes: Uint8Array; packet: Uint8Array } {
  const { bytes, packet } = randomProgram(seed, { statements: 12, subprogs: false });
  const rng = new Random(seed ^ 0x5bd1e995);
  const slots = bytes.length / 8;
  const wanted = 1 + rng.below(changes);
  for (let done = 0, tries = 0; done < wanted && tries < 50; tries++) {
    const copy = bytes.slice();
    const at = 8 * rng.below(slots);
    const view = new DataView(copy.buffer, copy.byteOffset);
    switch (rng.below(5)) {
      case 0:
        copy[at + 1] = (copy[at + 1] & 0xf0) | rng.below(11);
        break;
      case 1:
        copy[at + 1] = (copy[at + 1] & 0x0f) | (rng.below(11) << 4);
        break;
      case 2:
        view.setInt16(at + 2, rng.below(3) === 0 ? rng.below(65536) - 32768 : rng.below(64) - 32, true);
        break;
      case 3:
        view.setInt32(at + 4, EDGE_INT32[rng.below(EDGE_INT32.length)], true);
        break;
      default:
        copy[at] = copy[8 * rng.below(slots)];
    }
    if (!isWellFormed(copy)) continue;
    bytes.set(copy);
    done++;
  }
  return { bytes, packet };
}
