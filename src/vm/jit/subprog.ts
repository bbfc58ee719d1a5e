/** Writes one subprogram as a wasm function body. */
import { Op } from '../../isa/op.gen.js';
import { FUNC_POINTER_BASE } from '../../helpers/run-state.js';
import { STACK_FRAME_SIZE } from '../engine.js';
import { Control } from './control.js';
import { guessResult } from './emit-call.js';
import { EMITTERS } from './emitters.js';
import type { Flow } from './flow.js';
import type { SubprogInfo, Target } from './generator.js';
import { Generator, I32_LOCALS } from './generator.js';
import { writtenBy } from './liveness.js';
import { Predictor } from './predict.js';
import type { BlockEmitter } from './structure.js';
import { emitDispatch, emitStructured, Labels } from './structure.js';
import type { WasmBuilder } from './wasm-builder.js';
import { Wasm, WasmType } from './wasm-ops.js';

/** What is guessed of r0..r9 where a subprogram begins, collected from its callers. */
export type EntryGuesses = Map<number, Uint16Array>;

/** Locals: i32 ones, then i64 ones. The entry has no frame parameter, and its context is the first. */
function declareLocals(b: WasmBuilder, i64Locals: number): void {
  b.u32(2);
  b.u32(I32_LOCALS);
  b.byte(WasmType.I32);
  b.u32(i64Locals);
  b.byte(WasmType.I64);
}

const CALLS_READ: ReadonlySet<number> = new Set([Op.call, Op.call_kfunc, Op.call_sub, Op.callx]);

function blockEmitter(g: Generator, flow: Flow, guesses: EntryGuesses): BlockEmitter {
  const { insns, predict, hulls } = g;
  const { op } = insns;

  const instruction = (pc: number): void => {
    const written = writtenBy(insns, pc);
    if ((written & 0x400) !== 0) {
      g.exit(pc);
      return;
    }
    const isCall = CALLS_READ.has(op[pc]);
    if (op[pc] === Op.call_sub) noteGuesses(guesses, insns.target[pc], predict.guess);
    const result = isCall ? guessResult(g, pc) : 0;
    EMITTERS[op[pc]](g, pc);
    predict.step(pc, result);
    for (let rest = written, r = 0; rest !== 0; rest >>= 1, r++) if ((rest & 1) !== 0) hulls.forget(r);
  };

  const hand = (block: number, to: number): void => {
    if (to <= block) return;
    const isOnly = flow.forwardPreds[to] === 1 && flow.isHeader[to] === 0;
    predict.leave(to, isOnly);
    if (isOnly) hulls.leave(to);
  };

  return {
    body: (block) => {
      const end = flow.taken[block] >= 0 ? flow.end[block] - 1 : flow.end[block];
      g.blockEnd = end;
      hulls.enter(block);
      predict.enter(block);
      for (let pc = flow.start[block]; pc < end; pc++) if (op[pc] !== Op.hole) instruction(pc);
      hand(block, flow.next[block]);
      hand(block, flow.taken[block]);
    },
    condition: (block) => {
      const pc = flow.end[block] - 1;
      EMITTERS[op[pc]](g, pc);
    },
    loopHeader: (block) => {
      g.burn(flow.start[block]);
    },
    fallOff: (block) => {
      const end = flow.end[block];
      if (op[end - 1] !== Op.exit) g.exit(end);
    },
  };
}

function noteGuesses(guesses: EntryGuesses, callee: number, guess: Uint16Array): void {
  const known = guesses.get(callee);
  if (known === undefined) {
    guesses.set(callee, guess.slice(0, 10));
    return;
  }
  for (let r = 0; r < 10; r++) if (known[r] === 0) known[r] = guess[r];
}

/** Stores r0..r9 for the interpreter, lets it finish the frame, and returns its result. */
function handOver(g: Generator): void {
  const { b } = g;
  for (let r = 0; r < 10; r++) {
    g.zero();
    b.localGet(g.local[r]);
    b.memory(Wasm.I64Store, g.control(Control.registers + 8 * r));
  }
  g.storeFuel();
  g.frameBase(0);
  b.localGet(g.exitPc);
  b.call(g.target.index.resume);
  b.op(Wasm.Drop);
  g.returnResult();
}

export interface FunctionSource {
  readonly info: SubprogInfo;
  readonly flow: Flow;
  /** Entry of the program: (ctx: i32) -> i32. Else (frame: i32, registers: i64...) -> i64. */
  readonly isEntry: boolean;
}

/** Writes the body, size included. Returns the predictor, for what it learned of the context. */
export function emitSubprog(
  b: WasmBuilder,
  target: Target,
  { info, flow, isEntry }: FunctionSource,
  guesses: EntryGuesses,
): Predictor {
  const labels = new Labels(flow.count);
  const predict = new Predictor(target.image.insns, target.mapIndex, flow.count);
  const g = new Generator(target, b, predict, labels, info.params, isEntry);
  const size = b.reserve();
  declareLocals(b, g.i64Locals);
  b.open(Wasm.Block, WasmType.Void);
  labels.openPlain();
  if (isEntry) {
    b.localGet(0);
    g.set32(1);
  }
  if (isEntry && g.usesFuel) {
    b.i32Const(target.fuel);
    b.localSet(g.fuel);
  } else {
    g.loadFuel();
  }
  predict.start(guesses.get(info.from));
  const emit = blockEmitter(g, flow, guesses);
  if (flow.irreducible) emitDispatch(flow, b, labels, emit, g.state);
  else emitStructured(flow, b, labels, emit);
  b.op(Wasm.End);
  labels.close();
  handOver(g);
  b.op(Wasm.End);
  b.patchSize(size);
  return predict;
}

/** The entry of a program whose first subprogram is also called: calls it in frame 0. */
export function emitEntryWrapper(b: WasmBuilder, target: Target, main: SubprogInfo): void {
  const size = b.reserve();
  b.u32(0);
  if (target.fuel > 0) {
    b.i32Const(0);
    b.i32Const(target.fuel);
    b.memory(Wasm.I32Store, target.control + Control.fuel);
  }
  // The address operand of the store below.
  b.i32Const(0);
  b.i32Const(target.stackBase);
  for (let r = 0; r < 10; r++) {
    if (((main.params >> r) & 1) === 0) continue;
    if (r === 1) {
      b.localGet(0);
      b.op(Wasm.I64ExtendI32U);
    } else {
      b.i64Const(0);
    }
  }
  b.call(main.index);
  finishWithResult(b, target, size);
}

/** A callback of helpers: () -> i32, arguments in the control block, frame above that of the helper's caller. */
export function emitCallback(b: WasmBuilder, target: Target, callee: SubprogInfo): void {
  const size = b.reserve();
  b.u32(0);
  b.i32Const(0);
  b.i32Const(0);
  b.memory(Wasm.I32Load, target.control + Control.frame);
  b.i32Const(STACK_FRAME_SIZE);
  b.op(Wasm.I32Add);
  for (let r = 0; r < 10; r++) {
    if (((callee.params >> r) & 1) === 0) continue;
    if (r >= 1 && r <= 5) {
      b.i32Const(0);
      b.memory(Wasm.I64Load, target.control + Control.callbackArgs + 8 * (r - 1));
    } else {
      b.i64Const(0);
    }
  }
  b.call(callee.index);
  finishWithResult(b, target, size);
}

/** Stores the i64 on the stack as the result and returns its low word; the store's address lies below it. */
function finishWithResult(b: WasmBuilder, target: Target, size: number): void {
  b.memory(Wasm.I64Store, target.control + Control.result);
  b.i32Const(0);
  b.memory(Wasm.I32Load, target.control + Control.result);
  b.op(Wasm.End);
  b.patchSize(size);
}

/** The slot of the subprogram that a function pointer's low word names. */
export const slotOfPointer = (pointer: number): number => (pointer >>> 0) - FUNC_POINTER_BASE;
