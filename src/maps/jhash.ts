/**
 * Bob Jenkins' lookup3 as Linux uses it for its hash maps. The bucket of a key decides the order in which a map is
 * iterated, so that the function and its seed are visible to users (BPF_F_ZERO_SEED, sockhash).
 */
import type { BpfMemory } from '../memory/memory.js';

const GOLDEN = 0xdeadbeef;

const rotl = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

const word = (bytes: Uint8Array, at: number): number =>
  bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);

/** Byte `at`, or 0 behind `end`. */
const byteOrZero = (bytes: Uint8Array, at: number, end: number): number => (at < end ? bytes[at] : 0);

function tailWord(bytes: Uint8Array, at: number, end: number): number {
  return (
    byteOrZero(bytes, at, end) |
    (byteOrZero(bytes, at + 1, end) << 8) |
    (byteOrZero(bytes, at + 2, end) << 16) |
    (byteOrZero(bytes, at + 3, end) << 24)
  );
}

/** Hash of `length` bytes at `from`, as a signed 32-bit integer. Little-endian words on every host. */
export function jhashBytes(bytes: Uint8Array, from: number, length: number, seed: number): number {
  let a = (GOLDEN + length + seed) | 0;
  let b = a;
  let c = a;
  let at = from;
  const end = from + length;
  for (; end - at > 12; at += 12) {
    a = (a + word(bytes, at)) | 0;
    b = (b + word(bytes, at + 4)) | 0;
    c = (c + word(bytes, at + 8)) | 0;
    a = ((a - c) | 0) ^ rotl(c, 4);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotl(a, 6);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotl(b, 8);
    b = (b + a) | 0;
    a = ((a - c) | 0) ^ rotl(c, 16);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotl(a, 19);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotl(b, 4);
    b = (b + a) | 0;
  }
  if (at === end) return c;
  a = (a + tailWord(bytes, at, end)) | 0;
  b = (b + tailWord(bytes, at + 4, end)) | 0;
  c = (c + tailWord(bytes, at + 8, end)) | 0;
  c = ((c ^ b) - rotl(b, 14)) | 0;
  a = ((a ^ c) - rotl(c, 11)) | 0;
  b = ((b ^ a) - rotl(a, 25)) | 0;
  c = ((c ^ b) - rotl(b, 16)) | 0;
  a = ((a ^ c) - rotl(c, 4)) | 0;
  b = ((b ^ a) - rotl(a, 14)) | 0;
  return ((c ^ b) - rotl(b, 24)) | 0;
}

/** The same over the VM's memory. */
export function jhash(memory: BpfMemory, address: number, length: number, seed: number): number {
  return jhashBytes(memory.u8, address, length, seed);
}
