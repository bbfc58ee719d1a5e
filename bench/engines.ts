/** The engines of bpfvm as contestants. A new engine or setting is a row here. */
import { BpfVm } from '../src/bpf-vm.js';
import { RegionKind } from '../src/memory/memory.js';
import type { CheckMode, Engine, Executable, ProgramImage } from '../src/vm/engine.js';
import { benchPacket, readWorkload } from './workloads.js';

export interface EngineRow {
  /** Column of the table and key of the JSON document. */
  readonly name: string;
  readonly what: string;
  readonly load: () => Promise<Engine>;
  readonly checks: (image: ProgramImage) => CheckMode;
  readonly fuel: number;
}

const FUEL = 100_000_000;
const loadInterpreter = async () => (await import('../src/vm/interpreter.js')).interpreter;
const loadWasm = async () => (await import('../src/vm/jit/wasm-engine.js')).wasmEngine;

export const ENGINES: readonly EngineRow[] = [
  {
    name: 'interpreter',
    what: 'every access checked, fuel',
    load: loadInterpreter,
    checks: () => 'exact',
    fuel: FUEL,
  },
  {
    name: 'wasm',
    what: 'verified: proved accesses unchecked (all of them, where there is no proof)',
    load: loadWasm,
    checks: (image) => (image.proved === undefined ? 'off' : 'proved'),
    fuel: 0,
  },
  {
    name: 'wasmChecked',
    what: 'every access checked, fuel',
    load: loadWasm,
    checks: () => 'exact',
    fuel: FUEL,
  },
];

/** Offsets of `data` and `data_end` in `__sk_buff`, and its size. */
const CTX_DATA = 76;
const CTX_DATA_END = 80;
const CTX_SIZE = 192;

export interface Prepared {
  readonly executable: Executable;
  readonly ctx: number;
}

/** A workload in a VM of its own, with its packet in place. */
export function prepare(row: EngineRow, engine: Engine, name: string): Prepared {
  const vm = new BpfVm();
  const { image } = vm.load(readWorkload(name), { name: `${name}.bpf.o` }).program(name);
  const bytes = benchPacket();
  const packet = vm.memory.alloc(bytes.length, RegionKind.Packet);
  const ctx = vm.memory.alloc(CTX_SIZE, RegionKind.Ctx);
  const options = { checks: row.checks(image), fuel: row.fuel };
  const executable = engine.compile(image, vm.memory, vm.run, options);
  const { memory } = vm;
  memory.u8.set(bytes, packet.base);
  memory.view.setUint32(ctx.base + CTX_DATA, packet.base, true);
  memory.view.setUint32(ctx.base + CTX_DATA_END, packet.base + bytes.length, true);
  return { executable, ctx: ctx.base };
}

/** The instructions that a program's object holds, map references as file descriptors (source 1). */
export function workloadInsns(name: string): { readonly bytes: Uint8Array; readonly entries: number } {
  const vm = new BpfVm();
  const { image } = vm.load(readWorkload(name), { name: `${name}.bpf.o` }).program(name);
  const [map] = image.maps.values();
  return { bytes: image.insns.bytes, entries: map?.spec.maxEntries ?? 0 };
}
