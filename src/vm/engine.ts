/** The interface that both engines implement, and what they are given to run. */
import type { Helper } from '../helpers/proto.js';
import type { RunState } from '../helpers/run-state.js';
import type { DecodedProgram } from '../isa/insn.js';
import type { BpfMap } from '../maps/map.js';
import type { BpfMemory } from '../memory/memory.js';
import type { ProgType } from '../progs/prog-types.js';

/** A program ready to run: relocated, checked. Plain data; engines compile it. */
export interface ProgramImage {
  readonly name: string;
  readonly progType: ProgType;
  /**
   * lddw_map_fd: imm is the id of a map in `maps`. lddw_map_value: likewise, immHi the offset into the value.
   * lddw_func, call_sub: `target` is the slot of the subprogram.
   */
  readonly insns: DecodedProgram;
  /** First slots of the subprograms, ascending, 0 first. */
  readonly subprogs: readonly number[];
  /** First slot of the subprogram that runs when the program throws (`__exception_cb`). */
  readonly exceptionCallback?: number;
  readonly maps: ReadonlyMap<number, BpfMap>;
  /** Helpers that the program may call, by id. */
  readonly helpers: ReadonlyMap<number, Helper>;
  /** Kernel functions that the program may call, by the imm of `call_kfunc`. */
  readonly kfuncs?: ReadonlyMap<number, Helper>;
  /** Per slot: 1 where the verifier proved the memory access; absent for unverified programs. */
  readonly proved?: Uint8Array;
  /** `file.c:12: text` of a slot, where the object has line information. */
  readonly sourceLine?: (pc: number) => string | undefined;
}

/**
 * `proved`: accesses that the verifier proved are not checked, all others exactly. `exact`: every access is checked
 * against its region (unverified programs, and sanitize runs). `off`: nothing is checked, only for measuring.
 */
export type CheckMode = 'proved' | 'exact' | 'off';

export interface EngineOptions {
  readonly checks: CheckMode;
  /**
   * Upper bound of work for unverified programs: instructions for the interpreter, loop iterations and calls for
   * wasm; when it is used up the run faults with `out-of-fuel`. 0: unlimited.
   */
  readonly fuel: number;
  /** Called before each instruction, by the interpreter only. */
  readonly step?: StepHook;
}

/** A stopped program, valid during the call of the hook. */
export interface StepView {
  /** Slot of the instruction that comes next. */
  readonly pc: number;
  /** Number of the frame: 0 is the program's entry. */
  readonly depth: number;
  /** r0..r10, 64 bits unsigned. */
  register(index: number): bigint;
}

export type StepHook = (view: StepView) => void;

/** One program compiled by one engine. Not reentrant but through `RunState.callback`. */
export interface Executable {
  /**
   * Runs with r1 = `ctx` (an address). Returns the low word of r0 as a signed 32-bit integer; `resultHi` is the high
   * word afterwards.
   * @throws BpfFault
   */
  run(ctx: number): number;
  readonly resultHi: number;
  /** Instructions executed by the last run, where the engine counts them (the interpreter does). */
  readonly insnsExecuted?: number;
  /** Runs as the target of a tail call: like `run`, but in the run that is under way, whose counts go on. */
  enter(ctx: number): number;
}

/** What bpf_tail_call leaves in `RunState.tailCall`; the engine that runs the caller enters it. */
export interface TailCallTarget {
  readonly compiled: Executable;
}

/**
 * An executable that can take over a frame in its middle. Generated code hands its rare and faulting cases to the
 * interpreter this way, so that both engines do and report the same.
 */
export interface Resumable extends Executable {
  /**
   * Runs from slot `pc` to the exit of the frame whose lowest stack byte is at `frameBase`, in the stack of `run`.
   * `registers` holds r0..r9 as pairs of low and high word. Returns the low word of r0; the high word is `resultHi`.
   * @throws BpfFault
   */
  resume(pc: number, registers: Int32Array, frameBase: number): number;
  /** Base of frame 0; frame n lies STACK_FRAME_SIZE * n above it. */
  readonly stackBase: number;
}

export interface Engine {
  readonly name: 'auto' | 'interpreter' | 'wasm';
  /** @throws BpfError where this engine cannot run it. */
  compile(image: ProgramImage, memory: BpfMemory, run: RunState, options: EngineOptions): Executable;
}

export const MAX_CALL_FRAMES = 8;
export const STACK_FRAME_SIZE = 512;
export const MAX_TAIL_CALLS = 33;
