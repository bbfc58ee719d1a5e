/**
 * The engine that chooses: a program's first run is interpreted, because most programs of a command line run once and
 * compiling costs more than that; when it runs again it is compiled to WebAssembly. Where that is not allowed (a content
 * security policy) or fails, the program stays with the interpreter.
 */
import { BpfError } from '../errors.js';
import type { RunState } from '../helpers/run-state.js';
import type { BpfMemory } from '../memory/memory.js';
import type { Engine, EngineOptions, Executable, ProgramImage, Resumable } from './engine.js';
import { interpreter } from './interpreter.js';
import { compileWasm } from './jit/wasm-engine.js';

/** Interpreted runs of a program before it is compiled. */
const INTERPRETED_RUNS = 1;

export const autoEngine: Engine = {
  name: 'auto',
  compile: (image, memory, run, options) => {
    const interpreted = interpreter.compile(image, memory, run, options) as Resumable;
    // Only the interpreter stops at every instruction.
    if (options.step !== undefined) return interpreted;
    return new AutoProgram(interpreted, () => tryWasm(image, memory, run, options, interpreted));
  },
};

function tryWasm(
  image: ProgramImage,
  memory: BpfMemory,
  run: RunState,
  options: EngineOptions,
  interpreted: Resumable,
): Executable {
  try {
    return compileWasm(image, memory, run, options, interpreted);
  } catch (error) {
    if (error instanceof BpfError) return interpreted;
    throw error;
  }
}

class AutoProgram implements Executable {
  private current: Executable;
  private readonly compile: () => Executable;
  private runsLeft = INTERPRETED_RUNS;
  private isActive = false;

  constructor(interpreted: Executable, compile: () => Executable) {
    this.current = interpreted;
    this.compile = compile;
  }

  get resultHi(): number {
    return this.current.resultHi;
  }

  run(ctx: number): number {
    // Both forms use the same stack: the program does not change hands while it runs.
    if (this.runsLeft < 0 || this.isActive) return this.current.run(ctx);
    if (this.runsLeft-- === 0) {
      this.current = this.compile();
      return this.current.run(ctx);
    }
    return this.runInterpreted(ctx);
  }

  private runInterpreted(ctx: number): number {
    this.isActive = true;
    try {
      return this.current.run(ctx);
    } finally {
      this.isActive = false;
    }
  }

  enter(ctx: number): number {
    return this.current.enter(ctx);
  }
}
