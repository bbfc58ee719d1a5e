/** Verifies the programs of an object file without loading them: nothing is created. */
import type { CoreTarget } from './btf/core.js';
import type { ExternSpec, ObjectSpec, ProgramSpec } from './elf/object-spec.js';
import type { ResolvedExtern } from './elf/relocate.js';
import { Relocator } from './elf/relocate.js';
import { Errno, RelocationError } from './errors.js';
import { kfuncByName } from './helpers/kfuncs.js';
import { DecodeError, decode } from './isa/decode.js';
import type { MapSpec } from './maps/map.js';
import type { AttachType, ProgType } from './progs/prog-types.js';
import { verifierInput } from './verifier-input.js';
import type { VerifierFlags, VerifierInput } from './verifier/input.js';
import type { VerifyOptions, VerifyResult } from './verifier/verify.js';
import { verify } from './verifier/verify.js';

export interface VerifyObjectOptions extends VerifyOptions {
  /** Types of the kernel that CO-RE relocates against. */
  readonly target?: CoreTarget;
  /** Program and attach type of programs whose section says nothing, or for others than it says. */
  readonly kind?: { readonly progType: ProgType; readonly attachType?: AttachType };
  readonly flags?: VerifierFlags;
  readonly cpus?: number;
}

/** Relocates programs of one object once and verifies them one by one. */
export class ObjectVerifier {
  private readonly spec: ObjectSpec;
  private readonly relocator: Relocator;
  private readonly mapIds: ReadonlyMap<string, number>;
  private readonly options: VerifyObjectOptions;

  constructor(spec: ObjectSpec, options: VerifyObjectOptions = {}) {
    this.spec = spec;
    this.options = options;
    this.mapIds = new Map(spec.maps.map((map, index) => [map.name, index + 1]));
    this.relocator = new Relocator(spec, {
      mapId: (name) => this.mapIds.get(name),
      extern: externTarget,
      ...(options.target === undefined ? {} : { core: options.target }),
    });
  }

  /** A program that needs something that does not exist here is refused with ENOENT. */
  verify(program: ProgramSpec, options: VerifyObjectOptions = {}): VerifyResult {
    const input = this.input(program, options);
    return 'verdict' in input ? input : verify(input, { logLevel: 0, ...this.options, ...options });
  }

  /** What the verifier is given for a program, or the refusal of a program that cannot even be read. */
  input(program: ProgramSpec, options: VerifyObjectOptions = {}): VerifierInput | VerifyResult {
    const all = { ...this.options, ...options };
    try {
      const { insns: bytes } = this.relocator.relocate(program);
      const insns = decode(bytes);
      return verifierInput({
        spec: this.spec,
        program,
        progType: all.kind?.progType ?? program.progType,
        attachType: all.kind?.attachType ?? program.attachType,
        insns,
        maps: this.mapsOf(program),
        ...(all.flags === undefined ? {} : { flags: all.flags }),
        ...(all.target === undefined ? {} : { kernel: all.target.kernel }),
        ...(all.cpus === undefined ? {} : { cpus: all.cpus }),
      });
    } catch (error) {
      if (error instanceof DecodeError) return refused(Errno.EINVAL, error.pc, error.message);
      if (error instanceof RelocationError) return refused(Errno.ENOENT, -1, error.message);
      throw error;
    }
  }

  private mapsOf(program: ProgramSpec): ReadonlyMap<number, MapSpec> {
    const used = new Map<number, MapSpec>();
    for (const relocation of program.relocations) {
      const name =
        relocation.kind === 'map' || relocation.kind === 'data'
          ? relocation.map
          : this.spec.maps.find((map) => map.name.endsWith('.kconfig'))?.name;
      const id = name === undefined ? undefined : this.mapIds.get(name);
      if (id !== undefined) used.set(id, this.spec.maps[id - 1]);
    }
    return used;
  }
}

/** Kernel functions that bpfvm has stand for the kernel's; of variables there are none. */
function externTarget(extern: ExternSpec): ResolvedExtern | undefined {
  if (extern.kind !== 'kfunc') return undefined;
  const found = kfuncByName(extern.name.replace(/___.*/, ''));
  return found && { btfId: found.id };
}

function refused(errno: number, pc: number, message: string): VerifyResult {
  return {
    verdict: 'reject',
    errno,
    message,
    pc,
    log: [{ kind: 'message', pc, text: message }],
    stats: { insnsProcessed: 0, totalStates: 0, peakStates: 0, maxStatesPerInsn: 0 },
    proved: new Uint8Array(0),
    origins: [],
  };
}
