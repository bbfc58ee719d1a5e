/** Running raw bytecode, without an object file, as the public conformance suite does. */
import { BpfFault, Errno, UsageError } from '../errors.js';
import type { Helper, HelperFn, RetSpec } from '../helpers/proto.js';
import { ARG, RET } from '../helpers/proto.js';
import type { VmServices } from '../helpers/run-state.js';
import { RunState } from '../helpers/run-state.js';
import { decode } from '../isa/decode.js';
import { encodeOps } from '../isa/encode.js';
import { Op } from '../isa/op.gen.js';
import { BpfMemory, RegionKind } from '../memory/memory.js';
import type { SkbCtx } from '../progs/ctx/contexts.js';
import { ProgType } from '../progs/prog-types.js';
import { decodeAndCheck } from '../verifier/structure.js';
import type { Engine, ProgramImage } from '../vm/engine.js';

/** The suite's programs are short; this many instructions are an endless loop. */
const FUEL = 100_000_000;

/** Thrown by the suite's helper 5 to end the program where it returns 0. */
class Unwind extends Error {}

const helper = (id: number, name: string, ret: RetSpec, args: Helper['args'], fn: HelperFn): Helper => ({
  id,
  name,
  ret,
  args,
  progTypes: 'all',
  state: 'full',
  fn,
});

/** Length of the text at `address`, which the engine has checked to end. */
function textAt(run: RunState, address: number): Uint8Array {
  const { u8 } = run.vm.memory;
  return u8.subarray(address, u8.indexOf(0, address));
}

function compareText(run: RunState, first: number, second: number): number {
  const a = textAt(run, first);
  const b = textAt(run, second);
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Helpers by the numbers that the public conformance suite calls. */
const HELPERS: readonly Helper[] = [
  helper(0, 'gather_bytes', RET.u64, [ARG.u32, ARG.u32, ARG.u32, ARG.u32, ARG.u32], (run, a, b, c, d, e) => {
    run.retHi = a & 0xff;
    return ((b & 0xff) << 24) | ((c & 0xff) << 16) | ((d & 0xff) << 8) | (e & 0xff);
  }),
  helper(1, 'memfrob', RET.u64, [ARG.make('mem')({ write: true }), ARG.sizeOrZero], (run, at, size) => {
    const { u8 } = run.vm.memory;
    for (let byte = at; byte < at + size; byte++) u8[byte] ^= 42;
    run.retHi = 0;
    return at;
  }),
  helper(2, 'trash_registers', RET.u64, [], (run) => {
    run.retHi = 0;
    return 0;
  }),
  helper(3, 'sqrti', RET.u64, [ARG.u64], (run, lo, hi) => {
    run.retHi = 0;
    return Math.floor(Math.sqrt((hi >>> 0) * 0x1_0000_0000 + (lo >>> 0)));
  }),
  helper(4, 'strcmp_ext', RET.int, [ARG.make('const_str')(), ARG.make('const_str')()], compareText),
  helper(5, 'unwind', RET.u64, [ARG.u64], (run, lo, hi) => {
    if (lo === 0 && hi === 0) throw new Unwind();
    run.retHi = hi;
    return lo;
  }),
];

export type EngineName = Engine['name'];

export const ENGINE_NAMES: readonly EngineName[] = ['interpreter', 'wasm', 'auto'];

/** @throws UsageError `ERR_BPF_USAGE_ENGINE` */
export async function engineByName(name: string): Promise<Engine> {
  if (name === 'interpreter') return (await import('../vm/interpreter.js')).interpreter;
  if (name === 'wasm') return (await import('../vm/jit/wasm-engine.js')).wasmEngine;
  if (name === 'auto') return (await import('../vm/auto-engine.js')).autoEngine;
  throw new UsageError('ERR_BPF_USAGE_ENGINE', `no engine "${name}"`, { hint: ENGINE_NAMES.join(', ') });
}

export interface RawOptions {
  readonly engine: Engine;
  /** What r1 points to, r2 is its length; packet loads read it, too. */
  readonly memory?: Uint8Array;
  readonly fuel?: number;
}

export interface RawResult {
  /** 64 bits, unsigned. */
  readonly r0: bigint;
  /** The memory after the run. */
  readonly memory: Uint8Array;
}

/** A packet for the legacy loads alone: nothing else of a socket buffer is there. */
function packetOf(memory: BpfMemory, base: number, size: number): SkbCtx {
  const refuse = (): number => -Errno.EOPNOTSUPP;
  return {
    len: size,
    redirect: null,
    loadBytes: (offset, to, bytes) => {
      if (offset < 0 || offset + bytes > size) return -Errno.EFAULT;
      memory.u8.copyWithin(to, base + offset, base + offset + bytes);
      return 0;
    },
    storeBytes: refuse,
    pullData: refuse,
    changeTail: refuse,
    changeHead: refuse,
    adjustRoom: refuse,
  };
}

function servicesOf(memory: BpfMemory): VmServices {
  return {
    memory,
    mapByHandle: () => undefined,
    mapById: () => undefined,
    ktimeNs: () => 0n,
    wallTimeNs: () => 0n,
    random: () => 0,
    cpus: 1,
    currentCpu: () => 0,
    printk: () => undefined,
  };
}

const byId = new Map(HELPERS.map((entry) => [entry.id, entry]));

/**
 * Engines start a program with r1 alone: an instruction in front gives it r2. Slots move up by one, and all distances
 * inside the program stay.
 */
function imageOf(bytes: Uint8Array, length: number): ProgramImage {
  const checks = { program: 'raw', progType: ProgType.SocketFilter, helper: (id: number) => byId.get(id) };
  const { subprogs } = decodeAndCheck(bytes, { ...checks, map: () => false });
  const prefix = encodeOps([{ op: Op.mov64_imm, dst: 2, imm: length }]);
  const whole = new Uint8Array(prefix.length + bytes.length);
  whole.set(prefix);
  whole.set(bytes, prefix.length);
  return {
    name: 'raw',
    progType: ProgType.SocketFilter,
    insns: decode(whole),
    subprogs: subprogs.map((pc) => (pc === 0 ? 0 : pc + 1)),
    maps: new Map(),
    helpers: byId,
  };
}

/**
 * Runs raw bytecode with structural checks only, and every memory access checked.
 * @throws VerifierError where it is malformed, BpfFault where it fails; slots count from its first instruction.
 */
export function runRaw(bytes: Uint8Array, options: RawOptions): RawResult {
  const input = options.memory ?? new Uint8Array();
  const image = imageOf(bytes, input.length);
  const memory = new BpfMemory();
  const region = memory.alloc(input.length, RegionKind.Packet, { label: 'memory' });
  memory.u8.set(input, region.base);
  const run = new RunState(servicesOf(memory));
  run.skb = packetOf(memory, region.base, region.size);
  const program = options.engine.compile(image, memory, run, { checks: 'exact', fuel: options.fuel ?? FUEL });
  const r0 = execute(program, input.length === 0 ? 0 : region.base);
  return { r0, memory: memory.u8.slice(region.base, region.base + region.size) };
}

function execute(program: ReturnType<Engine['compile']>, address: number): bigint {
  try {
    const lo = program.run(address);
    return (BigInt(program.resultHi >>> 0) << 32n) | BigInt(lo >>> 0);
  } catch (error) {
    if (error instanceof Unwind) return 0n;
    if (error instanceof BpfFault) throw new BpfFault({ ...error.fault, pc: error.pc - 1 });
    throw error;
  }
}
