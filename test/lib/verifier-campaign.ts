/** Random programs that address memory, verified, and run with every check on where they were accepted. */
import { BpfVm } from '../../src/bpf-vm.js';
import { BpfFault } from '../../src/errors.js';
import { helperById } from '../../src/helpers/registry.js';
import { decode } from '../../src/isa/decode.js';
import { disassemble } from '../../src/isa/disasm.js';
import { MapType } from '../../src/maps/map-types.js';
import { ProgType } from '../../src/progs/prog-types.js';
import { testRun } from '../../src/test-run.js';
import type { VerifierInput, VerifierMap } from '../../src/verifier/input.js';
import type { VerifyResult } from '../../src/verifier/verify.js';
import { verify } from '../../src/verifier/verify.js';
import { MAP_ID, MAP_VALUE, memoryProgram } from './memory-program.js';
import { Random, seedOf } from './random.js';

const MAP: VerifierMap = {
  id: MAP_ID,
  name: 'values',
  type: MapType.Array,
  keySize: 4,
  valueSize: MAP_VALUE,
  maxEntries: 1,
  flags: 0,
  fields: [],
};

/** Executables keep their stacks: the VM is replaced after this many programs. */
const PROGRAMS_PER_VM = 200;
const RUNS = 4;

export interface SoundnessResult {
  readonly accepted: number;
  readonly runs: number;
  /** A fault of an accepted program is a bug of the verifier. */
  readonly faults: readonly string[];
}

export function inputOf(bytes: Uint8Array): VerifierInput {
  return {
    name: 'random',
    progType: ProgType.SchedCls,
    attachType: 0,
    flags: {},
    isGpl: true,
    insns: decode(bytes),
    maps: new Map([[MAP_ID, MAP]]),
  };
}

export const verdictOf = (bytes: Uint8Array): VerifyResult => verify(inputOf(bytes));

class SafeRunner {
  private vm!: BpfVm;
  private left = 0;

  /** The fault of one of some runs on random packets, if there is one. */
  run(bytes: Uint8Array, rng: Random): string | undefined {
    if (this.left-- === 0 || this.vm === undefined) this.renew();
    const insns = decode(bytes);
    const program = this.vm.createProgram({
      image: {
        name: 'random',
        progType: ProgType.SchedCls,
        insns,
        subprogs: [0],
        maps: new Map([...this.vm.maps].map((map) => [map.id, map])),
        helpers: new Map([[1, helperById(1, ProgType.SchedCls)!]]),
        proved: new Uint8Array(insns.length),
      },
      section: 'tc',
      expectedAttachType: 0,
    });
    try {
      for (let i = 0; i < RUNS; i++) {
        const dataIn = new Uint8Array(14 + rng.below(80)).map(() => rng.below(256));
        // No protocol that a test run would look into.
        dataIn[12] = 0x99;
        testRun(this.vm, program, { dataIn });
      }
      return undefined;
    } catch (error) {
      if (error instanceof BpfFault) return error.message;
      throw error;
    } finally {
      this.vm.destroyProgram(program);
    }
  }

  private renew(): void {
    this.left = PROGRAMS_PER_VM;
    this.vm = new BpfVm({ sanitize: true, engine: 'interpreter' });
    this.vm.createMap({ type: 'array', name: 'values', keySize: 4, valueSize: MAP_VALUE, maxEntries: 1 });
  }
}

/** Programs `from` to `from + count` of the campaign of a seed. */
export function runSoundness(seed: number, count: number, from = 0): SoundnessResult {
  const runner = new SafeRunner();
  const faults: string[] = [];
  let accepted = 0;
  for (let index = from; index < from + count && faults.length < 5; index++) {
    const programSeed = seedOf(seed, index);
    const bytes = memoryProgram(programSeed);
    if (verdictOf(bytes).verdict === 'reject') continue;
    accepted++;
    const fault = runner.run(bytes, new Random(programSeed ^ 0x2545f491));
    if (fault === undefined) continue;
    faults.push(`seed ${seed} index ${index}: ${fault}\n${[...disassemble(decode(bytes))].join('\n')}`);
  }
  return { accepted, runs: accepted * RUNS, faults };
}
