import { describe, expect, it } from 'vitest';
import { BpfFault } from '../../../src/errors.js';
import { MAP_HELPERS } from '../../../src/helpers/map.js';
import { assemble } from '../../../src/isa/asm.js';
import { ArrayMap } from '../../../src/maps/array-map.js';
import { MapType } from '../../../src/maps/map-types.js';
import { BpfMemory, RegionKind } from '../../../src/memory/memory.js';
import { autoEngine } from '../../../src/vm/auto-engine.js';
import { interpreter } from '../../../src/vm/interpreter.js';
import { wasmEngine } from '../../../src/vm/jit/wasm-engine.js';
import { imageOf, runStateOf } from '../../lib/image.js';

/** What an unverified program gets: every access checked, an end to every loop. */
const UNTRUSTED = { checks: 'exact', fuel: 100_000 } as const;

/**
 * A VM with a context, a map of 4 values of 8 bytes, and a region that belongs to nobody's program, all filled with a
 * pattern; `untouched` tells whether the program left all but its stack as it was.
 */
function prison() {
  const memory = new BpfMemory({ maxBytes: 1 << 22 });
  const ctx = memory.alloc(64, RegionKind.Ctx, { writable: false });
  const env = {
    memory,
    cpus: 1,
    currentCpu: () => 0,
    now: () => 0n,
    random: () => 4,
    whenIdle: (fn: () => void) => {
      fn();
    },
  };
  const spec = { name: 'values', type: MapType.Array, keySize: 4, valueSize: 8, maxEntries: 4, flags: 0 };
  const map = new ArrayMap(spec, 1, env);
  const secret = memory.alloc(64, RegionKind.Handle, { label: 'secret' });
  // Far enough from the stack that an address here is not taken for an overflow of it.
  memory.alloc(8192, RegionKind.Handle);
  memory.u8.fill(0xa5, ctx.base, ctx.base + 64);
  memory.u8.fill(0xa5, secret.base, secret.base + 64);
  const snapshot = (): Buffer => Buffer.from(memory.u8.slice(0, secret.base + 64));
  return { memory, ctx, map, secret, snapshot };
}

type Prison = ReturnType<typeof prison>;

const helpers = MAP_HELPERS;

/** Programs by what they try; `$secret`, `$map` and `$handle` stand for addresses. */
const CRIMES: readonly (readonly [string, string, string])[] = [
  ['reads where nothing is', 'r1 = 0x10000000 ll\nr0 = *(u64 *)(r1 +0)\nexit', 'bad-address'],
  ['writes where nothing is', 'r1 = 0x10000000 ll\n*(u64 *)(r1 +0) = 1\nexit', 'bad-address'],
  ['reads through NULL', 'r1 = 0\nr0 = *(u8 *)(r1 +16)\nexit', 'null-pointer'],
  ['reads above 4 GiB', 'r1 = 0x100008000 ll\nr0 = *(u8 *)(r1 +0)\nexit', 'bad-address'],
  ['reads with a negative address', 'r1 = -8\nr0 = *(u64 *)(r1 +0)\nexit', 'bad-address'],
  ['reads a word that straddles the end of the context', 'r0 = *(u64 *)(r1 +60)\nexit', 'bad-address'],
  ['writes the context, which is read-only', '*(u8 *)(r1 +0) = 0\nr0 = 0\nexit', 'read-only'],
  ['reads below the context', 'r0 = *(u8 *)(r1 -1)\nexit', 'bad-address'],
  ['writes above its stack frames', 'r1 = r10\nr1 += 3584\n*(u8 *)(r1 +0) = 1\nexit', 'bad-address'],
  ['writes below its stack', 'r1 = r10\nr1 += -513\n*(u8 *)(r1 +0) = 1\nexit', 'stack-overflow'],
  ['walks off its stack', 'r1 = r10\nagain: r1 += -8\n*(u64 *)(r1 +0) = 1\ngoto again', 'stack-overflow'],
  ['reads what only the host may', 'r1 = $secret ll\nr0 = *(u64 *)(r1 +8)\nexit', 'bad-address'],
  ['writes what only the host may', 'r1 = $secret ll\n*(u64 *)(r1 +8) = 1\nexit', 'bad-address'],
  ['writes a map\'s descriptor', 'r1 = $handle ll\n*(u64 *)(r1 +0) = 1\nexit', 'bad-address'],
  ['loops for ever', 'again: goto again\nexit', 'out-of-fuel'],
  ['loops for ever behind a condition', 'r0 = 1\nagain: if r0 != 0 goto again\nexit', 'out-of-fuel'],
  ['loops for ever in a loop that has two entries',
   'r0 = 1\nif r1 == 0 goto b\na: r0 += 1\nb: r0 |= 1\nif r0 != 0 goto a\nexit', 'out-of-fuel'],
  ['hides its loops in a subprogram whose pointer is not what the engine guesses',
   'r6 = r1\nr1 = r10\nr1 += -8\ncall f\nagain: r1 = r6\ncall f\ngoto again\nexit\n' +
   'f: r0 = *(u8 *)(r1 +0)\nr2 = 40000\nloop: r2 += -1\nif r2 != 0 goto loop\nexit', 'out-of-fuel'],
  ['calls itself without end', 'call f\nexit\nf: call f\nexit', 'call-depth'],
  ['calls two subprograms in turn without end', 'call f\nexit\nf: call g\nexit\ng: call f\nexit', 'call-depth'],
  ['doubles its calls at every level', tree(20), 'call-depth'],
  ['calls through a register', 'r1 = 5\ncallx r1\nexit', 'bad-call-target'],
  ['calls a helper that does not exist', 'call 4242\nexit', 'unknown-helper'],
  ['forges a map', lookup('r1 = $secret ll'), 'bad-helper-argument'],
  ['passes a value for a map', lookup('r1 = $map ll'), 'bad-helper-argument'],
  ['passes a map\'s address with a high word', lookup('r1 = $handle ll\nr3 = 1\nr3 <<= 32\nr1 |= r3'), 'bad-helper-argument'],
  ['passes a pointer into a map\'s descriptor', lookup('r1 = $handle ll\nr1 += 8'), 'bad-helper-argument'],
  ['passes a wild key', 'r1 = $handle ll\nr2 = 0x10000000 ll\ncall 1\nr0 = 0\nexit', 'bad-helper-argument'],
  ['passes a key that straddles the end of the stack',
   'r1 = $handle ll\nr2 = r10\nr2 += 3582\ncall 1\nr0 = 0\nexit', 'bad-helper-argument'],
  ['writes past the value that a lookup found',
   'r1 = $handle ll\n*(u32 *)(r10 -4) = 3\nr2 = r10\nr2 += -4\ncall 1\n*(u64 *)(r0 +8) = 1\nexit', 'bad-address'],
  ['writes through a lookup that found nothing',
   'r1 = $handle ll\n*(u32 *)(r10 -4) = 4\nr2 = r10\nr2 += -4\ncall 1\n*(u64 *)(r0 +0) = 1\nexit', 'null-pointer'],
  ['adds atomically to an odd address', 'r1 = 1\nlock *(u64 *)(r10 -12) += r1\nexit', 'misaligned-atomic'],
]; // prettier-ignore

function lookup(setMap: string): string {
  return `${setMap}\n*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\ncall 1\nr0 = 0\nexit`;
}

/** Subprogram i calls i + 1 twice: exponential work if nothing stops it. */
function tree(levels: number): string {
  const level = (i: number): string => `f${i}: call f${i + 1}\ncall f${i + 1}\nexit`;
  return ['call f0', 'exit', ...Array.from({ length: levels }, (_, i) => level(i)), `f${levels}: exit`].join(
    '\n',
  );
}

function compile(engine: typeof wasmEngine, text: string, { memory, map, secret }: Prison) {
  const filled = text
    .replaceAll('$secret', `0x${secret.base.toString(16)}`)
    .replaceAll('$map', `0x${map.base.toString(16)}`)
    .replaceAll('$handle', `0x${map.handle.base.toString(16)}`);
  const image = imageOf(assemble(filled), { maps: [map], helpers });
  return engine.compile(image, memory, runStateOf(memory, [map]), UNTRUSTED);
}

describe.each([interpreter, wasmEngine, autoEngine])('a malicious program ($name)', (engine) => {
  it.each(CRIMES)('%s, and is stopped each time', (_name, text, kind) => {
    const cell = prison();
    const before = cell.snapshot();
    const program = compile(engine, text, cell);
    for (let attempt = 0; attempt < 6; attempt++) {
      expect(() => program.run(cell.ctx.base)).toThrow(expect.objectContaining({ kind }));
    }
    expect(cell.snapshot().equals(before)).toBe(true);
  });

  it('can still use what is its own afterwards', () => {
    const cell = prison();
    const evil = compile(engine, 'r0 = *(u64 *)(r1 +60)\nexit', cell);
    const good = compile(engine, 'r0 = *(u8 *)(r1 +63)\n*(u64 *)(r10 -8) = 7\nexit', cell);
    expect(() => evil.run(cell.ctx.base)).toThrow(BpfFault);
    expect(good.run(cell.ctx.base)).toBe(0xa5);
  });
});
