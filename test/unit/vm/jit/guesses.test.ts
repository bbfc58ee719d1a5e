import { describe, expect, it } from 'vitest';
import { assemble } from '../../../../src/isa/asm.js';
import { BpfMemory, RegionKind } from '../../../../src/memory/memory.js';
import { wasmEngine } from '../../../../src/vm/jit/wasm-engine.js';
import { imageOf, runStateOf } from '../../../lib/image.js';

const EXACT = { checks: 'exact', fuel: 0 } as const;

/** r0 = *(u32 *)(pointer at offset 0 of the context), and the one at offset 8. */
const FIRST = 'r2 = *(u64 *)(r1 +0)\nr0 = *(u32 *)(r2 +0)\nexit';
const BOTH =
  'r2 = *(u64 *)(r1 +0)\nr3 = *(u64 *)(r1 +8)\nr0 = *(u32 *)(r2 +4)\nr4 = *(u32 *)(r3 +4)\nr0 += r4\nr4 = *(u32 *)(r3 +0)\nr0 += r4\nexit';

function load(text: string) {
  const memory = new BpfMemory();
  const ctx = memory.alloc(32, RegionKind.Ctx);
  const region = (value: number) => {
    const made = memory.alloc(8, RegionKind.Packet);
    memory.u32[made.base >> 2] = value;
    memory.u32[(made.base >> 2) + 1] = value;
    return made;
  };
  const point = (at: number, address: number): void => {
    memory.view.setBigUint64(ctx.base + at, BigInt(address), true);
  };
  const program = wasmEngine.compile(imageOf(assemble(text)), memory, runStateOf(memory), EXACT);
  return { memory, region, point, run: () => program.run(ctx.base) };
}

describe('guesses of where pointers lead', () => {
  it('follow a packet that is somewhere else in every run', () => {
    const { region, point, run } = load(FIRST);
    const packets = Array.from({ length: 5 }, (_, i) => region(100 + i));
    for (let round = 0; round < 40; round++) {
      point(0, packets[round % 5].base);
      expect(run()).toBe(100 + (round % 5));
    }
  });

  it('are given up where the same kind of pointer leads to two places', () => {
    const { region, point, run } = load(BOTH);
    const [one, other] = [region(1), region(10)];
    for (let round = 0; round < 40; round++) {
      point(0, round % 3 === 0 ? other.base : one.base);
      point(8, round % 2 === 0 ? one.base : other.base);
      expect(run()).toBe((round % 3 === 0 ? 10 : 1) + 2 * (round % 2 === 0 ? 1 : 10));
    }
  });

  it('never allow what the region does not, whatever was learned before', () => {
    const { region, point, run } = load(FIRST);
    const packet = region(7);
    for (let round = 0; round < 20; round++) {
      point(0, packet.base);
      expect(run()).toBe(7);
      for (const wrong of [packet.base + 5, packet.base - 1, packet.base + 8, 0, 0x7fff_fff0]) {
        point(0, wrong);
        expect(run).toThrow(expect.objectContaining({ pc: 1 }));
      }
    }
  });

  it('are void when a region is freed or becomes read-only', () => {
    const { memory, region, point, run } = load('r2 = *(u64 *)(r1 +0)\n*(u32 *)(r2 +0) = 5\nr0 = 1\nexit');
    let packet = region(7);
    point(0, packet.base);
    expect([run(), run()]).toEqual([1, 1]);
    packet = memory.protect(packet, false);
    expect(run).toThrow(expect.objectContaining({ kind: 'read-only' }));
    packet = memory.protect(packet, true);
    expect(run()).toBe(1);
    memory.free(packet);
    expect(run).toThrow(expect.objectContaining({ kind: 'bad-address' }));
  });
});
