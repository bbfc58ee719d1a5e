/** The WebAssembly engine: compiles a program to a module and runs it; what it leaves out the interpreter does. */
import { BpfError } from '../../errors.js';
import type { RunState } from '../../helpers/run-state.js';
import { RegionKind, type BpfMemory, type Region } from '../../memory/memory.js';
import type { Engine, EngineOptions, Executable, ProgramImage, Resumable } from '../engine.js';
import { MAX_CALL_FRAMES, STACK_FRAME_SIZE } from '../engine.js';
import { programFault } from '../faults.js';
import { functionsOf } from '../helper-args.js';
import { interpreter } from '../interpreter.js';
import { Control, CONTROL_SIZE, OUT_OF_FUEL } from './control.js';
import type { HostContext } from './host.js';
import { helperImport, loadPacketImport } from './host.js';
import { Learner } from './learner.js';
import type { CompiledModule } from './module.js';
import { callbackExport, compileModule, ENTRY_EXPORT, IMPORT_MODULE, MEMORY_IMPORT } from './module.js';
import { slotOfPointer } from './subprog.js';

/** Whether this platform lets WebAssembly modules be made from bytes (a content security policy may not). */
export function canCompileWasm(): boolean {
  try {
    // The smallest module: magic number and version.
    return (
      new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)) instanceof WebAssembly.Module
    );
  } catch {
    return false;
  }
}

export const wasmEngine: Engine = {
  name: 'wasm',
  compile: (image, memory, run, options) =>
    compileWasm(image, memory, run, options, interpreter.compile(image, memory, run, options) as Resumable),
};

/**
 * Compiles for WebAssembly. `fallback` is the same program interpreted; both share its stack.
 * @throws BpfError `ERR_BPF_WASM_UNAVAILABLE` where the platform refuses to compile the module.
 */
export function compileWasm(
  image: ProgramImage,
  memory: BpfMemory,
  run: RunState,
  options: EngineOptions,
  fallback: Resumable,
): Executable {
  return new WasmProgram(image, memory, run, options, fallback);
}

class WasmProgram implements Executable {
  private readonly image: ProgramImage;
  private readonly memory: BpfMemory;
  private readonly runState: RunState;
  private readonly options: EngineOptions;
  private readonly fallback: Resumable;
  private readonly stack: Region;
  private readonly control: number;
  private readonly resultIndex: number;
  private readonly callback: RunState['callback'];
  private readonly host: HostContext;
  private readonly learner: Learner;
  private entry!: (ctx: number) => number;
  /** The program again, with a stack of its own. */
  private nested: WasmProgram | undefined;
  private isActive = false;
  private callbacks = new Map<number, () => number>();

  constructor(
    image: ProgramImage,
    memory: BpfMemory,
    run: RunState,
    options: EngineOptions,
    fallback: Resumable,
  ) {
    this.image = image;
    this.memory = memory;
    this.runState = run;
    this.options = options;
    this.fallback = fallback;
    this.stack = memory.find(fallback.stackBase)!;
    this.control = memory.alloc(CONTROL_SIZE, RegionKind.Handle, {
      label: '',
    }).base;
    this.resultIndex = (this.control + Control.result) >> 2;
    this.learner = new Learner(image, memory);
    this.host = {
      memory,
      run,
      control: this.control,
      checksArgs: options.checks === 'exact' || (options.checks === 'proved' && image.proved === undefined),
      isFunction: functionsOf(image.subprogs),
      packetMoved: () => {
        this.learner.prepare(run.ctx);
      },
    };
    this.callback = (fn, args) => this.callBack(fn, args);
    this.leaveFrames();
    this.build();
  }

  get resultHi(): number {
    return this.memory.i32[this.resultIndex + 1];
  }

  run(ctx: number): number {
    const run = this.runState;
    run.ctx = ctx;
    run.tailCall = null;
    run.tailCalls = 0;
    run.insns = 0;
    return this.enter(ctx);
  }

  enter(ctx: number): number {
    this.runState.callback = this.callback;
    const { isActive } = this;
    if (isActive && this.memory.i32[(this.control + Control.frame) >> 2] > this.stack.base) {
      return this.enterNested(ctx);
    }
    if (this.learner.isOutdated(ctx)) {
      this.learner.prepare(ctx);
      // Code that is under way shares the control block with what a new module would make of it.
      if (this.learner.wantsRebuild && !isActive) this.build();
    }
    this.isActive = true;
    try {
      return this.entry(ctx);
    } catch (error) {
      throw error instanceof WebAssembly.RuntimeError ? this.strayAccess(error) : error;
    } finally {
      this.isActive = isActive;
      if (!isActive) this.leaveFrames();
    }
  }

  /** Nothing is under way: a callback (after bpf_throw) would run in frame 0. */
  private leaveFrames(): void {
    this.memory.i32[(this.control + Control.frame) >> 2] = this.stack.base - STACK_FRAME_SIZE;
  }

  /** A tail call from a subprogram leaves the frames below it alive, also where the program calls itself. */
  private enterNested(ctx: number): number {
    const { image, memory, runState, options } = this;
    if (this.nested === undefined) {
      const fallback = interpreter.compile(image, memory, runState, options) as Resumable;
      this.nested = new WasmProgram(image, memory, runState, options, fallback);
    }
    const low = this.nested.enter(ctx);
    memory.i32[this.resultIndex] = low;
    memory.i32[this.resultIndex + 1] = this.nested.resultHi;
    return low;
  }

  /** Compiles and instantiates, with what earlier runs taught. */
  private build(): void {
    const { memory, control, stack, learner } = this;
    const compiled = compileModule(this.image, { memory, stack, control }, this.options, {
      distrusted: learner.distrusted,
    });
    learner.adopt(compiled);
    const exports = this.instantiate(compiled);
    this.entry = exports[ENTRY_EXPORT];
    this.callbacks = new Map(
      compiled.callbacks.map((slot) => [slot, exports[callbackExport(slot)] as () => number]),
    );
  }

  private instantiate(compiled: CompiledModule): Record<string, (ctx: number) => number> {
    const imports: WebAssembly.ModuleImports = {
      [MEMORY_IMPORT]: this.memory.wasm,
      resume: (frame: number, pc: number) => this.resume(frame, pc),
      check: (low: number, high: number, kind: number, slot: number) =>
        this.learner.check(low, high, kind, slot),
      load_packet: loadPacketImport(this.host),
    };
    for (const { name, helper } of compiled.helpers) imports[name] = helperImport(this.host, helper);
    try {
      const module = new WebAssembly.Module(compiled.bytes);
      return new WebAssembly.Instance(module, { [IMPORT_MODULE]: imports }).exports as Record<
        string,
        (ctx: number) => number
      >;
    } catch (cause) {
      throw new BpfError('ERR_BPF_WASM_UNAVAILABLE', `${this.image.name}: not compiled to WebAssembly`, {
        hint: 'use the interpreter',
        cause,
      });
    }
  }

  /** The import that takes over a frame: r0..r9 are in the control block. Leaves r0 there. */
  private resume(frame: number, pc: number): number {
    const { memory, control, fallback } = this;
    const at = (control + Control.registers) >> 2;
    const registers = memory.i32.subarray(at, at + 20);
    if ((pc & OUT_OF_FUEL) !== 0) throw this.outOfFuel(pc & ~OUT_OF_FUEL, registers, frame);
    this.learner.missed(pc, registers);
    const { insns } = this.runState;
    const frameIndex = (control + Control.frame) >> 2;
    const callerFrame = memory.i32[frameIndex];
    // A tail call that the interpreter makes may come out of a subprogram.
    memory.i32[frameIndex] = this.stack.base + STACK_FRAME_SIZE;
    const low = fallback.resume(pc, registers, frame);
    const { i32 } = memory;
    i32[frameIndex] = callerFrame;
    i32[this.resultIndex] = low;
    i32[this.resultIndex + 1] = fallback.resultHi;
    // What the interpreter did is paid here: else a program that goes astray often would run far beyond its limit.
    const fuel = (control + Control.fuel) >> 2;
    i32[fuel] = Math.max(i32[fuel] - (this.runState.insns - insns), -1);
    return low;
  }

  private outOfFuel(pc: number, words: Int32Array, frame: number) {
    const registers = Array.from({ length: 10 }, (_, r) =>
      BigInt.asUintN(64, (BigInt(words[2 * r + 1]) << 32n) | BigInt(words[2 * r] >>> 0)),
    );
    registers.push(BigInt(frame + STACK_FRAME_SIZE));
    return programFault(this.image, {
      kind: 'out-of-fuel',
      pc,
      registers,
      detail: `limit of ${this.options.fuel} loop iterations and calls`,
    });
  }

  /** `RunState.callback`: runs a subprogram in the frame above that of the code that called the helper. */
  private callBack(fn: number, args: readonly number[]): number {
    const { memory, control, image } = this;
    const slot = slotOfPointer(fn);
    const call = this.callbacks.get(slot);
    if (call === undefined) {
      const detail = `callback 0x${(fn >>> 0).toString(16)}`;
      throw programFault(image, { kind: 'bad-call-target', pc: 0, detail });
    }
    const { i32 } = memory;
    const frame = i32[(control + Control.frame) >> 2];
    if (frame >= this.stack.base + STACK_FRAME_SIZE * (MAX_CALL_FRAMES - 1)) {
      const detail = `more than ${MAX_CALL_FRAMES} frames`;
      throw programFault(image, { kind: 'call-depth', pc: slot, detail });
    }
    if (this.options.fuel > 0 && --i32[(control + Control.fuel) >> 2] < 0) {
      throw this.outOfFuel(slot, new Int32Array(20), frame + STACK_FRAME_SIZE);
    }
    const at = (control + Control.callbackArgs) >> 2;
    for (let i = 0; i < args.length; i++) i32[at + i] = args[i];
    const low = call();
    memory.i32[(control + Control.frame) >> 2] = frame;
    this.runState.retHi = this.resultHi;
    return low;
  }

  /** An access that was not checked left the memory altogether; only a wrong proof leads here. */
  private strayAccess(cause: WebAssembly.RuntimeError) {
    const detail = `an unchecked access left the address space: ${cause.message}`;
    return programFault(this.image, { kind: 'bad-address', pc: -1, detail });
  }
}
