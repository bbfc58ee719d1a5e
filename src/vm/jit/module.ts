/** Puts a program's module together: types, imports, functions, exports, code. */
import type { Helper } from '../../helpers/proto.js';
import { Op } from '../../isa/op.gen.js';
import type { BpfMap } from '../../maps/map.js';
import type { BpfMemory, Region } from '../../memory/memory.js';
import type { EngineOptions, ProgramImage } from '../engine.js';
import { MAX_CALL_FRAMES } from '../engine.js';
import { Bounds } from './bounds.js';
import type { CallGraph } from './call-graph.js';
import { buildCallGraph } from './call-graph.js';
import type { Flow } from './flow.js';
import { buildFlow } from './flow.js';
import type { HelperImport, SubprogInfo, Target } from './generator.js';
import { ALL_ARGS, liveIn } from './liveness.js';
import { Guess } from './predict.js';
import { emitCallback, emitEntryWrapper, emitSubprog } from './subprog.js';
import type { EntryGuesses } from './subprog.js';
import { WasmBuilder } from './wasm-builder.js';
import { External, Section, Wasm, WasmType } from './wasm-ops.js';

/** Names of the module's imports and exports; the contract is docs/wasm.md. */
export const IMPORT_MODULE = 'bpfvm';
export const MEMORY_IMPORT = 'memory';
export const ENTRY_EXPORT = 'run';
export const CUSTOM_SECTION = 'bpfvm';
export const callbackExport = (slot: number): string => `callback_${slot}`;

const TAIL_CALL = 12;

export interface HelperUse {
  readonly name: string;
  readonly helper: Helper;
  /** Function index. */
  readonly index: number;
}

export interface CompiledModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly bounds: Bounds;
  /** Helpers and kfuncs that the module imports. */
  readonly helpers: readonly HelperUse[];
  /** Names of those among them that it never calls. */
  readonly uncalled: readonly string[];
  /** First slots of the subprograms that helpers may call back. */
  readonly callbacks: readonly number[];
  /** Offset in the context of a pointer to the packet, or -1. */
  readonly packetOffset: number;
}

/** Where the module's fixed addresses are. */
export interface ModuleLayout {
  readonly memory: BpfMemory;
  readonly stack: Region;
  /** Address of the control block. */
  readonly control: number;
}

/** Function signatures, each once. */
class Types {
  private readonly index = new Map<string, number>();
  readonly list: (readonly [readonly WasmType[], WasmType])[] = [];

  of(params: readonly WasmType[], result: WasmType): number {
    const key = [...params, result].join();
    let index = this.index.get(key);
    if (index === undefined) {
      index = this.list.push([params, result]) - 1;
      this.index.set(key, index);
    }
    return index;
  }
}

interface ImportRow {
  readonly name: string;
  readonly type: number;
}

const words = (count: number): WasmType[] => Array.from({ length: count }, () => WasmType.I32);

/** Finds the helpers that the program calls, and numbers the imports. */
class Imports {
  readonly rows: ImportRow[] = [];
  readonly uses: HelperUse[] = [];
  private readonly cache = new Map<number, HelperImport>();
  private readonly missing = new Set<number>();
  private readonly types: Types;
  private readonly image: ProgramImage;
  private readonly omitted: ReadonlySet<string>;

  /** `omitted` names helpers that are known not to be called after all. */
  constructor(types: Types, image: ProgramImage, omitted: ReadonlySet<string>) {
    this.types = types;
    this.image = image;
    this.omitted = omitted;
  }

  add(name: string, arity: number): number {
    return this.rows.push({ name, type: this.types.of(words(arity), WasmType.I32) }) - 1;
  }

  /** The import of the helper or kfunc called at `pc`; undefined where there is none to call. */
  at(pc: number): HelperImport | undefined {
    const { insns, kfuncs, helpers } = this.image;
    const isKfunc = insns.op[pc] === Op.call_kfunc;
    const id = insns.imm[pc];
    const key = isKfunc ? -1 - id : id;
    const cached = this.cache.get(key);
    if (cached !== undefined) return cached;
    if (this.missing.has(key)) return undefined;
    const helper = isKfunc ? kfuncs?.get(id) : helpers.get(id);
    if (helper === undefined) {
      this.missing.add(key);
      return undefined;
    }
    const made = this.describe(helper, isKfunc);
    this.cache.set(key, made);
    return made;
  }

  private describe(helper: Helper, isKfunc: boolean): HelperImport {
    const wide = helper.args.map((arg) => arg.abi === 'u64');
    const narrow = helper.args.reduce(
      (mask, arg, i) => (arg.base === 'anything' || arg.base === 'func' ? mask : mask | (1 << (i + 1))),
      0,
    );
    const isChecked = helper.args.some((arg) => arg.base !== 'anything');
    const isOmitted = this.omitted.has(helper.name);
    const index = isOmitted ? -1 : this.add(helper.name, wide.length + wide.filter(Boolean).length);
    if (!isOmitted) this.uses.push({ name: helper.name, helper, index });
    return {
      index,
      wide,
      ret: helper.ret.abi,
      narrowPointers: narrow,
      isChecked,
      mayTailCall: !isKfunc && helper.id === TAIL_CALL,
      callsBack: helper.callsBack === true,
      id: isKfunc ? -1 : helper.id,
    };
  }
}

interface Plan {
  readonly graph: CallGraph;
  /** In the order of the function indices: callers before callees where there is no recursion. */
  readonly sources: readonly { readonly info: SubprogInfo; readonly flow: Flow }[];
}

/** Graphs, parameters and function indices of all subprograms. */
function planSubprogs(image: ProgramImage, imports: Imports): Plan {
  const { insns, subprogs } = image;
  const graph = buildCallGraph(insns, subprogs, (pc) => imports.at(pc), image.exceptionCallback);
  const params = new Map<number, number>();
  const argsOfCall = (pc: number): number => {
    if (insns.op[pc] === Op.call_sub) return params.get(insns.target[pc]) ?? ALL_ARGS;
    const helper = imports.at(pc);
    return helper === undefined ? ALL_ARGS : ((1 << helper.wide.length) - 1) << 1;
  };
  const flows: Flow[] = [];
  for (const number of graph.order) {
    const from = subprogs[number];
    const flow = buildFlow(insns, from, subprogs[number + 1] ?? insns.length);
    params.set(from, liveIn(insns, flow, argsOfCall));
    flows.push(flow);
  }
  const count = graph.order.length;
  const sources = Array.from({ length: count }, (_, i) => {
    const at = count - 1 - i;
    const number = graph.order[at];
    const from = subprogs[number];
    const to = subprogs[number + 1] ?? insns.length;
    return {
      info: { from, to, index: imports.rows.length + i, params: params.get(from)! },
      flow: flows[at],
    };
  });
  return { graph, sources };
}

export interface ModuleOptions {
  readonly distrusted?: ReadonlySet<number>;
  /** Helpers that are not to be imported: an earlier compilation showed that the code does not call them. */
  readonly omitted?: ReadonlySet<string>;
  /** Makes the module run without bpfvm: see docs/wasm.md. */
  readonly standalone?: Standalone;
}

/** What a module that runs by itself brings along. */
export interface Standalone {
  /** Pages of memory that the module needs. */
  readonly pages: number;
  /** Initial contents of the memory. */
  readonly data: readonly { readonly at: number; readonly bytes: Uint8Array }[];
  /** Contents of the custom section; called when the imports are known. */
  readonly describe: (helpers: readonly HelperUse[], callbacks: readonly number[]) => string;
}

/**
 * Compiles `image` to a module.
 * @throws BpfError where it names a map that it lacks, or a jump leaves its subprogram.
 */
export function compileModule(
  image: ProgramImage,
  layout: ModuleLayout,
  options: EngineOptions,
  { distrusted = new Set(), standalone, omitted = new Set() }: ModuleOptions = {},
): CompiledModule {
  const types = new Types();
  const imports = new Imports(types, image, omitted);
  const host = importHost(imports);
  for (let pc = 0; pc < image.insns.length; pc++) {
    const op = image.insns.op[pc] as Op;
    if (op === Op.call || op === Op.call_kfunc) imports.at(pc);
  }
  const { graph, sources } = planSubprogs(image, imports);
  const maps = [...image.maps];
  const bounds = new Bounds(
    layout.memory,
    layout.control,
    layout.stack,
    maps.map(([, map]): BpfMap => map),
  );
  const target: Target = {
    image,
    checks: options.checks,
    fuel: Math.min(options.fuel, 0x7fff_ffff),
    checksArgs: options.checks === 'exact' || (options.checks === 'proved' && image.proved === undefined),
    stackBase: layout.stack.base,
    control: layout.control,
    countsDepth: graph.depth > MAX_CALL_FRAMES,
    bounds,
    index: {
      ...host,
      helperOf: (pc) => imports.at(pc),
      subprogs: new Map(sources.map(({ info }) => [info.from, info])),
    },
    mapIndex: new Map(maps.map(([id], index) => [id, index])),
    distrusted,
    isStandalone: standalone !== undefined,
    calledImports: new Set(),
  };
  const b = new WasmBuilder();
  const packetOffset = writeModule(b, target, types, imports, graph, sources, standalone?.pages ?? 1);
  if (standalone !== undefined) {
    writeData(b, standalone.data);
    writeCustom(b, CUSTOM_SECTION, standalone.describe(imports.uses, graph.callbacks));
  }
  return {
    bytes: b.finish(),
    bounds,
    helpers: imports.uses,
    uncalled: imports.uses.filter(({ index }) => !target.calledImports.has(index)).map(({ name }) => name),
    callbacks: graph.callbacks,
    packetOffset,
  };
}

/** The imports that every module has, besides helpers. */
const importHost = (imports: Imports) => ({
  resume: imports.add('resume', 2),
  check: imports.add('check', 4),
  loadPacket: imports.add('load_packet', 2),
});

/** Writes all sections; returns the packet offset that was found. */
function writeModule(
  b: WasmBuilder,
  target: Target,
  types: Types,
  imports: Imports,
  graph: CallGraph,
  sources: Plan['sources'],
  pages: number,
): number {
  const { callbacks } = graph;
  const entryType = types.of([WasmType.I32], WasmType.I32);
  const callbackType = types.of([], WasmType.I32);
  const mainNumber = sources.findIndex(({ info }) => info.from === 0);
  const { isMainShared } = graph;
  const functionTypes = sources.map(({ info }, number) =>
    number === mainNumber && !isMainShared ? entryType : subprogType(types, info.params),
  );
  const wrapper = sources.length + callbacks.length;
  const entry = imports.rows.length + (isMainShared ? wrapper : mainNumber);

  writeTypes(b, types);
  writeImports(b, imports.rows, pages);
  const functions = b.section(Section.Function);
  b.u32(sources.length + callbacks.length + Number(isMainShared));
  for (const type of functionTypes) b.u32(type);
  callbacks.forEach(() => {
    b.u32(callbackType);
  });
  if (isMainShared) b.u32(entryType);
  b.patchSize(functions);

  const exports = b.section(Section.Export);
  b.u32(1 + callbacks.length);
  exportFunction(b, ENTRY_EXPORT, entry);
  for (const [i, slot] of callbacks.entries()) {
    exportFunction(b, callbackExport(slot), imports.rows.length + sources.length + i);
  }
  b.patchSize(exports);

  const code = b.section(Section.Code);
  b.u32(sources.length + callbacks.length + Number(isMainShared));
  const guesses: EntryGuesses = new Map([[0, new Uint16Array(10)]]);
  guesses.get(0)![1] = Guess.Ctx;
  let packetOffset = -1;
  for (const [number, source] of sources.entries()) {
    const isEntry = number === mainNumber && !isMainShared;
    const predict = emitSubprog(b, target, { ...source, isEntry }, guesses);
    if (packetOffset < 0) packetOffset = predict.packetOffset;
  }
  for (const slot of callbacks) emitCallback(b, target, target.index.subprogs.get(slot)!);
  if (isMainShared) emitEntryWrapper(b, target, sources[mainNumber].info);
  b.patchSize(code);
  return packetOffset;
}

function subprogType(types: Types, params: number): number {
  const list = [WasmType.I32];
  for (let r = 0; r < 10; r++) if (((params >> r) & 1) !== 0) list.push(WasmType.I64);
  return types.of(list, WasmType.I64);
}

function writeTypes(b: WasmBuilder, types: Types): void {
  const section = b.section(Section.Type);
  b.u32(types.list.length);
  for (const [params, result] of types.list) {
    b.byte(0x60);
    b.u32(params.length);
    for (const param of params) b.byte(param);
    b.u32(1);
    b.byte(result);
  }
  b.patchSize(section);
}

function writeImports(b: WasmBuilder, rows: readonly ImportRow[], pages: number): void {
  const section = b.section(Section.Import);
  b.u32(rows.length + 1);
  b.name(IMPORT_MODULE);
  b.name(MEMORY_IMPORT);
  b.byte(External.Memory);
  b.byte(0);
  b.u32(pages);
  for (const { name, type } of rows) {
    b.name(IMPORT_MODULE);
    b.name(name);
    b.byte(External.Function);
    b.u32(type);
  }
  b.patchSize(section);
}

/** Active segments of memory 0. */
function writeData(b: WasmBuilder, segments: Standalone['data']): void {
  const section = b.section(Section.Data);
  b.u32(segments.length);
  for (const { at, bytes } of segments) {
    b.byte(0);
    b.i32Const(at);
    b.op(Wasm.End);
    b.u32(bytes.length);
    for (const byte of bytes) b.byte(byte);
  }
  b.patchSize(section);
}

function writeCustom(b: WasmBuilder, name: string, text: string): void {
  const section = b.section(Section.Custom);
  b.name(name);
  for (const byte of new TextEncoder().encode(text)) b.byte(byte);
  b.patchSize(section);
}

function exportFunction(b: WasmBuilder, name: string, index: number): void {
  b.name(name);
  b.byte(External.Function);
  b.u32(index);
}
