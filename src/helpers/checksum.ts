/** One's complement sums of the Internet protocols (RFC 1071), on little-endian words as the kernel keeps them. */

/** 32-bit sum with end-around carry. */
export function csumAdd(a: number, b: number): number {
  const sum = (a >>> 0) + (b >>> 0);
  return sum > 0xffff_ffff ? sum - 0xffff_ffff : sum;
}

export const csumSub = (a: number, b: number): number => csumAdd(a, ~b >>> 0);

/** The field of a header for a 32-bit sum: folded to 16 bits and complemented. */
export function csumFold(sum: number): number {
  let folded = (sum & 0xffff) + (sum >>> 16);
  folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** Folded to 16 bits, not complemented. */
export function csumFrom32To16(sum: number): number {
  return ((sum + ((sum << 16) | (sum >>> 16))) >>> 0) >>> 16;
}

/** 16-bit sum with end-around carry. */
export function csum16Add(a: number, b: number): number {
  const sum = a + b;
  return (sum & 0xffff) + (sum >>> 16);
}

/** Adds bytes to a sum; an odd last byte counts as if a zero followed. */
export function csumPartial(bytes: Uint8Array, at: number, size: number, seed: number): number {
  let sum = 0;
  const end = at + size;
  for (let i = at; i + 1 < end; i += 2) sum += bytes[i] | (bytes[i + 1] << 8);
  if ((size & 1) !== 0) sum += bytes[end - 1];
  // Sums of packets stay far below 2^53; the high part is carried around.
  const low = sum % 2 ** 32;
  return csumAdd(csumAdd(low, Math.floor(sum / 2 ** 32)), seed);
}
