import { describe, expect, it } from 'vitest';
import { assemble } from '../../../../src/isa/asm.js';
import { encodeOps } from '../../../../src/isa/encode.js';
import type { OpFields } from '../../../../src/isa/encode.js';
import { decode } from '../../../../src/isa/decode.js';
import { Op } from '../../../../src/isa/op.gen.js';
import { BpfMemory } from '../../../../src/memory/memory.js';
import type { Engine } from '../../../../src/vm/engine.js';
import { interpreter } from '../../../../src/vm/interpreter.js';
import { buildFlow } from '../../../../src/vm/jit/flow.js';
import { wasmEngine } from '../../../../src/vm/jit/wasm-engine.js';
import { imageOf, runStateOf } from '../../../lib/image.js';

function run(engine: Engine, bytes: Uint8Array, ctx: number): bigint {
  const memory = new BpfMemory();
  const program = engine.compile(imageOf(bytes), memory, runStateOf(memory), {
    checks: 'exact',
    fuel: 10_000_000,
  });
  const low = program.run(ctx);
  return BigInt.asUintN(64, (BigInt(program.resultHi) << 32n) | BigInt(low >>> 0));
}

const row = (op: Op, fields: Partial<OpFields> = {}): OpFields => ({
  op,
  dst: 0,
  src: 0,
  off: 0,
  imm: 0,
  ...fields,
});
const add = row(Op.add64_imm, { imm: 1 });
const start = row(Op.mov64_reg, { src: 1 });
const exit = row(Op.exit);
const many = (count: number, make: (i: number) => readonly OpFields[]): OpFields[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat();

/** r0 starts as r1; the programs are run for several values of it. */
const SHAPES: Readonly<Record<string, () => OpFields[]>> = {
  'one block': () => [start, ...many(50, () => [add]), exit],
  'a row of if-else': () => [
    start,
    ...many(300, (i) => [
      row(Op.jgt64_imm, { imm: i, off: 2 }),
      add,
      row(Op.ja, { off: 1 }),
      row(Op.mul64_imm, { imm: 3 }),
    ]),
    exit,
  ],
  'ifs inside one another': () => [
    start,
    ...many(500, (i) => [row(Op.jgt64_imm, { imm: 1000 - i, off: 1000 - 2 * i - 1 }), add]),
    add,
    exit,
  ],
  'many early exits': () => [
    start,
    ...many(500, (i) => [
      row(Op.jne64_imm, { imm: 2 * i, off: 2 }),
      row(Op.mov64_imm, { imm: i }),
      exit,
      add,
    ]),
    exit,
  ],
  'many jumps to one exit': () => [
    start,
    ...many(500, (i) => [row(Op.jeq64_imm, { imm: 3 * i, off: 2 * (500 - i) - 1 }), add]),
    exit,
  ],
  'loops one after the other': () => [
    start,
    ...many(300, (i) => [add, row(Op.jlt64_imm, { imm: 3 * i, off: -2 })]),
    exit,
  ],
  'loops inside one another': () => [
    start,
    ...many(150, () => [add]),
    ...many(150, (i) => [row(Op.jlt64_imm, { imm: 500, off: -2 * i - 2 }), add]),
    exit,
  ],
  'more loops inside one another than are worth structuring': () => [
    start,
    ...many(400, () => [add]),
    ...many(400, (i) => [row(Op.jlt64_imm, { imm: 1200, off: -2 * i - 2 }), add]),
    exit,
  ],
};

const TEXTS: Readonly<Record<string, string>> = {
  'a loop entered in its middle': 'r0 = r1\nif r1 == 3 goto b\na: r0 += 1\nb: r0 += 2\nif r0 < 50 goto a\nexit',
  'two loops that share blocks': 'r0 = r1\nif r1 & 1 goto b\na: r0 += 1\nif r0 > 90 goto e\nb: r0 += 2\nif r0 & 4 goto a\nif r0 < 80 goto b\ngoto a\ne: exit',
  'a loop left from three places': 'r0 = r1\na: r0 += 3\nif r0 == 33 goto x\nif r0 == 34 goto y\nif r0 < 100 goto a\nr0 = 7\nexit\nx: r0 = 8\nexit\ny: r0 += 900\nexit',
  'a loop that begins the program': 'a: r1 += 1\nif r1 < 20 goto a\nr0 = r1\nexit',
  'a block behind an inner loop, inside the outer one': 'r0 = r1\na: r2 = 0\nb: r2 += 1\nif r2 < 5 goto b\nr0 += r2\nif r0 < 60 goto a\nexit',
  'a jump to the next instruction': 'r0 = r1\nif r0 == 0 goto +0\nr0 += 1\nexit',
  'a condition that leads to one block both ways': 'r0 = r1\nif r0 s< 5 goto a\na: r0 += 1\nexit',
  'code that nothing reaches': 'r0 = r1\ngoto b\na: r0 += 1\ngoto a\nb: r0 += 2\nexit',
  'a loop whose only way out is in the middle': 'r0 = r1\na: r0 += 1\nif r0 > 40 goto b\nr0 += 1\ngoto a\nb: exit',
}; // prettier-ignore

const PROGRAMS: readonly (readonly [string, Uint8Array])[] = [
  ...Object.entries(SHAPES).map(([name, make]) => [name, encodeOps(make())] as const),
  ...Object.entries(TEXTS).map(([name, text]) => [name, assemble(text)] as const),
];

describe('control flow in WebAssembly', () => {
  it.each(PROGRAMS)('does what the interpreter does: %s', (_name, bytes) => {
    for (const ctx of [0, 1, 2, 3, 5, 33, 77, 1000]) {
      expect(run(wasmEngine, bytes, ctx), `r1 = ${ctx}`).toBe(run(interpreter, bytes, ctx));
    }
  });

  it('takes a program of 500,000 instructions, branches and loops included', () => {
    const count = 500_000;
    const list = [start];
    while (list.length < count - 8) {
      list.push(
        row(Op.jeq64_imm, { imm: 1 << 20, off: 1 }),
        add,
        add,
        add,
        row(Op.jset64_imm, { imm: 1 << 30, off: -2 }),
        add,
        add,
        add,
      );
    }
    const bytes = encodeOps([...list, exit]);
    expect(run(wasmEngine, bytes, 0)).toBe(run(interpreter, bytes, 0));
  });
});

describe('the control-flow graph', () => {
  const flowOf = (text: string) => {
    const insns = decode(assemble(text));
    return buildFlow(insns, 0, insns.length);
  };

  it('numbers blocks in reverse postorder and leaves unreachable ones out', () => {
    const flow = flowOf(TEXTS['code that nothing reaches']);
    expect([...flow.start]).toEqual([0, 4]);
    expect([...flow.next]).toEqual([1, -1]);
  });

  it('finds dominators and the loop of each block', () => {
    const flow = flowOf(TEXTS['a block behind an inner loop, inside the outer one']);
    expect([...flow.start]).toEqual([0, 1, 2, 4, 6]);
    expect([...flow.idom]).toEqual([-1, 0, 1, 2, 3]);
    expect([...flow.isHeader]).toEqual([0, 1, 1, 0, 0]);
    expect([...flow.loop]).toEqual([-1, -1, 1, 1, -1]);
  });

  it.each(['a loop entered in its middle', 'two loops that share blocks'])(
    'tells irreducible flow: %s',
    (name) => {
      expect(flowOf(TEXTS[name]).irreducible).toBe(true);
    },
  );

  it('refuses a jump out of the subprogram', () => {
    const insns = decode(assemble('r0 = 0\ngoto +5\nexit'));
    expect(() => buildFlow(insns, 0, insns.length)).toThrow(
      expect.objectContaining({ code: 'ERR_BPF_JIT_TARGET' }),
    );
  });
});
