/** BpfObject: from what an object file says to maps and programs that run. */
import type { CoreTarget } from './btf/core.js';
import { POISONED_RELO } from './btf/core.js';
import { BpfError, UsageError } from './errors.js';
import type { ExternSpec, ObjectSpec, ProgramSpec } from './elf/object-spec.js';
import type { ResolvedExtern } from './elf/relocate.js';
import { describePoison, Relocator } from './elf/relocate.js';
import { bindKfunc, kfuncById, kfuncByName } from './helpers/kfuncs.js';
import { RET } from './helpers/proto.js';
import type { Helper } from './helpers/proto.js';
import type { DecodedProgram } from './isa/insn.js';
import { Op } from './isa/op.gen.js';
import type { BpfMap, MapSpec } from './maps/map.js';
import { mapTypeName } from './maps/map-types.js';
import { SockMapBase } from './maps/sock-map.js';
import { exceptionCallbackSlot } from './verifier-input.js';
import type { AttachType, ProgType } from './progs/prog-types.js';
import { ProgType as Type } from './progs/prog-types.js';
import type { GlobalValue } from './globals.js';
import { findGlobal, readGlobal, writeGlobal } from './globals.js';
import type { KconfigValue } from './object-maps.js';
import { createMaps, fillMaps } from './object-maps.js';
import type { BpfProgram, ProgramOptions } from './program.js';
import { decodeAndCheck } from './verifier/structure.js';
import type { CheckedProgram } from './verify-load.js';
import { verifyLoaded } from './verify-load.js';

/** Program and attach type for a program whose section says nothing. */
export interface ProgramKind {
  readonly progType: ProgType;
  readonly attachType?: AttachType;
}

export interface LoadOptions {
  /** Load only these programs, those with `SEC("?...")` included. Default: all that autoload. */
  readonly programs?: readonly string[];
  /** Types of programs by name, or by section name, where the section does not say. */
  readonly types?: Readonly<Record<string, ProgramKind>>;
  /** Maps of the VM to use instead of the object's of the same name; programs are verified with their sizes. */
  readonly maps?: Readonly<Record<string, BpfMap>>;
  /** Verify the programs as the kernel would; false: only their structure, and every access is checked as they run. */
  readonly verify?: boolean;
  /** Values of global variables, read-only ones included, before anything runs. */
  readonly globals?: Readonly<Record<string, GlobalValue>>;
  /** Values of kernel-config externs (`extern int CONFIG_HZ __kconfig`). */
  readonly kconfig?: Readonly<Record<string, KconfigValue>>;
  /** Types of the kernel that CO-RE relocates against; an object with CO-RE relocations needs one. */
  readonly target?: CoreTarget;
}

/** What an object needs of its VM. */
export interface ObjectHost {
  readonly cpus: number;
  /** Whether programs are verified when the load options do not say. */
  readonly verifies: boolean;
  createMap(spec: MapSpec): BpfMap;
  mapById(id: number): BpfMap | undefined;
  createProgram(options: Omit<ProgramOptions, 'id'>): BpfProgram;
  destroyMap(map: BpfMap): void;
  destroyProgram(program: BpfProgram): void;
  helper(id: number, progType: ProgType): Helper | undefined;
}

/** A loaded object: its maps and programs by name. */
export class BpfObject {
  readonly spec: ObjectSpec;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly programs: ReadonlyMap<string, BpfProgram>;

  private constructor(
    spec: ObjectSpec,
    maps: ReadonlyMap<string, BpfMap>,
    programs: ReadonlyMap<string, BpfProgram>,
  ) {
    this.spec = spec;
    this.maps = maps;
    this.programs = programs;
  }

  /** @throws RelocationError, MapError, VerifierError, UsageError; nothing of the object is left in the VM then. */
  static load(spec: ObjectSpec, host: ObjectHost, options: LoadOptions = {}): BpfObject {
    const chosen = choosePrograms(spec, options);
    const maps = new Map<string, BpfMap>();
    const programs = new Map<string, BpfProgram>();
    try {
      createMaps(spec, host, options, maps);
      const relocator = new Relocator(spec, {
        mapId: (name) => maps.get(name)?.id,
        extern: (extern) => externTarget(extern),
        ...(options.target === undefined ? {} : { core: options.target }),
      });
      for (const program of chosen) {
        programs.set(program.name, loadProgram(program, spec, relocator, maps, host, options));
      }
      fillMaps(spec, maps, programs);
    } catch (error) {
      for (const program of programs.values()) host.destroyProgram(program);
      for (const [name, map] of maps) if (map !== options.maps?.[name]) host.destroyMap(map);
      throw error;
    }
    return new BpfObject(spec, maps, programs);
  }

  get name(): string {
    return this.spec.name;
  }

  /** @throws UsageError `ERR_BPF_USAGE_NO_MAP`. */
  map(name: string): BpfMap {
    const map = this.maps.get(name);
    if (map !== undefined) return map;
    throw new UsageError('ERR_BPF_USAGE_NO_MAP', `${this.name}: no map "${name}"`, {
      hint: listed('maps', this.maps.keys()),
    });
  }

  /** Value of a global variable; see `GlobalValue`. @throws UsageError `ERR_BPF_USAGE_NO_GLOBAL`. */
  getGlobal(name: string): GlobalValue {
    const global = findGlobal(this.spec, name);
    return readGlobal(this.spec, global, this.map(global.map));
  }

  /** @throws UsageError, and MapError EPERM for variables of .rodata: give those to `load`. */
  setGlobal(name: string, value: GlobalValue): void {
    const global = findGlobal(this.spec, name);
    writeGlobal(global, this.map(global.map), value);
  }

  /** A map that holds sockets. @throws UsageError `ERR_BPF_USAGE_NO_MAP`, `ERR_BPF_USAGE_MAP_TYPE`. */
  sockMap(name: string): SockMapBase {
    const map = this.map(name);
    if (map instanceof SockMapBase) return map;
    throw new UsageError(
      'ERR_BPF_USAGE_MAP_TYPE',
      `${this.name}: map ${name} is a ${mapTypeName(map.type)}`,
      {
        hint: 'a sockmap or sockhash is wanted',
      },
    );
  }

  /** @throws UsageError `ERR_BPF_USAGE_NO_PROGRAM`. */
  program(name: string): BpfProgram {
    const program = this.programs.get(name);
    if (program !== undefined) return program;
    throw noProgram(this.spec, name);
  }
}

function listed(what: string, names: Iterable<string>): string {
  const list = [...names];
  return list.length === 0 ? `it has no ${what}` : `${what}: ${list.join(', ')}`;
}

function noProgram(spec: ObjectSpec, name: string): UsageError {
  return new UsageError('ERR_BPF_USAGE_NO_PROGRAM', `${spec.name}: no program "${name}"`, {
    hint: listed(
      'programs',
      spec.programs.map((program) => program.name),
    ),
  });
}

function choosePrograms(spec: ObjectSpec, options: LoadOptions): readonly ProgramSpec[] {
  const { programs } = options;
  if (programs === undefined) return spec.programs.filter((program) => program.autoload);
  const known = new Set(spec.programs.map((program) => program.name));
  for (const name of programs) if (!known.has(name)) throw noProgram(spec, name);
  return spec.programs.filter((program) => programs.includes(program.name));
}

/** Fills `maps` one by one, so that the caller can undo what was made before a failure. */
function kindOf(program: ProgramSpec, spec: ObjectSpec, options: LoadOptions): ProgramKind {
  const given = options.types?.[program.name] ?? options.types?.[program.section];
  if (given !== undefined) return given;
  if (program.progType !== Type.Unspec) return program;
  throw new UsageError(
    'ERR_BPF_OBJECT_NO_TYPE',
    `${spec.name}: section ${program.section}: program ${program.name}: the section name implies no program type`,
    { hint: 'give the type, e.g. --attach PROG=sk_skb_stream_parser@MAP, or the option "types"' },
  );
}

function loadProgram(
  program: ProgramSpec,
  spec: ObjectSpec,
  relocator: Relocator,
  maps: ReadonlyMap<string, BpfMap>,
  host: ObjectHost,
  options: LoadOptions,
): BpfProgram {
  const kind = kindOf(program, spec, options);
  const { insns: bytes } = relocator.relocate(program);
  const used = usedMaps(program, spec, maps);
  const binding = {
    sizeOf: (typeId: number) => spec.btf?.sizeOf(typeId) ?? 0,
    exceptionCallback: spec.btf && exceptionCallbackSlot(spec.btf, program),
  };
  const calls = new CallTable(
    (id) => host.helper(id, kind.progType) ?? poisonedCall(spec, program, id),
    (id) => {
      const found = kfuncById(id);
      return found && bindKfunc(found, binding);
    },
  );
  const sourceLine = sourceLines(program);
  const { insns, subprogs, proved } =
    (options.verify ?? host.verifies)
      ? verifyLoaded({ spec, program, kind, bytes, maps: used, given: options.maps ?? {}, cpus: host.cpus })
      : checkLoaded(program.name, kind.progType, bytes, used, calls, sourceLine);
  calls.collect(insns);
  const image = {
    name: program.name,
    progType: kind.progType,
    insns,
    subprogs: withSubprog(subprogs, binding.exceptionCallback),
    ...(binding.exceptionCallback === undefined ? {} : { exceptionCallback: binding.exceptionCallback }),
    maps: used,
    helpers: calls.helpers,
    kfuncs: calls.kfuncs,
    sourceLine,
    ...(proved === undefined ? {} : { proved }),
  };
  return host.createProgram({ image, section: program.section, expectedAttachType: kind.attachType ?? 0 });
}

/** Nothing in the program calls its exception callback: its slot is added. */
function withSubprog(subprogs: readonly number[], slot: number | undefined): readonly number[] {
  if (slot === undefined || subprogs.includes(slot)) return subprogs;
  return [...subprogs, slot].sort((a, b) => a - b);
}

/** The helpers and kfuncs that a program calls. */
class CallTable {
  readonly helpers = new Map<number, Helper>();
  readonly kfuncs = new Map<number, Helper>();
  readonly helper: (id: number) => Helper | undefined;
  private readonly kfunc: (id: number) => Helper | undefined;

  constructor(helper: (id: number) => Helper | undefined, kfunc: (id: number) => Helper | undefined) {
    this.helper = helper;
    this.kfunc = kfunc;
  }

  collect(insns: DecodedProgram): void {
    for (let pc = 0; pc < insns.length; pc++) {
      const id = insns.imm[pc];
      if (insns.op[pc] === Op.call) note(this.helpers, id, this.helper(id));
      else if (insns.op[pc] === Op.call_kfunc) note(this.kfuncs, id, this.kfunc(id));
    }
  }
}

function note(table: Map<number, Helper>, id: number, found: Helper | undefined): void {
  if (found !== undefined) table.set(id, found);
}

/** Without the verifier: the structure alone. @throws StructureError */
function checkLoaded(
  name: string,
  progType: ProgType,
  bytes: Uint8Array,
  used: ReadonlyMap<number, BpfMap>,
  calls: CallTable,
  sourceLine: (pc: number) => string | undefined,
): CheckedProgram {
  return decodeAndCheck(bytes, {
    program: name,
    progType,
    helper: calls.helper,
    map: (id) => used.has(id),
    kfunc: (id) => kfuncById(id) !== undefined,
    sourceLine,
  });
}

/** Kernel functions that bpfvm has stand for the kernel's; of variables there are none. */
function externTarget(extern: ExternSpec): ResolvedExtern | undefined {
  if (extern.kind !== 'kfunc') return undefined;
  const found = kfuncByName(extern.name.replace(/___.*/, ''));
  return found && { btfId: found.id };
}

/** What libbpf's poisoned instructions call: fine in dead code, a fault where it is reached. */
function poisonedCall(spec: ObjectSpec, program: ProgramSpec, id: number): Helper | undefined {
  const missing = id === POISONED_RELO ? 'target of a CO-RE relocation' : describePoison(spec, id);
  if (missing === undefined) return undefined;
  return {
    id,
    name: `missing ${missing}`,
    ret: RET.void,
    args: [],
    progTypes: 'all',
    state: 'errno',
    fn: () => {
      throw new BpfError(
        'ERR_BPF_RELO_POISONED',
        `${spec.name}: program ${program.name}: ${missing} does not exist here`,
      );
    },
  };
}

/** The maps that a program's instructions refer to, by id. */
function usedMaps(
  program: ProgramSpec,
  spec: ObjectSpec,
  maps: ReadonlyMap<string, BpfMap>,
): Map<number, BpfMap> {
  const used = new Map<number, BpfMap>();
  for (const relocation of program.relocations) {
    const name =
      relocation.kind === 'map' || relocation.kind === 'data'
        ? relocation.map
        : spec.maps.find((map) => map.name.endsWith('.kconfig'))?.name;
    const map = name === undefined ? undefined : maps.get(name);
    if (map !== undefined) used.set(map.id, map);
  }
  return used;
}

/** `file.c:12: text` of a slot: the last record at or before it. */
function sourceLines(program: ProgramSpec): (pc: number) => string | undefined {
  const lines = program.lineInfo;
  return (pc) => {
    let low = 0;
    let high = lines.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (lines[middle].pc <= pc) low = middle + 1;
      else high = middle;
    }
    const line = lines[low - 1];
    return line === undefined ? undefined : `${line.file}:${line.line}: ${line.text.trim()}`;
  };
}
