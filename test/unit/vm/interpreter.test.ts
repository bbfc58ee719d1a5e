import { beforeAll, describe, expect, it } from 'vitest';
import type { FaultKind } from '../../../src/errors.js';
import { BpfFault } from '../../../src/errors.js';
import type { Helper } from '../../../src/helpers/proto.js';
import { ARG, RET } from '../../../src/helpers/proto.js';
import { FUNC_POINTER_BASE } from '../../../src/helpers/run-state.js';
import type { OpName } from '../../../src/isa/op.gen.js';
import { BpfMemory, RegionKind } from '../../../src/memory/memory.js';
import type { Engine, EngineOptions, Executable } from '../../../src/vm/engine.js';
import { interpreter } from '../../../src/vm/interpreter.js';
import { wasmEngine } from '../../../src/vm/jit/wasm-engine.js';
import type { Fields, ImageOptions } from '../../lib/image.js';
import { exit, imageOf, insn, join, load64, runStateOf } from '../../lib/image.js';

const EXACT: EngineOptions = { checks: 'exact', fuel: 0 };

/** The engine that the tests of a group run on. */
let engine: Engine = interpreter;

/** A group of tests, run on each engine. */
function onEveryEngine(title: string, body: () => void): void {
  describe.each([interpreter, wasmEngine])(`${title} ($name)`, (each) => {
    beforeAll(() => {
      engine = each;
    });
    body();
  });
}

interface Setup extends ImageOptions {
  readonly engine?: EngineOptions;
  readonly memory?: BpfMemory;
  readonly ctx?: number;
}

function load(parts: readonly Uint8Array[], setup: Setup = {}) {
  const memory = setup.memory ?? new BpfMemory();
  // Keeps the stack away from the NULL page, whose faults are called otherwise.
  if (memory.usedBytes <= 4096) memory.alloc(4096, RegionKind.Mem);
  const run = runStateOf(memory, setup.maps);
  const program = engine.compile(imageOf(join(...parts), setup), memory, run, setup.engine ?? EXACT);
  return { program, run, memory };
}

function result(parts: readonly Uint8Array[], setup: Setup = {}): bigint {
  const { program } = load(parts, setup);
  const lo = program.run(setup.ctx ?? 0);
  return (BigInt(program.resultHi >>> 0) << 32n) | BigInt(lo >>> 0);
}

function fault(parts: readonly Uint8Array[], setup: Setup = {}): BpfFault {
  try {
    load(parts, setup).program.run(setup.ctx ?? 0);
  } catch (error) {
    if (error instanceof BpfFault) return error;
    throw error;
  }
  throw new Error('no fault');
}

const EDGES = [0n, 1n, 2n, 7n, 31n, 32n, 33n, 63n, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn,
  0x1_0000_0000n, 0x1_0000_0001n, 0x1234_5678_9abc_def0n, 0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n,
  0x8000_0000_0000_0001n, 0xffff_ffff_8000_0000n, 0xffff_ffff_0000_0000n, 0xffff_ffff_ffff_fffen,
  0xffff_ffff_ffff_ffffn] as const; // prettier-ignore

const signed = (value: bigint, bits: number): bigint => BigInt.asIntN(bits, value);
type Pure = (a: bigint, b: bigint, bits: number) => bigint;
const PURE: Record<string, Pure> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0n ? 0n : a / b),
  mod: (a, b) => (b === 0n ? a : a % b),
  sdiv: (a, b, n) => (b === 0n ? 0n : signed(a, n) / signed(b, n)),
  smod: (a, b, n) => (b === 0n ? a : signed(a, n) % signed(b, n)),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  xor: (a, b) => a ^ b,
  mov: (_a, b) => b,
  lsh: (a, b, n) => a << (b % BigInt(n)),
  rsh: (a, b, n) => a >> (b % BigInt(n)),
  arsh: (a, b, n) => signed(a, n) >> (b % BigInt(n)),
};

onEveryEngine('arithmetic at the edges', () => {
  it.each(Object.keys(PURE).flatMap((name) => [32, 64].map((bits) => [name, bits] as const)))(
    '%s%i equals the same on BigInt for all pairs',
    (name, bits) => {
      const memory = new BpfMemory();
      for (const a of EDGES) {
        for (const b of EDGES) {
          const expected = BigInt.asUintN(
            bits,
            PURE[name](BigInt.asUintN(bits, a), BigInt.asUintN(bits, b), bits),
          );
          const op = insn(`${name}${bits}_reg` as OpName, { dst: 0, src: 1 });
          const got = result([load64(0, a), load64(1, b), op, exit], { memory });
          expect(`${a} ${name}${bits} ${b} = ${got}`).toBe(`${a} ${name}${bits} ${b} = ${expected}`);
        }
      }
    },
  );
});

onEveryEngine('conditions at the edges', () => {
  const COND: Record<string, Pure> = {
    jeq: (a, b) => BigInt(a === b),
    jne: (a, b) => BigInt(a !== b),
    jgt: (a, b) => BigInt(a > b),
    jge: (a, b) => BigInt(a >= b),
    jlt: (a, b) => BigInt(a < b),
    jle: (a, b) => BigInt(a <= b),
    jset: (a, b) => BigInt((a & b) !== 0n),
    jsgt: (a, b, n) => BigInt(signed(a, n) > signed(b, n)),
    jsge: (a, b, n) => BigInt(signed(a, n) >= signed(b, n)),
    jslt: (a, b, n) => BigInt(signed(a, n) < signed(b, n)),
    jsle: (a, b, n) => BigInt(signed(a, n) <= signed(b, n)),
  };
  it.each(Object.keys(COND).flatMap((name) => [32, 64].map((bits) => [name, bits] as const)))(
    '%s%i equals the same on BigInt for all pairs',
    (name, bits) => {
      const memory = new BpfMemory();
      for (const a of EDGES) {
        for (const b of EDGES) {
          const expected = COND[name](BigInt.asUintN(bits, a), BigInt.asUintN(bits, b), bits);
          const jump = insn(`${name}${bits}_reg` as OpName, { dst: 1, src: 2, off: 1 });
          const no = insn('mov64_imm', { dst: 0, imm: 0 });
          const got = result(
            [load64(1, a), load64(2, b), insn('mov64_imm', { dst: 0, imm: 1 }), jump, no, exit],
            { memory },
          );
          expect(`${a} ${name}${bits} ${b} = ${got}`).toBe(`${a} ${name}${bits} ${b} = ${expected}`);
        }
      }
    },
  );
});

onEveryEngine('unary operations', () => {
  const X = 0x8899_aabb_ccdd_eef0n;
  it.each<[OpName, Fields, bigint]>([
    ['neg64', {}, BigInt.asUintN(64, -X)],
    ['neg32', {}, BigInt.asUintN(32, -X)],
    ['le16', {}, 0xeef0n],
    ['le32', {}, 0xccdd_eef0n],
    ['le64', {}, X],
    ['be16', {}, 0xf0een],
    ['be32', {}, 0xf0ee_ddccn],
    ['be64', {}, 0xf0ee_ddcc_bbaa_9988n],
    ['bswap16', {}, 0xf0een],
    ['bswap32', {}, 0xf0ee_ddccn],
    ['bswap64', {}, 0xf0ee_ddcc_bbaa_9988n],
    ['movsx8to64', { src: 0 }, 0xffff_ffff_ffff_fff0n],
    ['movsx16to64', { src: 0 }, 0xffff_ffff_ffff_eef0n],
    ['movsx32to64', { src: 0 }, 0xffff_ffff_ccdd_eef0n],
    ['movsx8to32', { src: 0 }, 0xffff_fff0n],
    ['movsx16to32', { src: 0 }, 0xffff_eef0n],
    ['addr_space_cast', { src: 0, imm: 1 }, X],
    ['add64_imm', { imm: -1 }, X - 1n],
    ['mov32_imm', { imm: -1 }, 0xffff_ffffn],
    ['mov64_imm', { imm: -1 }, 0xffff_ffff_ffff_ffffn],
  ])('%s %j', (name, fields, expected) => {
    expect(result([load64(0, X), insn(name, { dst: 0, ...fields }), exit])).toBe(expected);
  });
});

onEveryEngine('memory', () => {
  it.each([8, 16, 32, 64])('stores and loads %i bits through the stack, aligned or not', (bits) => {
    const value = 0xf1e2_d3c4_b5a6_9788n;
    for (const off of [-8, -13]) {
      const store = insn(`stx${bits}` as OpName, { dst: 10, src: 1, off });
      const read = insn(`ldx${bits}` as OpName, { dst: 0, src: 10, off });
      expect(result([load64(1, value), store, read, exit])).toBe(BigInt.asUintN(bits, value));
      if (bits === 64) continue;
      const readSigned = insn(`ldxs${bits}` as OpName, { dst: 0, src: 10, off });
      expect(result([load64(1, value), store, readSigned, exit])).toBe(
        BigInt.asUintN(64, signed(value, bits)),
      );
    }
  });

  it('stores an immediate sign-extended to 64 bits', () => {
    const store = insn('st64', { dst: 10, off: -8, imm: -2 });
    expect(result([store, insn('ldx64', { dst: 0, src: 10, off: -8 }), exit])).toBe(0xffff_ffff_ffff_fffen);
  });

  const stack = (at: number) => insn('ldx64', { dst: 0, src: 10, off: at });
  it.each<[string, readonly Uint8Array[], FaultKind]>([
    ['below the stack', [stack(-520)], 'stack-overflow'],
    ['above the stack', [stack(8 * 512)], 'bad-address'],
    ['across its end', [stack(7 * 512 - 4)], 'bad-address'],
    ['NULL', [load64(1, 0n), insn('ldx8', { dst: 0, src: 1 })], 'null-pointer'],
    ['a wild pointer', [load64(1, 0x1_0000_1000n), insn('ldx8', { dst: 0, src: 1 })], 'bad-address'],
    ['a kernel pointer', [load64(1, -1n), insn('ldx8', { dst: 0, src: 1 })], 'bad-address'],
    ['an odd atomic', [insn('atomic_add32', { dst: 10, src: 0, off: -7 })], 'misaligned-atomic'],
  ])('faults at %s', (_name, parts, kind) => {
    const error = fault([...parts, exit]);
    expect(error.kind).toBe(kind);
    expect(error.fault.registers).toHaveLength(11);
  });

  it('faults where base and offset wrap past 2^64: the sum lies below every region', () => {
    const parts = [load64(1, -1n), insn('ldx32', { dst: 0, src: 1, off: 0x7fff }), exit];
    expect(fault(parts).fault.address).toBe(0x7ffen);
  });

  it('does not take a base that wraps in 32 bits for a good one', () => {
    const memory = new BpfMemory();
    const region = memory.alloc(8, RegionKind.Mem);
    const read = insn('ldx32', { dst: 0, src: 1, off: region.base + 1 });
    const { program } = load([insn('mov64_reg', { dst: 1, src: 1 }), read, exit], { memory });
    expect(() => program.run(-1)).toThrow(BpfFault);
  });

  it('checks again after a region was freed', () => {
    const memory = new BpfMemory();
    const region = memory.alloc(2048, RegionKind.Mem);
    const { program } = load([insn('ldx32', { dst: 0, src: 1 }), exit], { memory });
    expect(program.run(region.base)).toBe(0);
    memory.free(region);
    expect(() => program.run(region.base)).toThrow(expect.objectContaining({ kind: 'bad-address' }));
  });

  it('refuses to write what is read-only', () => {
    const memory = new BpfMemory();
    const region = memory.alloc(8, RegionKind.MapValue, { writable: false });
    const error = fault([insn('st8', { dst: 1, imm: 1 }), exit], { memory, ctx: region.base });
    expect(error.kind).toBe('read-only');
  });

  it('reads memory that grew during a helper', () => {
    const grow: Helper = {
      id: 1,
      name: 'grow',
      ret: RET.int,
      args: [],
      progTypes: 'all',
      state: 'full',
      fn: (run) => run.vm.memory.alloc(1 << 20, RegionKind.Mem).base,
    };
    const parts = [
      insn('call', { imm: 1 }),
      insn('st32', { dst: 0, off: 64, imm: 7 }),
      insn('ldx32', { dst: 0, src: 0, off: 64 }),
      exit,
    ];
    expect(result(parts, { helpers: [grow] })).toBe(7n);
  });
});

onEveryEngine('atomics', () => {
  const A = 0xffff_ffff_8000_0001n;
  const B = 0x0000_0001_8000_0003n;
  const u64 = (value: bigint) => BigInt.asUintN(64, value);
  it.each<[string, bigint]>([
    ['add', u64(A + B)],
    ['or', A | B],
    ['and', A & B],
    ['xor', A ^ B],
  ])('%s: 64 and 32 bits, with and without fetch', (name, full) => {
    const before = [load64(2, A), insn('stx64', { dst: 10, src: 2, off: -8 }), load64(3, B)];
    const at = { dst: 10, src: 3, off: -8 };
    const memory = insn('ldx64', { dst: 0, src: 10, off: -8 });
    const fetched = insn('mov64_reg', { dst: 0, src: 3 });
    const atomic = (form: string) => insn(`atomic_${form}` as OpName, at);
    const low = (A & 0xffff_ffff_0000_0000n) | (full & 0xffff_ffffn);
    expect(result([...before, atomic(`${name}64`), memory, exit])).toBe(full);
    expect(result([...before, atomic(`${name}32`), memory, exit])).toBe(low);
    expect(result([...before, atomic(`fetch_${name}64`), memory, exit])).toBe(full);
    expect(result([...before, atomic(`fetch_${name}64`), fetched, exit])).toBe(A);
    expect(result([...before, atomic(`fetch_${name}32`), fetched, exit])).toBe(A & 0xffff_ffffn);
  });

  it('xchg gives the old value and stores the new one', () => {
    const before = [load64(2, A), insn('stx64', { dst: 10, src: 2, off: -8 }), load64(3, B)];
    const swap = insn('atomic_xchg64', { dst: 10, src: 3, off: -8 });
    expect(result([...before, swap, insn('mov64_reg', { dst: 0, src: 3 }), exit])).toBe(A);
    expect(result([...before, swap, insn('ldx64', { dst: 0, src: 10, off: -8 }), exit])).toBe(B);
  });

  it.each([
    ['equal', A, B],
    ['different', A + 1n, A],
  ])('cmpxchg with an %s r0', (_name, r0, stored) => {
    const before = [load64(2, A), insn('stx64', { dst: 10, src: 2, off: -8 }), load64(3, B), load64(0, r0)];
    const swap = insn('atomic_cmpxchg64', { dst: 10, src: 3, off: -8 });
    expect(result([...before, swap, exit])).toBe(A);
    expect(result([...before, swap, insn('ldx64', { dst: 0, src: 10, off: -8 }), exit])).toBe(stored);
  });

  it('load-acquire and store-release move as many bytes as they say', () => {
    const parts = [
      load64(3, B),
      insn('st64', { dst: 10, off: -8, imm: 0 }),
      insn('atomic_store_rel16', { dst: 10, src: 3, off: -8 }),
      insn('atomic_load_acq64', { dst: 0, src: 10, off: -8 }),
      exit,
    ];
    expect(result(parts)).toBe(B & 0xffffn);
  });
});

onEveryEngine('subprograms', () => {
  // main: r6 = 5, r0 = f(r6) + r6; f: its own r6, its own stack
  const program = [
    insn('mov64_imm', { dst: 6, imm: 5 }),
    insn('st64', { dst: 10, off: -8, imm: 100 }),
    insn('mov64_reg', { dst: 1, src: 6 }),
    insn('call_sub', { imm: 4 }),
    insn('add64_reg', { dst: 0, src: 6 }),
    insn('ldx64', { dst: 1, src: 10, off: -8 }),
    insn('add64_reg', { dst: 0, src: 1 }),
    exit,
    insn('mov64_imm', { dst: 6, imm: 1000 }),
    insn('st64', { dst: 10, off: -8, imm: 7 }),
    insn('mov64_reg', { dst: 0, src: 1 }),
    exit,
  ];

  it('have their own stack and keep r6 to r9 of the caller', () => {
    expect(result(program)).toBe(110n);
  });

  it('counts the instructions of all frames', () => {
    const { program: loaded } = load(program);
    loaded.run(0);
    if (engine === interpreter) expect(loaded.insnsExecuted).toBe(12);
  });

  it('faults at the ninth frame', () => {
    expect(fault([insn('call_sub', { imm: -1 }), exit]).kind).toBe('call-depth');
  });

  it('runs 8 frames', () => {
    const down = [
      insn('mov64_imm', { dst: 1, imm: 7 }),
      insn('jeq64_imm', { dst: 1, imm: 0, off: 2 }),
      insn('add64_imm', { dst: 1, imm: -1 }),
      insn('call_sub', { imm: -3 }),
      insn('add64_imm', { dst: 0, imm: 1 }),
      exit,
    ];
    expect(result([insn('mov64_imm', { dst: 0, imm: 0 }), ...down])).toBe(8n);
  });
});

onEveryEngine('helpers', () => {
  const seen: number[][] = [];
  const helper = (id: number, more: Partial<Helper>): Helper => ({
    id,
    name: `helper_${id}`,
    ret: RET.int,
    args: [],
    progTypes: 'all',
    state: 'full',
    fn: (_run, ...args) => {
      seen.push(args);
      return 0;
    },
    ...more,
  });

  it('get one number for a u32 and two for a u64 argument', () => {
    seen.length = 0;
    const parts = [load64(1, 0x1_0000_0002n), load64(2, 0x3_0000_0004n), insn('call', { imm: 9 }), exit];
    result(parts, { helpers: [helper(9, { args: [ARG.u64, ARG.u32] })] });
    expect(seen).toEqual([[2, 1, 4]]);
  });

  it.each([
    ['s32', RET.int, -22, 0xffff_ffff_ffff_ffean],
    ['u32', RET.u32, -22, 0xffff_ffean],
    ['u64', RET.u64, 5, 0x7_0000_0005n],
    ['void', RET.void, 5, 0n],
  ] as const)('form r0 as the prototype says: %s', (_name, ret, value, expected) => {
    const fn: Helper['fn'] = (run) => {
      run.retHi = 7;
      return value;
    };
    expect(result([insn('call', { imm: 9 }), exit], { helpers: [helper(9, { ret, fn })] })).toBe(expected);
  });

  it.each<[string, Helper['args'], readonly Uint8Array[]]>([
    ['a context that is none', [ARG.ctx], [load64(1, 4096n)]],
    ['a map that is none', [ARG.map], [load64(1, 4096n)]],
    ['a size of 0', [ARG.memRead, ARG.size], [insn('mov64_reg', { dst: 1, src: 10 }), load64(2, 0n)]],
    [
      'a size beyond the stack',
      [ARG.memRead, ARG.size],
      [insn('mov64_reg', { dst: 1, src: 10 }), load64(2, 0x10000n)],
    ],
    ['a negative size', [ARG.memRead, ARG.size], [insn('mov64_reg', { dst: 1, src: 10 }), load64(2, -1n)]],
    ['NULL', [ARG.memRead, ARG.size], [load64(1, 0n), load64(2, 8n)]],
    ['a callback that is none', [ARG.func], [load64(1, 8n)]],
  ])('are not called with %s', (_name, args, parts) => {
    seen.length = 0;
    const error = fault([...parts, insn('call', { imm: 9 }), exit], { helpers: [helper(9, { args })] });
    expect(error.kind).toBe('bad-helper-argument');
    expect(seen).toEqual([]);
  });

  it('call back into a subprogram, which has its own frame', () => {
    const loop = helper(181, {
      args: [ARG.u32, ARG.func, ARG.stackOrNull, ARG.u64],
      fn: (run, count, fn, ctx) => {
        for (let i = 0; i < count; i++) if (run.callback(fn, [i, 0, ctx, 0]) !== 0) return i + 1;
        return count;
      },
    });
    const parts = [
      insn('st64', { dst: 10, off: -8, imm: 0 }),
      insn('mov64_imm', { dst: 6, imm: 3 }),
      insn('mov64_imm', { dst: 1, imm: 10 }),
      insn('lddw_func', { dst: 2, imm: 7 }),
      insn('mov64_reg', { dst: 3, src: 10 }),
      insn('mov64_imm', { dst: 4, imm: 0 }),
      insn('call', { imm: 181 }),
      insn('ldx64', { dst: 0, src: 10, off: -8 }),
      insn('add64_reg', { dst: 0, src: 6 }),
      exit,
      // callback(i, ctx): *(ctx - 8) += i
      insn('mov64_imm', { dst: 6, imm: 1000 }),
      insn('ldx64', { dst: 3, src: 2, off: -8 }),
      insn('add64_reg', { dst: 3, src: 1 }),
      insn('stx64', { dst: 2, src: 3, off: -8 }),
      insn('mov64_imm', { dst: 0, imm: 0 }),
      exit,
    ];
    const { program } = load(parts, { helpers: [loop] });
    expect(program.run(0)).toBe(48);
    if (engine === interpreter) expect(program.insnsExecuted).toBe(10 + 10 * 6);
  });

  it.each<[string, readonly Uint8Array[], FaultKind]>([
    ['an unknown helper', [insn('call', { imm: 77 })], 'unknown-helper'],
    ['an unknown kfunc', [insn('call_kfunc', { imm: 77 })], 'unknown-helper'],
    ['a call through a register', [insn('callx', { dst: 1 })], 'bad-call-target'],
  ])('%s is a fault', (_name, parts, kind) => {
    expect(fault([...parts, exit]).kind).toBe(kind);
  });

  it('kfuncs are called by their BTF id', () => {
    const kfuncs = new Map([[77, helper(0, { fn: () => 5 })]]);
    expect(result([insn('call_kfunc', { imm: 77 }), exit], { kfuncs })).toBe(5n);
  });

  it('a function pointer is FUNC_POINTER_BASE plus the slot', () => {
    expect(result([insn('lddw_func', { dst: 0, imm: 2 }), exit, exit])).toBe(BigInt(FUNC_POINTER_BASE + 3));
  });
});

onEveryEngine('fuel and budgets', () => {
  const forever = insn('ja', { off: -1 });

  it('stops an endless loop', () => {
    const error = fault([forever, exit], { engine: { checks: 'exact', fuel: 1000 } });
    expect([error.kind, error.pc]).toEqual(['out-of-fuel', 0]);
  });

  it('does not stop a program that needs just that much', () => {
    const parts = [
      insn('mov64_imm', { dst: 0, imm: 100 }),
      insn('add64_imm', { dst: 0, imm: -1 }),
      insn('jne64_imm', { dst: 0, imm: 0, off: -2 }),
      exit,
    ];
    const { program } = load(parts, { engine: { checks: 'exact', fuel: 202 } });
    expect(program.run(0)).toBe(0);
    if (engine === interpreter) expect(program.insnsExecuted).toBe(202);
  });

  it('may_goto leaves its loop after 8M rounds', () => {
    const parts = [
      insn('mov64_imm', { dst: 0, imm: 0 }),
      insn('may_goto', { off: 2 }),
      insn('add64_imm', { dst: 0, imm: 1 }),
      insn('ja', { off: -3 }),
      exit,
    ];
    expect(result(parts)).toBe(8n * 1024n * 1024n);
  });
});

onEveryEngine('tail calls', () => {
  const memory = new BpfMemory();
  const run = runStateOf(memory);
  const programs: Executable[] = [];
  const tailCall: Helper = {
    id: 12,
    name: 'bpf_tail_call',
    ret: RET.void,
    args: [ARG.ctx, ARG.u32],
    progTypes: 'all',
    state: 'full',
    fn: (_run, _ctx, index) => {
      run.tailCall = index in programs ? { compiled: programs[index] } : null;
      return 0;
    },
  };
  const compile = (...parts: readonly Uint8Array[]) =>
    engine.compile(imageOf(join(...parts), { helpers: [tailCall] }), memory, run, EXACT);
  const callTo = (index: number) =>
    join(insn('mov64_imm', { dst: 2, imm: index }), insn('call', { imm: 12 }));
  const ctx = memory.alloc(8, RegionKind.Ctx).base;

  it('take the place of the caller, with its context', () => {
    programs[0] = compile(insn('ldx32', { dst: 0, src: 1 }), exit);
    memory.view.setUint32(ctx, 99, true);
    const caller = compile(callTo(0), insn('mov64_imm', { dst: 0, imm: 1 }), exit);
    expect(caller.run(ctx)).toBe(99);
  });

  it('to an empty slot do nothing', () => {
    expect(compile(callTo(7), insn('mov64_imm', { dst: 0, imm: 1 }), exit).run(ctx)).toBe(1);
  });

  it('from a subprogram return to its caller, whose registers are kept', () => {
    programs[0] = compile(
      insn('mov64_imm', { dst: 6, imm: 1000 }),
      insn('mov64_imm', { dst: 0, imm: 5 }),
      exit,
    );
    const caller = compile(
      insn('mov64_imm', { dst: 6, imm: 7 }),
      insn('call_sub', { imm: 2 }),
      insn('add64_reg', { dst: 0, src: 6 }),
      exit,
      callTo(0),
      exit,
    );
    expect(caller.run(ctx)).toBe(12);
  });

  it('end after 33 of them: a program that calls itself runs 34 times', () => {
    memory.view.setUint32(ctx, 0, true);
    programs[1] = compile(
      insn('mov64_reg', { dst: 6, src: 1 }),
      insn('ldx32', { dst: 7, src: 6 }),
      insn('add64_imm', { dst: 7, imm: 1 }),
      insn('stx32', { dst: 6, src: 7 }),
      callTo(1),
      insn('ldx32', { dst: 0, src: 6 }),
      exit,
    );
    expect(programs[1].run(ctx)).toBe(34);
    expect(programs[1].run(ctx)).toBe(68);
  });
});

onEveryEngine('legacy packet loads', () => {
  const packet = Uint8Array.of(1, 2, 3, 4, 5, 6);
  function loadPacket(name: OpName, fields: Fields): bigint {
    const memory = new BpfMemory();
    const { program, run } = load(
      [
        insn('mov64_imm', { dst: 7, imm: 1 }),
        insn('mov64_imm', { dst: 0, imm: 9 }),
        insn(name, fields),
        exit,
      ],
      { memory },
    );
    const absent = () => -1;
    run.skb = {
      len: packet.length,
      loadBytes: (offset, to, size) => {
        if (offset < 0 || offset + size > packet.length) return -14;
        memory.u8.set(packet.subarray(offset, offset + size), to);
        return 0;
      },
      storeBytes: absent,
      pullData: absent,
      changeTail: absent,
      changeHead: absent,
      adjustRoom: absent,
      redirect: null,
    };
    const lo = program.run(0);
    return (BigInt(program.resultHi >>> 0) << 32n) | BigInt(lo >>> 0);
  }

  it.each<[OpName, Fields, bigint]>([
    ['ldabs8', { imm: 5 }, 6n],
    ['ldabs16', { imm: 1 }, 0x0203n],
    ['ldabs32', { imm: 2 }, 0x03040506n],
    ['ldind8', { imm: 1, src: 7 }, 3n],
    ['ldind16', { imm: 1, src: 7 }, 0x0304n],
    ['ldind32', { imm: 1, src: 7 }, 0x03040506n],
    ['ldabs32', { imm: 3 }, 0n],
  ])('%s %j', (name, fields, expected) => {
    expect(loadPacket(name, fields)).toBe(expected);
  });
});

describe('the step hook', () => {
  beforeAll(() => {
    engine = interpreter;
  });

  it('sees each instruction before it runs, with its registers', () => {
    const steps: string[] = [];
    const step: EngineOptions['step'] = (view) => void steps.push(`${view.pc}: r0=${view.register(0)}`);
    const parts = [
      load64(0, 3n),
      insn('add64_imm', { dst: 0, imm: -1 }),
      insn('jne64_imm', { dst: 0, imm: 0, off: -2 }),
      exit,
    ];
    const { program } = load(parts, { engine: { ...EXACT, step } });
    program.run(0);
    expect(steps.slice(1)).toEqual([
      '2: r0=3',
      '3: r0=2',
      '2: r0=2',
      '3: r0=1',
      '2: r0=1',
      '3: r0=0',
      '4: r0=0',
    ]);
    expect(program.insnsExecuted).toBe(8);
  });
});
