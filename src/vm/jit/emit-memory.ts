/**
 * Loads, stores and atomics (RFC 9669 section 5). An access at a known place of the own frame needs no check. Any
 * other that is checked compares its address with the region that the base register is guessed to point into; on a
 * miss the frame is handed to the interpreter, which allows the access or reports the fault. Accesses through the same
 * base in one block are checked together by their hull. Where there is nothing to guess, or a guess went wrong, the
 * address is compared with the region that the instruction hit last, and the host is asked on a miss.
 */
import { STACK_FRAME_SIZE } from '../engine.js';
import type { Region } from '../../memory/memory.js';
import { goodAddresses } from './bounds.js';
import type { Emit } from './emit-alu.js';
import type { Generator } from './generator.js';
import { needsCheck } from './hulls.js';
import { Guess, NO_OFFSET } from './predict.js';
import { Wasm, WasmType } from './wasm-ops.js';

/** Pushes base + off as i64 into the address local, and leaves it on the stack. */
function pushAddress(g: Generator, base: number, off: number): void {
  g.get(base);
  if (off !== 0) {
    g.b.i64Const(off);
    g.b.op(Wasm.I64Add);
  }
}

/** Pushes whether base + low is outside the region guessed for an access of `size` bytes; undefined: no guess. */
function pushMiss(
  g: Generator,
  pc: number,
  base: number,
  low: number,
  size: number,
  isWrite: boolean,
): boolean {
  const { b, target, predict } = g;
  const guess = predict.guess[base];
  const { bounds } = target;
  if (guess === Guess.Unknown || g.isDistrusted(pc)) return false;
  const region = bounds.lasting.get(guess);
  if (region !== undefined) {
    const good = goodAddresses(region, size, isWrite);
    pushAddress(g, base, low - region.base);
    b.i64Const(good);
    b.op(Wasm.I64GeU);
    return true;
  }
  const slot = bounds.shared(pc, guess, size, isWrite);
  if (slot === undefined) return false;
  pushAddress(g, base, low);
  compareWithSlot(g, slot.at);
  return true;
}

/** Pops an address, pushes whether it is outside the slot's bounds. */
function compareWithSlot(g: Generator, at: number): void {
  const { b } = g;
  g.zero();
  b.memory(Wasm.I64Load, at);
  b.op(Wasm.I64Sub);
  g.zero();
  b.memory(Wasm.I64Load, at + 8);
  b.op(Wasm.I64GeU);
}

function compareWithRegion(g: Generator, region: Region, size: number, isWrite: boolean): void {
  const { b } = g;
  b.i64Const(region.base);
  b.op(Wasm.I64Sub);
  b.i64Const(goodAddresses(region, size, isWrite));
  b.op(Wasm.I64GeU);
}

/** Asks the host unless the address is in a lasting region, or the one that this instruction hit last. */
function checkWithHost(
  g: Generator,
  pc: number,
  base: number,
  off: number,
  size: number,
  isWrite: boolean,
): void {
  const { b, target } = g;
  const { bounds } = target;
  const region = g.isDistrusted(pc) ? undefined : bounds.lasting.get(g.predict.guess[base]);
  const slot = region === undefined ? bounds.own(pc, size, isWrite) : undefined;
  const isConditional = region !== undefined || slot !== undefined;
  g.exitAt(pc);
  pushAddress(g, base, off);
  b.localTee(g.address);
  if (region !== undefined) compareWithRegion(g, region, size, isWrite);
  else if (slot !== undefined) compareWithSlot(g, slot.at);
  else b.op(Wasm.Drop);
  if (isConditional) {
    b.open(Wasm.If, WasmType.Void);
    g.labels.openPlain();
  }
  b.localGet(g.address);
  b.op(Wasm.I32WrapI64);
  b.localGet(g.address);
  b.i64Const(32);
  b.op(Wasm.I64ShrU);
  b.op(Wasm.I32WrapI64);
  b.i32Const(size | (isWrite ? 256 : 0));
  b.i32Const(slot?.at ?? 0);
  b.call(target.index.check);
  b.op(Wasm.I32Eqz);
  g.exitIf();
  if (isConditional) {
    b.op(Wasm.End);
    g.labels.close();
  }
}

/**
 * Checks `size` bytes at base + off if they need it and pushes the address as i32. Returns the offset operand for the
 * load or store.
 */
export function access(
  g: Generator,
  pc: number,
  base: number,
  off: number,
  size: number,
  isWrite: boolean,
  checked = needsCheck(g, pc),
): number {
  const { b, predict, target } = g;
  const frameOffset = predict.frameOffset[base];
  if (frameOffset !== NO_OFFSET) {
    const at = STACK_FRAME_SIZE + frameOffset + off;
    if (at >= 0 && at + size <= STACK_FRAME_SIZE) {
      if (g.isEntry) b.i32Const(target.stackBase + at);
      else b.localGet(0);
      return g.isEntry ? 0 : at;
    }
  }
  if (checked) check(g, pc, base, off, size, isWrite);
  g.get32(base);
  if (off >= 0) return off;
  b.i32Const(off);
  b.op(Wasm.I32Add);
  return 0;
}

function check(g: Generator, pc: number, base: number, off: number, size: number, isWrite: boolean): void {
  const { hulls, predict } = g;
  if (hulls.covers(base, off, off + size, isWrite)) return;
  if (predict.guess[base] === Guess.Unknown || g.isDistrusted(pc) || g.target.isStandalone) {
    checkWithHost(g, pc, base, off, size, isWrite);
    return;
  }
  hulls.foundLow = off;
  hulls.foundHigh = off + size;
  hulls.foundWrite = isWrite;
  hulls.collect(g, pc, base);
  // A helper's argument is no access of the instruction at pc: the hull may not hold it.
  const low = Math.min(off, hulls.foundLow);
  const high = Math.max(off + size, hulls.foundHigh);
  const write = isWrite || hulls.foundWrite;
  g.exitAt(pc);
  if (!pushMiss(g, pc, base, low, high - low, write)) {
    checkWithHost(g, pc, base, off, size, isWrite);
    return;
  }
  g.exitIf();
  const isWritable = g.target.bounds.lasting.get(predict.guess[base])?.writable === true;
  hulls.remember(base, low, high, write || isWritable);
}

const load =
  (size: number, opcode: Wasm): Emit =>
  (g, pc) => {
    const { dst, src, off } = g.insns;
    const offset = access(g, pc, src[pc], off[pc], size, false);
    g.b.memory(opcode, offset);
    g.set(dst[pc]);
  };

const storeReg =
  (size: number, opcode: Wasm): Emit =>
  (g, pc) => {
    const { dst, src, off } = g.insns;
    const offset = access(g, pc, dst[pc], off[pc], size, true);
    g.get(src[pc]);
    g.b.memory(opcode, offset);
  };

const storeImm =
  (size: number, opcode: Wasm): Emit =>
  (g, pc) => {
    const { dst, imm, off } = g.insns;
    const offset = access(g, pc, dst[pc], off[pc], size, true);
    g.b.i64Const(imm[pc]);
    g.b.memory(opcode, offset);
  };

const LOAD = { 1: Wasm.I64Load8U, 2: Wasm.I64Load16U, 4: Wasm.I64Load32U, 8: Wasm.I64Load } as const;
const STORE = { 1: Wasm.I64Store8, 2: Wasm.I64Store16, 4: Wasm.I64Store32, 8: Wasm.I64Store } as const;

/** Pushes the address of an atomic twice over: it stays in `word` too. Misaligned ones go to the interpreter. */
function atomicAddress(g: Generator, pc: number, base: number, size: number, isWrite: boolean): number {
  const { b } = g;
  const off = g.insns.off[pc];
  const checked = needsCheck(g, pc);
  const offset = access(g, pc, base, off, size, isWrite, checked);
  if (!checked || size === 1) return offset;
  b.localTee(g.word);
  if (offset !== 0) {
    b.i32Const(offset);
    b.op(Wasm.I32Add);
  }
  b.i32Const(size - 1);
  b.op(Wasm.I32And);
  g.exitAt(pc);
  g.exitIf();
  b.localGet(g.word);
  return offset;
}

/** *(uN *)(dst + off) OP= src; with fetch, src = the old value. One thread runs programs: no atomic is needed. */
const atomicOp =
  (size: 4 | 8, opcode: Wasm, fetch: boolean): Emit =>
  (g, pc) => {
    const { b } = g;
    const src = g.insns.src[pc];
    const offset = atomicAddress(g, pc, g.insns.dst[pc], size, true);
    b.localTee(g.word);
    b.localGet(g.word);
    b.memory(LOAD[size], offset);
    if (fetch) b.localTee(g.value);
    g.get(src);
    b.op(opcode);
    b.memory(STORE[size], offset);
    if (!fetch) return;
    b.localGet(g.value);
    g.set(src);
  };

const exchange =
  (size: 4 | 8): Emit =>
  (g, pc) => {
    const { b } = g;
    const src = g.insns.src[pc];
    const offset = atomicAddress(g, pc, g.insns.dst[pc], size, true);
    b.localTee(g.word);
    b.localGet(g.word);
    b.memory(LOAD[size], offset);
    b.localSet(g.value);
    g.get(src);
    b.memory(STORE[size], offset);
    b.localGet(g.value);
    g.set(src);
  };

/** r0 = old value; the new one is stored where the old one equals r0 (its low word for 32 bits). */
const compareExchange =
  (size: 4 | 8): Emit =>
  (g, pc) => {
    const { b } = g;
    const offset = atomicAddress(g, pc, g.insns.dst[pc], size, true);
    b.localTee(g.word);
    b.memory(LOAD[size], offset);
    b.localTee(g.value);
    if (size === 4) b.op(Wasm.I32WrapI64);
    if (size === 4) g.get32(0);
    else g.get(0);
    b.op(size === 4 ? Wasm.I32Eq : Wasm.I64Eq);
    b.open(Wasm.If, WasmType.Void);
    b.localGet(g.word);
    g.get(g.insns.src[pc]);
    b.memory(STORE[size], offset);
    b.op(Wasm.End);
    b.localGet(g.value);
    g.set(0);
  };

const loadAcquire =
  (size: 1 | 2 | 4 | 8): Emit =>
  (g, pc) => {
    const offset = atomicAddress(g, pc, g.insns.src[pc], size, false);
    g.b.memory(LOAD[size], offset);
    g.set(g.insns.dst[pc]);
  };

const storeRelease =
  (size: 1 | 2 | 4 | 8): Emit =>
  (g, pc) => {
    const offset = atomicAddress(g, pc, g.insns.dst[pc], size, true);
    g.get(g.insns.src[pc]);
    g.b.memory(STORE[size], offset);
  };

export const MEMORY = {
  ldx8: load(1, Wasm.I64Load8U),
  ldxs8: load(1, Wasm.I64Load8S),
  st8: storeImm(1, Wasm.I64Store8),
  stx8: storeReg(1, Wasm.I64Store8),
  ldx16: load(2, Wasm.I64Load16U),
  ldxs16: load(2, Wasm.I64Load16S),
  st16: storeImm(2, Wasm.I64Store16),
  stx16: storeReg(2, Wasm.I64Store16),
  ldx32: load(4, Wasm.I64Load32U),
  ldxs32: load(4, Wasm.I64Load32S),
  st32: storeImm(4, Wasm.I64Store32),
  stx32: storeReg(4, Wasm.I64Store32),
  ldx64: load(8, Wasm.I64Load),
  st64: storeImm(8, Wasm.I64Store),
  stx64: storeReg(8, Wasm.I64Store),
  atomic_add32: atomicOp(4, Wasm.I64Add, false),
  atomic_add64: atomicOp(8, Wasm.I64Add, false),
  atomic_fetch_add32: atomicOp(4, Wasm.I64Add, true),
  atomic_fetch_add64: atomicOp(8, Wasm.I64Add, true),
  atomic_or32: atomicOp(4, Wasm.I64Or, false),
  atomic_or64: atomicOp(8, Wasm.I64Or, false),
  atomic_fetch_or32: atomicOp(4, Wasm.I64Or, true),
  atomic_fetch_or64: atomicOp(8, Wasm.I64Or, true),
  atomic_and32: atomicOp(4, Wasm.I64And, false),
  atomic_and64: atomicOp(8, Wasm.I64And, false),
  atomic_fetch_and32: atomicOp(4, Wasm.I64And, true),
  atomic_fetch_and64: atomicOp(8, Wasm.I64And, true),
  atomic_xor32: atomicOp(4, Wasm.I64Xor, false),
  atomic_xor64: atomicOp(8, Wasm.I64Xor, false),
  atomic_fetch_xor32: atomicOp(4, Wasm.I64Xor, true),
  atomic_fetch_xor64: atomicOp(8, Wasm.I64Xor, true),
  atomic_xchg32: exchange(4),
  atomic_xchg64: exchange(8),
  atomic_cmpxchg32: compareExchange(4),
  atomic_cmpxchg64: compareExchange(8),
  atomic_load_acq8: loadAcquire(1),
  atomic_load_acq16: loadAcquire(2),
  atomic_load_acq32: loadAcquire(4),
  atomic_load_acq64: loadAcquire(8),
  atomic_store_rel8: storeRelease(1),
  atomic_store_rel16: storeRelease(2),
  atomic_store_rel32: storeRelease(4),
  atomic_store_rel64: storeRelease(8),
} as const satisfies Record<string, Emit>;
