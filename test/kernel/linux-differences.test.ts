/**
 * Programs that Linux is known to run wrongly: bpfvm must run them as they are written. What the running kernel makes of
 * them is printed, not required: other versions may be right.
 */
import { expect, it } from 'vitest';
import { runRaw } from '../../src/cli/raw-program.js';
import { assemble } from '../../src/isa/asm.js';
import { interpreter } from '../../src/vm/interpreter.js';
import { wasmEngine } from '../../src/vm/jit/wasm-engine.js';
import { describeLive } from './lib/corpus.js';
import { runInKernel } from './lib/random-run.js';

/** States are kept at joins only some instructions and jumps apart. */
const APART = Array.from({ length: 12 }, () => 'goto pc+0').join('\n');

interface Difference {
  readonly title: string;
  /** r1 is the packet. */
  readonly text: string;
  readonly r0: bigint;
}

const DIFFERENCES: readonly Difference[] = [
  {
    title: 'a pointer added to a number in a subprogram points into the stack of that subprogram',
    text: `
      r2 = *(u64 *)(r1 +0)
      *(u64 *)(r10 -8) = r2
      r1 = -8
      call store
      r0 = *(u64 *)(r10 -8)
      if r0 == 0x7 goto seven
      r0 = 1
      exit
      seven: r0 = 2
      exit
      store: r1 += r10
      *(u64 *)(r1 +0) = 7
      r0 = 0
      exit`,
    r0: 1n,
  },
  {
    title: 'a 32-bit compare and exchange clears the upper half of r0',
    text: `
      r2 = *(u64 *)(r1 +0)
      r3 = *(u64 *)(r1 +8)
      *(u64 *)(r10 -8) = r3
      r0 = *(u64 *)(r1 +16)
      ${APART}
      if r2 != 0x0 goto swap
      goto join
      swap: r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r3)
      goto join
      join:
      ${APART}
      r0 >>= 32
      exit`,
    r0: 0n,
  },
  {
    title: 'a branch on a value that an atomic operation fetched from the stack is kept',
    text: `
      r2 = *(u64 *)(r1 +0)
      r4 = *(u64 *)(r1 +8)
      r3 = 16
      ${APART}
      if r2 != 0x0 goto other
      goto join
      other: r3 = 8
      goto join
      join: *(u64 *)(r10 -8) = r3
      ${APART}
      r0 = 0
      r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r4)
      if r0 s< 0xf goto small
      r0 = 1
      exit
      small: r0 = 2
      exit`,
    r0: 2n,
  },
];

/** The packet: r2 = 1, r3 = 0, and an upper half for r0. */
const PACKET = new Uint8Array(64);
new DataView(PACKET.buffer).setBigUint64(0, 1n, true);
new DataView(PACKET.buffer).setBigUint64(16, 0x8000_0000_0000_0000n, true);

const LOAD_PACKET = `
  r2 = *(u32 *)(r1 +76)
  r3 = *(u32 *)(r1 +80)
  r4 = r2
  r4 += 64
  if r4 <= r3 goto body
  r0 = 99
  exit
  body: r1 = r2
`;

describeLive('programs that Linux 6.18 runs wrongly', () => {
  it.each(DIFFERENCES)('$title', ({ title, text, r0 }) => {
    for (const engine of [interpreter, wasmEngine]) {
      expect(runRaw(assemble(text), { engine, memory: PACKET }).r0).toBe(r0);
    }
    const [kernel] = runInKernel([{ bytes: assemble(LOAD_PACKET + text), packet: PACKET }]);
    console.log(
      `${title}: ${r0}; this kernel: ${kernel.errno === 0 ? kernel.retval : `errno ${kernel.errno}`}`,
    );
  });
});
