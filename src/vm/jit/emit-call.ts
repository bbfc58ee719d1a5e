/** Calls of helpers, kfuncs and subprograms, packet loads, wide constants, exit. */
import { FUNC_POINTER_BASE } from '../../helpers/run-state.js';
import { ArrayMap } from '../../maps/array-map.js';
import { MapType } from '../../maps/map-types.js';
import { Op } from '../../isa/op.gen.js';
import { MAX_CALL_FRAMES, STACK_FRAME_SIZE } from '../engine.js';
import { Control, Signal } from './control.js';
import type { Emit } from './emit-alu.js';
import { access } from './emit-memory.js';
import type { Generator, HelperImport } from './generator.js';
import { Guess, mapHandle, mapValues } from './predict.js';
import { Wasm, WasmType } from './wasm-ops.js';

const MAP_LOOKUP_ELEM = 1;

/** The map whose handle r1 is guessed to be, with its number in the module. */
function guessedMap(g: Generator) {
  const guess = g.predict.guess[1];
  if (guess < Guess.FirstMap || (guess & 1) !== (Guess.FirstMap & 1)) return undefined;
  for (const [id, index] of g.target.mapIndex) {
    if (mapHandle(index) === guess) return { index, map: g.target.image.maps.get(id)! };
  }
  return undefined;
}

/** The guess for r0 after the call at `pc`. */
export function guessResult(g: Generator, pc: number): number {
  const helper = g.insns.op[pc] === Op.call ? g.target.index.helperOf(pc) : undefined;
  if (helper?.id !== MAP_LOOKUP_ELEM) return Guess.Unknown;
  const found = guessedMap(g);
  return found === undefined ? Guess.Unknown : mapValues(found.index);
}

/** r0 = index < max_entries ? base + index * stride : 0, where r1 is an array map. */
function inlineArrayLookup(g: Generator, pc: number): boolean {
  const found = guessedMap(g);
  // Maps of other types are arrays inside, too, but look up in their own way.
  if (!(found?.map instanceof ArrayMap) || found.map.type !== MapType.Array || g.isDistrusted(pc))
    return false;
  if (g.target.isStandalone && g.predict.sound[1] === 0) return false;
  const { b } = g;
  const { map } = found;
  if (g.predict.sound[1] === 0) {
    g.exitAt(pc);
    g.get(1);
    b.i64Const(map.handle.base);
    b.op(Wasm.I64Ne);
    g.exitIf();
  }
  const offset = access(g, pc, 2, 0, 4, false, g.target.checksArgs);
  b.memory(Wasm.I64Load32U, offset);
  b.localTee(g.value);
  b.i64Const(map.spec.maxEntries);
  b.op(Wasm.I64LtU);
  b.open(Wasm.If, WasmType.I64);
  b.localGet(g.value);
  b.i64Const(map.stride);
  b.op(Wasm.I64Mul);
  b.i64Const(map.base);
  b.op(Wasm.I64Add);
  b.op(Wasm.Else);
  b.i64Const(0);
  b.op(Wasm.End);
  g.set(0);
  return true;
}

/** Pointers and sizes have a high word of 0; a helper would not see it, so it is tested here. */
function checkNarrow(g: Generator, pc: number, mask: number): void {
  if (mask === 0 || !g.target.checksArgs) return;
  const { b } = g;
  g.exitAt(pc);
  let isFirst = true;
  for (let r = 1; r <= 5; r++) {
    if (((mask >> r) & 1) === 0) continue;
    g.get(r);
    if (!isFirst) b.op(Wasm.I64Or);
    isFirst = false;
  }
  b.i64Const(31);
  b.op(Wasm.I64ShrU);
  b.i64Const(0);
  b.op(Wasm.I64Ne);
  g.exitIf();
}

function pushArgs(g: Generator, helper: HelperImport): void {
  for (const [i, isWide] of helper.wide.entries()) {
    g.get32(i + 1);
    if (!isWide) continue;
    g.get(i + 1);
    g.b.i64Const(32);
    g.b.op(Wasm.I64ShrU);
    g.b.op(Wasm.I32WrapI64);
  }
}

/** Acts on the `signal` word; the import has cleared it where all is well. */
function handleSignal(g: Generator, pc: number, helper: HelperImport): void {
  const { b } = g;
  if (g.target.checksArgs && helper.isChecked) {
    g.exitAt(pc);
    g.zero();
    b.memory(Wasm.I32Load, g.control(Control.signal));
    b.i32Const(Signal.BadArgument);
    b.op(Wasm.I32Eq);
    g.exitIf();
  }
  if (!helper.mayTailCall) return;
  g.zero();
  b.memory(Wasm.I32Load, g.control(Control.signal));
  b.i32Const(Signal.TailCalled);
  b.op(Wasm.I32Eq);
  b.open(Wasm.If, WasmType.Void);
  g.storeFuel();
  g.returnResult();
  b.op(Wasm.End);
}

/** Pops the import's result into r0 by the prototype's rule. */
function setResult(g: Generator, ret: HelperImport['ret']): void {
  const { b } = g;
  switch (ret) {
    case 'void':
      b.i64Const(0);
      break;
    case 's32':
      b.localGet(g.word);
      b.op(Wasm.I64ExtendI32S);
      break;
    case 'u64':
      b.localGet(g.word);
      b.op(Wasm.I64ExtendI32U);
      g.zero();
      b.memory(Wasm.I64Load32U, g.control(Control.retHi));
      b.i64Const(32);
      b.op(Wasm.I64Shl);
      b.op(Wasm.I64Or);
      break;
    default:
      b.localGet(g.word);
      b.op(Wasm.I64ExtendI32U);
  }
  g.set(0);
}

const callHelper: Emit = (g, pc) => {
  const { b } = g;
  const helper = g.target.index.helperOf(pc);
  if (helper === undefined) {
    g.exit(pc);
    return;
  }
  if (helper.id === MAP_LOOKUP_ELEM && inlineArrayLookup(g, pc)) return;
  checkNarrow(g, pc, helper.narrowPointers);
  if (helper.callsBack) g.storeFuel();
  if (helper.callsBack || helper.mayTailCall) {
    g.zero();
    g.frameBase(0);
    b.memory(Wasm.I32Store, g.control(Control.frame));
  }
  pushArgs(g, helper);
  b.call(helper.index);
  g.target.calledImports.add(helper.index);
  b.localSet(g.word);
  handleSignal(g, pc, helper);
  setResult(g, helper.ret);
  if (helper.callsBack) g.loadFuel();
  g.hulls.clear();
};

const callSubprog: Emit = (g, pc) => {
  const { b, target } = g;
  const callee = target.index.subprogs.get(g.insns.target[pc]);
  if (callee === undefined) {
    g.exit(pc);
    return;
  }
  if (target.countsDepth && !g.isEntry) {
    g.exitAt(pc);
    b.localGet(0);
    b.i32Const(target.stackBase + STACK_FRAME_SIZE * (MAX_CALL_FRAMES - 1));
    b.op(Wasm.I32GeU);
    g.exitIf();
  }
  g.burn(pc);
  g.storeFuel();
  g.frameBase(1);
  for (let r = 0; r < 10; r++) if (((callee.params >> r) & 1) !== 0) g.get(r);
  b.call(callee.index);
  g.set(0);
  g.loadFuel();
  g.hulls.clear();
};

/** Calls through registers are left to the interpreter. */
const leaveToInterpreter: Emit = (g, pc) => {
  g.exit(pc);
};

const exit: Emit = (g) => {
  g.returnR0();
};

/** r0 = the packet's bytes in host order; beyond the packet's end the subprogram ends with 0. */
const loadPacket =
  (size: number, isIndirect: boolean): Emit =>
  (g, pc) => {
    const { b, insns } = g;
    b.i32Const(insns.imm[pc]);
    if (isIndirect) {
      g.get32(insns.src[pc]);
      b.op(Wasm.I32Add);
    }
    b.i32Const(size);
    b.call(g.target.index.loadPacket);
    g.set32(0);
    g.zero();
    b.memory(Wasm.I32Load, g.control(Control.signal));
    b.open(Wasm.If, WasmType.Void);
    g.returnR0();
    b.op(Wasm.End);
  };

const setConstant = (g: Generator, pc: number, low: number, high: number): void => {
  g.b.i64ConstPair(low, high);
  g.set(g.insns.dst[pc]);
};

const lddw: Emit = (g, pc) => {
  setConstant(g, pc, g.insns.imm[pc], g.insns.immHi[pc]);
};

const lddwMap: Emit = (g, pc) => {
  setConstant(g, pc, g.mapAt(pc).handle.base, 0);
};

const lddwMapValue: Emit = (g, pc) => {
  setConstant(g, pc, g.mapAt(pc).directValueAddress() + g.insns.immHi[pc], 0);
};

const lddwFunc: Emit = (g, pc) => {
  setConstant(g, pc, FUNC_POINTER_BASE + g.insns.target[pc], 0);
};

export const CALLS = {
  call: callHelper,
  call_sub: callSubprog,
  call_kfunc: callHelper,
  callx: leaveToInterpreter,
  exit,
  ldabs8: loadPacket(1, false),
  ldabs16: loadPacket(2, false),
  ldabs32: loadPacket(4, false),
  ldind8: loadPacket(1, true),
  ldind16: loadPacket(2, true),
  ldind32: loadPacket(4, true),
  lddw,
  lddw_map_fd: lddwMap,
  lddw_map_value: lddwMapValue,
  lddw_btf_id: lddw,
  lddw_func: lddwFunc,
  lddw_map_idx: lddwMap,
  lddw_map_idx_value: lddwMapValue,
} as const satisfies Record<string, Emit>;
