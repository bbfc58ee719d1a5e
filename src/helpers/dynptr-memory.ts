/**
 * `struct bpf_dynptr` in memory, 16 bytes:
 *
 *     | data address u32 | 0 | read-only : 1, type : 3, size : 28 | offset u32 |
 *
 * For packets the data address is only a mark that the dynptr is valid: bytes are reached through the run's packet.
 */
import type { BpfMemory } from '../memory/memory.js';

export const enum DynptrType {
  Invalid = 0,
  Local = 1,
  Ringbuf = 2,
  Skb = 3,
  Xdp = 4,
}

export interface Dynptr {
  readonly type: DynptrType;
  readonly data: number;
  readonly size: number;
  readonly offset: number;
  readonly readOnly: boolean;
}

export const DYNPTR_MAX_SIZE = (1 << 24) - 1;
const SIZE_MASK = 0xff_ffff;
const TYPE_SHIFT = 28;
const TYPE_MASK = 7;
const READ_ONLY = 0x8000_0000;

/** What the dynptr at `at` says, or null for one that is none. */
export function readDynptr(memory: BpfMemory, at: number): Dynptr | null {
  const word = at >>> 2;
  const data = memory.u32[word];
  if (data === 0) return null;
  const bits = memory.u32[word + 2];
  return {
    data,
    type: ((bits >>> TYPE_SHIFT) & TYPE_MASK) as DynptrType,
    size: bits & SIZE_MASK,
    offset: memory.u32[word + 3],
    readOnly: (bits & READ_ONLY) !== 0,
  };
}

export function writeDynptr(memory: BpfMemory, at: number, dynptr: Dynptr): void {
  const word = at >>> 2;
  memory.u32[word] = dynptr.data;
  memory.u32[word + 1] = 0;
  memory.u32[word + 2] =
    (dynptr.size | (dynptr.type << TYPE_SHIFT) | (dynptr.readOnly ? READ_ONLY : 0)) >>> 0;
  memory.u32[word + 3] = dynptr.offset;
}

/** Makes it one that refers to nothing. */
export function clearDynptr(memory: BpfMemory, at: number): void {
  memory.u32.fill(0, at >>> 2, (at >>> 2) + 4);
}

/** Whether `size` bytes at `offset` lie inside. */
export function inDynptr(dynptr: Dynptr, offset: number, size: number): boolean {
  return size >>> 0 <= dynptr.size && offset >>> 0 <= dynptr.size - (size >>> 0);
}
