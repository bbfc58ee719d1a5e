/** Helpers: string conversion and comparison. */
import { Errno } from '../errors.js';
import { BASE } from './prog-sets.js';
import type { Helper } from './proto.js';
import { ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

const BASE_MASK = 31;
const BASES = [0, 8, 10, 16];
const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 9 && byte <= 13);

interface Parsed {
  readonly used: number;
  readonly negative: boolean;
  readonly value: bigint;
}

/** Sign, prefix and digits as strtoull takes them, but only within `text`; a negative errno where there are none. */
function parseNumber(text: Uint8Array, flags: number, flagsHi: number): Parsed | number {
  let base = flags & BASE_MASK;
  if (!BASES.includes(base) || (flags & ~BASE_MASK) !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  let at = 0;
  while (at < text.length && isSpace(text[at])) at++;
  const negative = text[at] === 0x2d;
  if (negative) at++;
  const hasPrefix = text[at] === 0x30 && (text[at + 1] | 0x20) === 0x78 && digit(text[at + 2], 16) >= 0;
  if (base === 0) base = hasPrefix ? 16 : text[at] === 0x30 ? 8 : 10;
  if (base === 16 && hasPrefix) at += 2;
  const first = at;
  let value = 0n;
  for (let d = digit(text[at], base); d >= 0; d = digit(text[++at], base)) {
    value = value * BigInt(base) + BigInt(d);
    if (value >= 1n << 64n) return -Errno.ERANGE;
  }
  return at === first ? -Errno.EINVAL : { used: at, negative, value };
}

function digit(byte: number | undefined, base: number): number {
  if (byte === undefined) return -1;
  const lower = byte | 0x20;
  const value =
    byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
  return value < base ? value : -1;
}

/** Characters used, or a negative errno; the number goes to `to`. */
function strtol(
  run: RunState,
  from: number,
  size: number,
  flags: number,
  flagsHi: number,
  to: number,
): number {
  const { memory } = run.vm;
  memory.view.setBigInt64(to, 0n, true);
  const parsed = parseNumber(memory.u8.subarray(from, from + size), flags, flagsHi);
  if (typeof parsed === 'number') return parsed;
  const value = parsed.negative ? -parsed.value : parsed.value;
  if (BigInt.asIntN(64, value) !== value) return -Errno.ERANGE;
  memory.view.setBigInt64(to, value, true);
  return parsed.used;
}

function strtoul(
  run: RunState,
  from: number,
  size: number,
  flags: number,
  flagsHi: number,
  to: number,
): number {
  const { memory } = run.vm;
  memory.view.setBigUint64(to, 0n, true);
  const parsed = parseNumber(memory.u8.subarray(from, from + size), flags, flagsHi);
  if (typeof parsed === 'number') return parsed;
  if (parsed.negative) return -Errno.EINVAL;
  memory.view.setBigUint64(to, parsed.value, true);
  return parsed.used;
}

/** As strncmp: the difference of the first bytes that differ, up to a NUL. */
function strncmp(run: RunState, a: number, size: number, b: number): number {
  const { u8 } = run.vm.memory;
  for (let i = 0; i < size; i++) {
    const difference = u8[a + i] - u8[b + i];
    if (difference !== 0) return difference < 0 ? -1 : 1;
    if (u8[a + i] === 0) return 0;
  }
  return 0;
}

export const STRING_HELPERS: readonly Helper[] = [
  helper(105, 'bpf_strtol', RET.int, [ARG.memRead, ARG.size, ARG.u64, ARG.u64Out], BASE, strtol),
  helper(106, 'bpf_strtoul', RET.int, [ARG.memRead, ARG.size, ARG.u64, ARG.u64Out], BASE, strtoul),
  helper(182, 'bpf_strncmp', RET.int, [ARG.memRead, ARG.size, ARG.constStr], BASE, strncmp),
];
