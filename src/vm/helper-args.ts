/**
 * Checks of helper arguments at run time, for programs that no verifier has seen: pointers, sizes and handles must be
 * what the prototype says, so that a helper never touches memory that the program could not.
 */
import type { ArgSpec, Helper } from '../helpers/proto.js';
import type { RunState } from '../helpers/run-state.js';
import { FUNC_POINTER_BASE } from '../helpers/run-state.js';
import type { BpfMap } from '../maps/map.js';
import { RingbufMap } from '../maps/ringbuf-map.js';
import type { BpfMemory } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';

/** Sizes of opaque structures that programs pass by address (UAPI). */
const FIXED_SIZE: Partial<Record<ArgSpec['base'], number>> = { spin_lock: 4, timer: 16, dynptr: 16, kptr: 8 };

/** Whether `address` may be passed as a callback: the function pointer of a subprogram. */
export type IsFunction = (pointer: number) => boolean;

/**
 * What is wrong with the arguments in `words` (r1 at words[first], low and high word in turn), or null.
 * Allocates only where something is wrong.
 */
export function checkHelperArgs(
  helper: Helper,
  words: Int32Array,
  first: number,
  memory: BpfMemory,
  run: RunState,
  isFunction: IsFunction,
): string | null {
  let map: BpfMap | undefined;
  const args = helper.args;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg.base === 'anything') continue;
    const at = first + 2 * i;
    const lo = words[at];
    if (words[at + 1] !== 0 || lo < 0) {
      if (arg.base === 'func' && words[at + 1] === 0 && isFunction(lo >>> 0)) continue;
      return wrong(helper, i, arg, 'is no address or size');
    }
    if (arg.base === 'const_map_ptr') {
      map = run.vm.mapByHandle(lo);
      if (map === undefined) return wrong(helper, i, arg, 'is no map');
      continue;
    }
    // The arguments of the map helpers, which are called most.
    if (map !== undefined && (arg.base === 'map_key' || arg.base === 'map_value')) {
      const size = arg.base === 'map_key' ? map.spec.keySize : map.spec.valueSize;
      if (size > 0 && memory.check(lo, size, arg.write === true)) continue;
    }
    const problem = checkArg(arg, lo, args[i + 1], words[at + 2], map, memory, run);
    if (problem !== null) return wrong(helper, i, arg, problem);
  }
  return null;
}

function wrong(helper: Helper, index: number, arg: ArgSpec, problem: string): string {
  return `argument ${index + 1} (${arg.base}) of ${helper.name} ${problem}`;
}

function checkArg(
  arg: ArgSpec,
  lo: number,
  next: ArgSpec | undefined,
  nextLo: number,
  map: BpfMap | undefined,
  memory: BpfMemory,
  run: RunState,
): string | null {
  switch (arg.base) {
    case 'ctx':
      return lo === run.ctx ? null : 'is not the context';
    case 'const_size':
    case 'const_alloc_size_or_zero':
      return lo > 0 || arg.base !== 'const_size' ? null : 'is 0';
    case 'const_size_or_zero':
    case 'unchecked':
    case 'stack':
    case 'btf_id':
    case 'percpu_btf_id':
      return null;
    case 'sock_common':
    case 'btf_id_sock_common':
    case 'socket':
      return checkObject(arg, lo, RegionKind.Sock, memory);
    case 'ringbuf_mem':
      return isRecord(lo, memory, run) ? null : 'is no record that was reserved';
    case 'func':
      return 'is no subprogram';
    case 'const_str':
      return checkString(lo, memory);
    default:
      return checkMemory(arg, lo, sizeOf(arg, next, nextLo, map), memory);
  }
}

/** Bytes behind a pointer argument: by the map, the prototype, or the size argument that follows. */
function sizeOf(
  arg: ArgSpec,
  next: ArgSpec | undefined,
  nextLo: number,
  map: BpfMap | undefined,
): number | undefined {
  if (arg.base === 'map_key') return map?.spec.keySize;
  if (arg.base === 'map_value') return map?.spec.valueSize;
  if (arg.size !== undefined) return arg.size;
  if (next?.base === 'const_size' || next?.base === 'const_size_or_zero') return nextLo;
  return FIXED_SIZE[arg.base];
}

function checkMemory(arg: ArgSpec, lo: number, size: number | undefined, memory: BpfMemory): string | null {
  if (lo === 0 && arg.nullable === true) return null;
  if (size === undefined) return 'has no size';
  if (size < 0) return 'has a negative size';
  const isWrite = arg.write === true || arg.uninit === true || FIXED_SIZE[arg.base] !== undefined;
  if (size === 0 && lo !== 0) return null;
  return memory.check(lo, size, isWrite) ? null : `: no ${size} bytes at 0x${lo.toString(16)}`;
}

/** A record names its ring buffer in the header before it. */
function isRecord(lo: number, memory: BpfMemory, run: RunState): boolean {
  if (lo < RECORD_HEADER || memory.find(lo - RECORD_HEADER) === undefined) return false;
  const map = run.vm.mapById(RingbufMap.mapIdOf(memory, lo));
  return map instanceof RingbufMap && map.isReserved(lo);
}

const RECORD_HEADER = 8;

function checkObject(arg: ArgSpec, lo: number, kind: RegionKind, memory: BpfMemory): string | null {
  if (lo === 0 && arg.nullable === true) return null;
  const region = memory.find(lo);
  return region?.kind === kind && region.base === lo ? null : 'is not such an object';
}

function checkString(lo: number, memory: BpfMemory): string | null {
  const region = memory.find(lo);
  if (region === undefined || region.kind === RegionKind.Handle) return 'is no string';
  const end = memory.u8.indexOf(0, lo);
  return end >= lo && end < region.base + region.size ? null : 'is not terminated';
}

/** `IsFunction` of a program with the given first slots of subprograms. */
export function functionsOf(subprogs: readonly number[]): IsFunction {
  const pointers = new Set(subprogs.map((slot) => FUNC_POINTER_BASE + slot));
  return (pointer) => pointers.has(pointer);
}
