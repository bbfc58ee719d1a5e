/** Modules that run without bpfvm: `bpfvm build`. The contract is docs/wasm.md. */
import { ArrayMap } from '../../maps/array-map.js';
import type { BpfMap } from '../../maps/map.js';
import { mapTypeName } from '../../maps/map-types.js';
import type { BpfMemory, Region } from '../../memory/memory.js';
import { RegionKind } from '../../memory/memory.js';
import { progTypeName } from '../../progs/prog-types.js';
import type { EngineOptions, ProgramImage } from '../engine.js';
import { MAX_CALL_FRAMES, STACK_FRAME_SIZE } from '../engine.js';
import { CONTROL_SIZE } from './control.js';
import type { HelperUse } from './module.js';
import { compileModule } from './module.js';

export interface StandaloneRegion {
  readonly base: number;
  readonly size: number;
}

/** The custom section, as JSON. Addresses and sizes in bytes. */
export interface StandaloneInfo {
  readonly version: 1;
  readonly program: string;
  readonly type: string;
  readonly checks: string;
  readonly fuel: number;
  readonly stack: StandaloneRegion;
  readonly control: StandaloneRegion;
  /** From here on memory is the host's: for the context, packets, elements of maps. */
  readonly heapBase: number;
  readonly maps: readonly {
    readonly name: string;
    readonly type: string;
    readonly keySize: number;
    readonly valueSize: number;
    readonly maxEntries: number;
    /** What helpers get as their map argument. */
    readonly handle: number;
    /** Arrays only: value i is at base + i * stride. */
    readonly values?: { readonly base: number; readonly stride: number };
  }[];
  readonly helpers: readonly {
    readonly name: string;
    readonly id: number;
    readonly args: readonly string[];
    readonly ret: string;
  }[];
  /** First slots of the subprograms that helpers may call: exports `callback_<slot>`. */
  readonly callbacks: readonly number[];
}

const PAGE = 65536;
/** Zeros between bytes that are worth a segment of their own. */
const GAP = 16;

/**
 * Compiles `image` to a module that needs nothing of bpfvm at run time. `memory` holds the program's maps and nothing
 * that should not be part of the module.
 * @throws BpfError
 */
export function buildStandalone(
  image: ProgramImage,
  memory: BpfMemory,
  options: EngineOptions,
): Uint8Array<ArrayBuffer> {
  const stack = memory.alloc(MAX_CALL_FRAMES * STACK_FRAME_SIZE, RegionKind.Stack, { align: 16 });
  const control = memory.alloc(CONTROL_SIZE, RegionKind.Handle);
  const heapBase = Math.ceil(memory.usedBytes / 16) * 16;
  const describe = (helpers: readonly HelperUse[], callbacks: readonly number[]): string =>
    JSON.stringify(describeModule(image, options, stack, control, heapBase, helpers, callbacks));
  const standalone = { pages: Math.ceil(heapBase / PAGE), data: segments(memory), describe };
  const layout = { memory, stack, control: control.base };
  const { uncalled } = compileModule(image, layout, options, { standalone });
  return compileModule(image, layout, options, { standalone, omitted: new Set(uncalled) }).bytes;
}

/** Runs of bytes that are not zero. */
function segments(memory: BpfMemory): { at: number; bytes: Uint8Array }[] {
  const { u8, usedBytes } = memory;
  const found: { at: number; bytes: Uint8Array }[] = [];
  let start = -1;
  let last = -1;
  const flush = (): void => {
    if (start >= 0) found.push({ at: start, bytes: u8.slice(start, last + 1) });
    start = -1;
  };
  for (let at = 0; at < usedBytes; at++) {
    if (u8[at] === 0) continue;
    if (start >= 0 && at - last > GAP) flush();
    if (start < 0) start = at;
    last = at;
  }
  flush();
  return found;
}

function describeModule(
  image: ProgramImage,
  options: EngineOptions,
  stack: Region,
  control: Region,
  heapBase: number,
  helpers: readonly HelperUse[],
  callbacks: readonly number[],
): StandaloneInfo {
  return {
    version: 1,
    program: image.name,
    type: progTypeName(image.progType),
    checks: options.checks,
    fuel: options.fuel,
    stack: { base: stack.base, size: stack.size },
    control: { base: control.base, size: control.size },
    heapBase,
    maps: [...image.maps.values()].map(describeMap),
    helpers: helpers.map(({ name, helper }) => ({
      name,
      id: helper.id,
      args: helper.args.map((arg) => arg.abi),
      ret: helper.ret.abi,
    })),
    callbacks,
  };
}

function describeMap(map: BpfMap): StandaloneInfo['maps'][number] {
  const { name, type, keySize, valueSize, maxEntries } = map.spec;
  return {
    name,
    type: mapTypeName(type),
    keySize,
    valueSize,
    maxEntries,
    handle: map.handle.base,
    ...(map instanceof ArrayMap ? { values: { base: map.base, stride: map.stride } } : {}),
  };
}
