/** Helpers: formatted output. */
import { Errno } from '../errors.js';
import type { BpfMemory } from '../memory/memory.js';
import { format, FormatError, MAX_FORMAT_ARGS } from './format.js';
import { BASE, BASE_AND_LIRC } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

const u64 = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

/** The bytes before the NUL, or null where there is none within `size`. */
function readFormat(memory: BpfMemory, at: number, size: number): Uint8Array | null {
  const end = memory.u8.subarray(at, at + size).indexOf(0);
  return end < 0 ? null : memory.u8.slice(at, at + end);
}

/** Formats; the text, or a negative errno. */
function formatted(run: RunState, text: Uint8Array | null, args: readonly bigint[]): string | number {
  if (text === null) return -Errno.EINVAL;
  try {
    return format(text, args, run.vm.memory);
  } catch (error) {
    if (error instanceof FormatError) return -Errno.EINVAL;
    throw error;
  }
}

/** The length of the text. One trailing newline is the caller's line end and is not passed on. */
function print(run: RunState, text: string | number): number {
  if (typeof text === 'number') return text;
  run.vm.printk(text.endsWith('\n') ? text.slice(0, -1) : text);
  return text.length;
}

function tracePrintk(
  run: RunState,
  at: number,
  size: number,
  lo1: number,
  hi1: number,
  lo2: number,
  hi2: number,
  lo3: number,
  hi3: number,
): number {
  const args = [u64(lo1, hi1), u64(lo2, hi2), u64(lo3, hi3)];
  return print(run, formatted(run, readFormat(run.vm.memory, at, size), args));
}

/** Arguments as an array of u64, or null where its size is not one of an array. */
function readArgs(memory: BpfMemory, at: number, size: number): readonly bigint[] | null {
  if (size % 8 !== 0 || size > MAX_FORMAT_ARGS * 8 || (size > 0 && at === 0)) return null;
  return Array.from({ length: size / 8 }, (_, i) => memory.view.getBigUint64(at + i * 8, true));
}

function traceVprintk(run: RunState, at: number, size: number, data: number, dataSize: number): number {
  const { memory } = run.vm;
  const args = readArgs(memory, data, dataSize);
  if (args === null) return -Errno.EINVAL;
  return print(run, formatted(run, readFormat(memory, at, size), args));
}

/** The length that the whole text with its NUL has, however much of it fits. */
function snprintf(
  run: RunState,
  to: number,
  size: number,
  at: number,
  data: number,
  dataSize: number,
): number {
  const { memory } = run.vm;
  const args = readArgs(memory, data, dataSize);
  if (args === null) return -Errno.EINVAL;
  const region = memory.find(at);
  const text = region === undefined ? null : readFormat(memory, at, region.base + region.size - at);
  const result = formatted(run, text, args);
  if (typeof result === 'number') return result;
  writeText(memory, to, size, result);
  return result.length + 1;
}

/** Writes what fits, and a NUL where anything does. */
function writeText(memory: BpfMemory, to: number, size: number, text: string): void {
  if (size === 0) return;
  const length = Math.min(text.length, size - 1);
  for (let i = 0; i < length; i++) memory.u8[to + i] = text.charCodeAt(i);
  memory.u8[to + length] = 0;
}

export const PRINT_HELPERS: readonly Helper[] = [
  helper(
    6,
    'bpf_trace_printk',
    RET.int,
    [ARG.memRead, ARG.size, ARG.unchecked, ARG.unchecked, ARG.unchecked],
    BASE_AND_LIRC,
    tracePrintk,
    { gplOnly: true },
  ),
  helper(
    177,
    'bpf_trace_vprintk',
    RET.int,
    [ARG.memRead, ARG.size, ARG.memReadOrNull, ARG.sizeOrZero],
    BASE,
    traceVprintk,
    { gplOnly: true },
  ),
  helper(
    165,
    'bpf_snprintf',
    RET.int,
    [ARG.make('mem')({ nullable: true }), ARG.sizeOrZero, ARG.constStr, ARG.memReadOrNull, ARG.sizeOrZero],
    BASE,
    snprintf,
    { gplOnly: true },
  ),
  absent(149, 'bpf_snprintf_btf', RET.int, [ARG.mem, ARG.size, ARG.memRead, ARG.size, ARG.u64], BASE),
];
