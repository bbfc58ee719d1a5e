/**
 * Bob Jenkins' lookup3 as Linux uses it for its hash maps. The bucket of a key decides the order in which a map is
 * iterated, so that the function and its seed are visible to users (BPF_F_ZERO_SEED, sockhash).
 */
import type { BpfMemory } from '../memory/memory.js';

const GOLDEN = 0xdeadbeef;

const rotl = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

/** Hash of `length` bytes at `address`, as a signed 32-bit integer. Little-endian words on every host. */
export function jhash(memory: BpfMemory, address: number, length: number, seed: number): number {
  const view = memory.view;
  let a = (GOLDEN + length + seed) | 0;
  let b = a;
  let c = a;
  let at = address;
  let left = length;
  while (left > 12) {
    a = (a + view.getInt32(at, true)) | 0;
    b = (b + view.getInt32(at + 4, true)) | 0;
    c = (c + view.getInt32(at + 8, true)) | 0;
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
    left -= 12;
    at += 12;
  }
  if (left === 0) return c;
  a = (a + word(memory, at, left)) | 0;
  b = (b + word(memory, at + 4, left - 4)) | 0;
  c = (c + word(memory, at + 8, left - 8)) | 0;
  c = ((c ^ b) - rotl(b, 14)) | 0;
  a = ((a ^ c) - rotl(c, 11)) | 0;
  b = ((b ^ a) - rotl(a, 25)) | 0;
  c = ((c ^ b) - rotl(b, 16)) | 0;
  a = ((a ^ c) - rotl(c, 4)) | 0;
  b = ((b ^ a) - rotl(a, 14)) | 0;
  return ((c ^ b) - rotl(b, 24)) | 0;
}

/** Up to four bytes as a little-endian word; the missing ones are zero. */
function word(memory: BpfMemory, at: number, bytes: number): number {
  if (bytes >= 4) return memory.view.getInt32(at, true);
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = (value << 8) | memory.u8[at + i];
  return value;
}
