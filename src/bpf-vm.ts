/** BpfVm: one userspace kernel. The composition root: memory, maps, programs, sockets, clock and CPUs meet here. */
import { UsageError } from './errors.js';
import type { ObjectSpec } from './elf/object-spec.js';
import { readObject } from './elf/read-object.js';
import type { Helper } from './helpers/proto.js';
import { helperById } from './helpers/registry.js';
import { RunState } from './helpers/run-state.js';
import type { VmServices } from './helpers/run-state.js';
import { createMap } from './maps/create-map.js';
import type { BpfMap, MapEnv, MapSpec } from './maps/map.js';
import { MAP_TYPES } from './maps/map-types.js';
import type { MapType } from './maps/map-types.js';
import type { SockMapBase } from './maps/sock-map.js';
import { BpfMemory } from './memory/memory.js';
import type { LoadOptions, ObjectHost } from './object.js';
import { Net } from './net/net.js';
import { BpfObject } from './object.js';
import type { ProgramHost, ProgramOptions } from './program.js';
import type { ProgType } from './progs/prog-types.js';
import { BpfProgram } from './program.js';
import type { Engine, EngineOptions, ProgramImage } from './vm/engine.js';
import { autoEngine } from './vm/auto-engine.js';
import { interpreter } from './vm/interpreter.js';
import { wasmEngine } from './vm/jit/wasm-engine.js';

export interface BpfVmOptions {
  /** Possible CPUs, for per-CPU maps. Default 1. */
  readonly cpus?: number;
  /** Limit of the VM's memory in bytes. Default 1 GiB. */
  readonly maxMemory?: number;
  readonly engine?: EngineName;
  /**
   * Upper bound of instructions (interpreter) or loop iterations (wasm) of one run of an unverified program;
   * 0: unlimited. Default 100 million.
   */
  readonly fuel?: number;
  /** Verify programs when they are loaded. Default true. */
  readonly verify?: boolean;
  /** Check every access of verified programs too: a fault there is a bug of the verifier. Default false. */
  readonly sanitize?: boolean;
  /** Receives each line of bpf_trace_printk and its kin; default: dropped. */
  readonly onPrintk?: (line: string) => void;
  /** Seed of bpf_get_prandom_u32, for replays; default: random. */
  readonly seed?: number;
  /** Measure the run time of programs. */
  readonly measureRuns?: boolean;
  /** Monotonic clock in nanoseconds; default: the platform's. */
  readonly clock?: () => bigint;
}

export type EngineName = 'auto' | 'interpreter' | 'wasm';

/** A map for `createMap`: type by name or number, the rest as in `MapSpec` with the usual defaults. */
export interface CreateMapOptions {
  readonly type: MapType | string;
  readonly name?: string;
  /** Bytes; default 4. */
  readonly keySize?: number;
  /** Bytes; default 4. */
  readonly valueSize?: number;
  readonly maxEntries: number;
  readonly flags?: number;
}

const ENGINES: Readonly<Record<EngineName, Engine>> = {
  auto: autoEngine,
  interpreter,
  wasm: wasmEngine,
};

const DEFAULT_FUEL = 100_000_000;

/** Smallest memory that the engines take: 256 KiB. */
const MIN_MEMORY = 1 << 18;
/** More CPUs than any kernel is built for. */
const MAX_CPUS = 8192;

function checkOptions({ cpus = 1, maxMemory = MIN_MEMORY, engine = 'auto' }: BpfVmOptions): void {
  const fail = (what: string, hint: string): never => {
    throw new UsageError('ERR_BPF_USAGE_OPTION', what, { hint });
  };
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS) fail(`cpus ${cpus}`, `from 1 to ${MAX_CPUS}`);
  if (!(maxMemory >= MIN_MEMORY)) fail(`maxMemory ${maxMemory}`, `at least ${MIN_MEMORY} bytes`);
  if (!Object.hasOwn(ENGINES, engine)) fail(`no engine "${engine}"`, Object.keys(ENGINES).join(', '));
}

/** xorshift32: small, and replayable from its seed. */
function randomSource(seed: number): () => number {
  let state = seed >>> 0 || 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const platformClock = (): bigint => BigInt(Math.round(performance.now() * 1e6));

/** One userspace kernel. Nothing is shared between two; several objects can be loaded into one. */
export class BpfVm implements VmServices, MapEnv, ObjectHost, ProgramHost {
  readonly memory: BpfMemory;
  readonly cpus: number;
  readonly run: RunState;
  /** The VM's network: in-memory sockets, and the way in for real ones. */
  readonly net: Net;
  readonly verifies: boolean;
  private readonly sanitizes: boolean;
  private readonly fuel: number;
  readonly measureRuns: boolean;
  readonly engine: Engine;
  private readonly mapsById = new Map<number, BpfMap>();
  private readonly mapsByHandle = new Map<number, BpfMap>();
  private lastMap: BpfMap | undefined;
  private readonly programsById = new Map<number, BpfProgram>();
  private readonly onPrintk: (line: string) => void;
  private readonly clock: () => bigint;
  /** The CPU that programs run on. */
  cpu = 0;
  private depth = 0;
  private idle: (() => void)[] = [];
  private lastMapId = 0;
  private lastProgramId = 0;
  readonly random: () => number;

  /** @throws UsageError `ERR_BPF_USAGE_OPTION` */
  constructor(options: BpfVmOptions = {}) {
    checkOptions(options);
    this.memory = new BpfMemory(options.maxMemory === undefined ? {} : { maxBytes: options.maxMemory });
    this.cpus = options.cpus ?? 1;
    this.onPrintk = options.onPrintk ?? (() => undefined);
    this.clock = options.clock ?? platformClock;
    this.random = randomSource(options.seed ?? Math.floor(Math.random() * 0xffff_ffff));
    this.measureRuns = options.measureRuns ?? false;
    this.verifies = options.verify ?? true;
    this.sanitizes = options.sanitize ?? false;
    this.fuel = options.fuel ?? DEFAULT_FUEL;
    this.engine = ENGINES[options.engine ?? 'auto'];
    this.run = new RunState(this);
    this.net = new Net(this);
  }

  /** Verified programs run without the checks that the verifier proved, and end by themselves. */
  engineOptionsOf(image: ProgramImage): EngineOptions {
    if (image.proved === undefined) return { checks: 'exact', fuel: this.fuel };
    return { checks: this.sanitizes ? 'exact' : 'proved', fuel: 0 };
  }

  /**
   * Loads an object: creates its maps, relocates, checks and prepares its programs.
   * @param bytes the ELF file, or what `readObject` made of one.
   * @throws ElfError, BtfError, RelocationError, VerifierError, MapError, UsageError
   */
  load(bytes: Uint8Array | ObjectSpec, options: LoadOptions & { readonly name?: string } = {}): BpfObject {
    const isSpec = (bytes as Partial<ObjectSpec> | null | undefined)?.programs !== undefined;
    if (!(bytes instanceof Uint8Array) && !isSpec) {
      throw new UsageError('ERR_BPF_USAGE_OBJECT', 'load takes the bytes of an object as a Uint8Array', {
        hint: 'readFileSync(path), or new Uint8Array(arrayBuffer)',
      });
    }
    const spec = bytes instanceof Uint8Array ? readObject(bytes, options.name ?? 'object') : bytes;
    return BpfObject.load(spec, this, options);
  }

  /** BPF_MAP_CREATE. @throws MapError with the kernel's errno, UsageError on an unknown type name. */
  createMap(spec: CreateMapOptions & { readonly type: 'sockmap' | 'sockhash' }): SockMapBase;
  createMap(spec: MapSpec | CreateMapOptions): BpfMap;
  createMap(spec: MapSpec | CreateMapOptions): BpfMap {
    const map = createMap(completeSpec(spec), this.lastMapId + 1, this);
    this.lastMapId = map.id;
    this.mapsById.set(map.id, map);
    this.mapsByHandle.set(map.handle.base, map);
    return map;
  }

  createProgram(options: Omit<ProgramOptions, 'id'>): BpfProgram {
    const program = new BpfProgram(this, { ...options, id: ++this.lastProgramId });
    this.programsById.set(program.id, program);
    return program;
  }

  /** Frees a map's storage; no program that refers to it may run any more. */
  destroyMap(map: BpfMap): void {
    if (this.mapsById.delete(map.id)) {
      this.mapsByHandle.delete(map.handle.base);
      this.lastMap = undefined;
      map.destroy();
    }
  }

  destroyProgram(program: BpfProgram): void {
    this.programsById.delete(program.id);
  }

  get sockets(): Net {
    return this.net;
  }

  get maps(): Iterable<BpfMap> {
    return this.mapsById.values();
  }

  get programs(): Iterable<BpfProgram> {
    return this.programsById.values();
  }

  mapByHandle(address: number): BpfMap | undefined {
    // Programs ask for the same map again and again.
    if (this.lastMap?.handle.base !== address) this.lastMap = this.mapsByHandle.get(address);
    return this.lastMap;
  }

  mapById(id: number): BpfMap | undefined {
    return this.mapsById.get(id);
  }

  programById(id: number): BpfProgram | undefined {
    return this.programsById.get(id);
  }

  /** The helper as the program type sees it; that of another type where this one may not call it. */
  helper(id: number, progType: ProgType): Helper | undefined {
    return helperById(id, progType) ?? helperById(id);
  }

  ktimeNs(): bigint {
    return this.clock();
  }

  now(): bigint {
    return this.clock();
  }

  wallTimeNs(): bigint {
    return BigInt(Date.now()) * 1_000_000n;
  }

  currentCpu(): number {
    return this.cpu;
  }

  /** Runs the timers that programs started, when they are due; the process does not wait for them. */
  wakeAfter(delayNs: bigint): void {
    const timer: unknown = setTimeout(
      () => this.run.timers.runDue(this.clock()),
      Number(delayNs / 1_000_000n) + 1,
    );
    (timer as { unref?: () => void }).unref?.();
  }

  printk(text: string): void {
    this.onPrintk(text);
  }

  enterRun(): void {
    this.depth++;
  }

  leaveRun(): void {
    if (--this.depth === 0 && this.idle.length > 0) {
      const waiting = this.idle;
      this.idle = [];
      for (const fn of waiting) fn();
    }
  }

  whenIdle(fn: () => void): void {
    if (this.depth === 0) fn();
    else this.idle.push(fn);
  }
}

/** Names as libbpf and bpftool spell them; `sockmap`, `BPF_MAP_TYPE_SOCKMAP`. */
function completeSpec(spec: MapSpec | CreateMapOptions): MapSpec {
  const { type } = spec;
  return {
    ...spec,
    name: spec.name ?? '',
    type: typeof type === 'string' ? mapTypeByName(type) : type,
    keySize: spec.keySize ?? 4,
    valueSize: spec.valueSize ?? 4,
    flags: spec.flags ?? 0,
  };
}

function mapTypeByName(name: string): MapType {
  const wanted = name.toLowerCase().replace(/^bpf_map_type_/, '');
  const row = MAP_TYPES.find((candidate) => candidate.name === wanted);
  if (row !== undefined) return row.type;
  throw new UsageError('ERR_BPF_USAGE_MAP_TYPE', `no map type "${name}"`, {
    hint: `types: ${MAP_TYPES.slice(1)
      .map((candidate) => candidate.name)
      .join(', ')}`,
  });
}
