/**
 * Writes WebAssembly modules in the binary format. Knows nothing of BPF. One growing byte array; no object per
 * instruction. Sizes that are known only afterwards are written as LEB128 padded to five bytes, which the format
 * allows (at most ceil(32 / 7) bytes).
 */
import type { Section } from './wasm-ops.js';
import { Wasm } from './wasm-ops.js';

const PADDED = 5;

export class WasmBuilder {
  private bytes = new Uint8Array(4096);
  private at = 0;

  constructor() {
    for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) this.byte(byte);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.at;
  }

  /** The finished module; a copy of its own. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.at);
  }

  // Primitive encodings

  byte(value: number): void {
    if (this.at === this.bytes.length) this.grow();
    this.bytes[this.at++] = value;
  }

  /** Unsigned LEB128 of a number below 2^32. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest > 127) {
      this.byte((rest & 127) | 128);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128 of a 32-bit integer; the same bytes for i32 and i64. */
  s32(value: number): void {
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.byte((rest & 127) | 128);
      rest >>= 7;
    }
    this.byte(rest & 127);
  }

  /** Signed LEB128 of a 64-bit integer given as two words. */
  s64(low: number, high: number): void {
    let lo = low | 0;
    let hi = high | 0;
    while (!(hi === lo >> 31 && lo >= -64 && lo <= 63)) {
      this.byte((lo & 127) | 128);
      lo = (lo >>> 7) | (hi << 25);
      hi >>= 7;
    }
    this.byte(lo & 127);
  }

  name(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.u32(encoded.length);
    for (const byte of encoded) this.byte(byte);
  }

  /** Reserves a number to be filled in by `patch`; returns its place. */
  reserve(): number {
    const place = this.at;
    for (let i = 0; i < PADDED - 1; i++) this.byte(0x80);
    this.byte(0);
    return place;
  }

  patch(place: number, value: number): void {
    let rest = value >>> 0;
    for (let i = 0; i < PADDED - 1; i++) {
      this.bytes[place + i] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.bytes[place + PADDED - 1] = rest;
  }

  /** Ends what `reserve` began: patches in the number of bytes that follow the reserved place. */
  patchSize(place: number): void {
    this.patch(place, this.at - place - PADDED);
  }

  /** Starts a section; `patchSize` with the returned place ends it. */
  section(id: Section): number {
    this.byte(id);
    return this.reserve();
  }

  // Instructions

  op(opcode: Wasm): void {
    this.byte(opcode);
  }

  localGet(index: number): void {
    this.byte(Wasm.LocalGet);
    this.u32(index);
  }

  localSet(index: number): void {
    this.byte(Wasm.LocalSet);
    this.u32(index);
  }

  localTee(index: number): void {
    this.byte(Wasm.LocalTee);
    this.u32(index);
  }

  globalGet(index: number): void {
    this.byte(Wasm.GlobalGet);
    this.u32(index);
  }

  globalSet(index: number): void {
    this.byte(Wasm.GlobalSet);
    this.u32(index);
  }

  i32Const(value: number): void {
    this.byte(Wasm.I32Const);
    this.s32(value);
  }

  /** A 64-bit constant that is the sign extension of `value`. */
  i64Const(value: number): void {
    this.byte(Wasm.I64Const);
    this.s32(value);
  }

  i64ConstPair(low: number, high: number): void {
    this.byte(Wasm.I64Const);
    this.s64(low, high);
  }

  /** Load or store; the alignment is only a hint and given as 1 byte. */
  memory(opcode: Wasm, offset: number): void {
    this.byte(opcode);
    this.byte(0);
    this.u32(offset);
  }

  /** Starts a block, loop or if of the given block type. */
  open(opcode: Wasm, type: number): void {
    this.byte(opcode);
    this.byte(type);
  }

  br(depth: number): void {
    this.byte(Wasm.Br);
    this.u32(depth);
  }

  brIf(depth: number): void {
    this.byte(Wasm.BrIf);
    this.u32(depth);
  }

  call(index: number): void {
    this.byte(Wasm.Call);
    this.u32(index);
  }

  private grow(): void {
    const bytes = new Uint8Array(this.bytes.length * 2);
    bytes.set(this.bytes);
    this.bytes = bytes;
  }
}
