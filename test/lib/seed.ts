/** Where randomised tests take their seed from; each prints it in its title, so that a failure can be replayed. */

/** `BPFVM_SEED` where it is set, else `fallback`, else a new one. */
export function testSeed(fallback?: number): number {
  const given = process.env['BPFVM_SEED'];
  return given === undefined ? (fallback ?? (Date.now() ^ process.pid) & 0x7fffffff) : Number(given) | 0;
}

/** `BPFVM_COUNT` where it is set, else `fallback`. */
export function testCount(fallback: number): number {
  return Number(process.env['BPFVM_COUNT'] ?? fallback);
}
