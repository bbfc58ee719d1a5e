import { afterEach, describe, expect, it, vi } from 'vitest';
import { BpfMemory } from '../../../src/memory/memory.js';
import { autoEngine } from '../../../src/vm/auto-engine.js';
import { wasmEngine } from '../../../src/vm/jit/wasm-engine.js';
import { exit, imageOf, insn, join, runStateOf } from '../../lib/image.js';

/** r0 = r1 + 1, in three instructions. */
const increment = join(insn('mov64_reg', { dst: 0, src: 1 }), insn('add64_imm', { dst: 0, imm: 1 }), exit);
const OPTIONS = { checks: 'exact', fuel: 0 } as const;

function compile(engine = autoEngine) {
  const memory = new BpfMemory();
  return engine.compile(imageOf(increment), memory, runStateOf(memory), OPTIONS);
}

/** Counts the modules that are made, or refuses them all. */
function watchModules(refuse: boolean) {
  const { Module } = WebAssembly;
  const made = vi.fn();
  vi.stubGlobal('WebAssembly', {
    ...Object.fromEntries(
      Object.getOwnPropertyNames(WebAssembly).map((name) => [
        name,
        WebAssembly[name as keyof typeof WebAssembly],
      ]),
    ),
    Module: function (bytes: BufferSource) {
      made();
      if (refuse) throw new WebAssembly.CompileError('blocked by the content security policy');
      return new Module(bytes);
    },
  });
  return made;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('the engine that chooses', () => {
  it('interprets the first run and compiles for the second', () => {
    const made = watchModules(false);
    const program = compile();
    expect(program.run(41)).toBe(42);
    expect(made).not.toHaveBeenCalled();
    expect([program.run(1), program.run(2)]).toEqual([2, 3]);
    expect(made).toHaveBeenCalledTimes(1);
  });

  it('stays with the interpreter where WebAssembly may not be compiled', () => {
    const made = watchModules(true);
    const program = compile();
    expect([program.run(1), program.run(2), program.run(3)]).toEqual([2, 3, 4]);
    expect(made).toHaveBeenCalledTimes(1);
  });

  it('leaves it to the caller of the wasm engine to do so', () => {
    watchModules(true);
    expect(() => compile(wasmEngine)).toThrow(expect.objectContaining({ code: 'ERR_BPF_WASM_UNAVAILABLE' }));
  });
});
