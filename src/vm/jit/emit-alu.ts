/** Arithmetic (RFC 9669 section 4.1 and 4.2): 64-bit on i64 locals, 32-bit on their low words with zero-extension. */
import type { Generator } from './generator.js';
import { Wasm, WasmType } from './wasm-ops.js';

/** Writes the code of the instruction at `pc`. */
export type Emit = (g: Generator, pc: number) => void;

/** Pushes the second operand: the immediate, sign-extended, or the source register. */
type Operand = (g: Generator, pc: number) => void;

const imm64: Operand = (g, pc) => {
  g.b.i64Const(g.insns.imm[pc]);
};
const reg64: Operand = (g, pc) => {
  g.get(g.insns.src[pc]);
};
const imm32: Operand = (g, pc) => {
  g.b.i32Const(g.insns.imm[pc]);
};
const reg32: Operand = (g, pc) => {
  g.get32(g.insns.src[pc]);
};

const binary64 =
  (operand: Operand, opcode: Wasm): Emit =>
  (g, pc) => {
    const dst = g.insns.dst[pc];
    g.get(dst);
    operand(g, pc);
    g.b.op(opcode);
    g.set(dst);
  };

const binary32 =
  (operand: Operand, opcode: Wasm): Emit =>
  (g, pc) => {
    const dst = g.insns.dst[pc];
    g.get32(dst);
    operand(g, pc);
    g.b.op(opcode);
    g.set32(dst);
  };

const mov64 =
  (operand: Operand): Emit =>
  (g, pc) => {
    operand(g, pc);
    g.set(g.insns.dst[pc]);
  };

const mov32 =
  (operand: Operand): Emit =>
  (g, pc) => {
    operand(g, pc);
    g.set32(g.insns.dst[pc]);
  };

/** The two widths of what division needs, as data. */
const WIDTH = {
  64: { type: WasmType.I64, eqz: Wasm.I64Eqz, eq: Wasm.I64Eq, sub: Wasm.I64Sub, imm: imm64, reg: reg64 },
  32: { type: WasmType.I32, eqz: Wasm.I32Eqz, eq: Wasm.I32Eq, sub: Wasm.I32Sub, imm: imm32, reg: reg32 },
} as const;

type Width = keyof typeof WIDTH;

const constant = (g: Generator, width: Width, value: number): void => {
  if (width === 64) g.b.i64Const(value);
  else g.b.i32Const(value);
};

const getDst = (g: Generator, width: Width, pc: number): void => {
  if (width === 64) g.get(g.insns.dst[pc]);
  else g.get32(g.insns.dst[pc]);
};

const setDst = (g: Generator, width: Width, pc: number): void => {
  if (width === 64) g.set(g.insns.dst[pc]);
  else g.set32(g.insns.dst[pc]);
};

/** By zero, division gives 0 and the remainder is dst; wasm would trap. */
const divideReg =
  (width: Width, opcode: Wasm, isRemainder: boolean): Emit =>
  (g, pc) => {
    const w = WIDTH[width];
    w.reg(g, pc);
    g.b.op(w.eqz);
    g.b.open(Wasm.If, w.type);
    if (isRemainder) getDst(g, width, pc);
    else constant(g, width, 0);
    g.b.op(Wasm.Else);
    getDst(g, width, pc);
    w.reg(g, pc);
    g.b.op(opcode);
    g.b.op(Wasm.End);
    setDst(g, width, pc);
  };

const divideImm =
  (width: Width, opcode: Wasm, isRemainder: boolean): Emit =>
  (g, pc) => {
    const w = WIDTH[width];
    if (g.insns.imm[pc] !== 0) {
      getDst(g, width, pc);
      w.imm(g, pc);
      g.b.op(opcode);
    } else if (isRemainder) {
      getDst(g, width, pc);
    } else {
      constant(g, width, 0);
    }
    setDst(g, width, pc);
  };

/** The smallest number by -1 is itself, where wasm's div_s would trap: division by -1 is negation. */
const signedDivideReg =
  (width: Width, opcode: Wasm): Emit =>
  (g, pc) => {
    const w = WIDTH[width];
    w.reg(g, pc);
    constant(g, width, -1);
    g.b.op(w.eq);
    g.b.open(Wasm.If, w.type);
    constant(g, width, 0);
    getDst(g, width, pc);
    g.b.op(w.sub);
    g.b.op(Wasm.Else);
    w.reg(g, pc);
    g.b.op(w.eqz);
    g.b.open(Wasm.If, w.type);
    constant(g, width, 0);
    g.b.op(Wasm.Else);
    getDst(g, width, pc);
    w.reg(g, pc);
    g.b.op(opcode);
    g.b.op(Wasm.End);
    g.b.op(Wasm.End);
    setDst(g, width, pc);
  };

const signedDivideImm =
  (width: Width, opcode: Wasm): Emit =>
  (g, pc) => {
    const w = WIDTH[width];
    if (g.insns.imm[pc] !== -1) {
      divideImm(width, opcode, false)(g, pc);
      return;
    }
    constant(g, width, 0);
    getDst(g, width, pc);
    g.b.op(w.sub);
    setDst(g, width, pc);
  };

const negate =
  (width: Width): Emit =>
  (g, pc) => {
    constant(g, width, 0);
    getDst(g, width, pc);
    g.b.op(WIDTH[width].sub);
    setDst(g, width, pc);
  };

const extend64 =
  (opcode: Wasm): Emit =>
  (g, pc) => {
    g.get(g.insns.src[pc]);
    g.b.op(opcode);
    g.set(g.insns.dst[pc]);
  };

const extend32 =
  (opcode: Wasm): Emit =>
  (g, pc) => {
    g.get32(g.insns.src[pc]);
    g.b.op(opcode);
    g.set32(g.insns.dst[pc]);
  };

/** Keeps the low bits; the machine is little-endian. */
const truncate =
  (low: number, high: number): Emit =>
  (g, pc) => {
    const dst = g.insns.dst[pc];
    g.get(dst);
    g.b.i64ConstPair(low, high);
    g.b.op(Wasm.I64And);
    g.set(dst);
  };

const nothing: Emit = () => undefined;

/** ((x & 0xff) << 8) | ((x >> 8) & 0xff) */
const swap16: Emit = (g, pc) => {
  const { b } = g;
  const dst = g.insns.dst[pc];
  g.get32(dst);
  b.i32Const(0xff);
  b.op(Wasm.I32And);
  b.i32Const(8);
  b.op(Wasm.I32Shl);
  g.get32(dst);
  b.i32Const(8);
  b.op(Wasm.I32ShrU);
  b.i32Const(0xff);
  b.op(Wasm.I32And);
  b.op(Wasm.I32Or);
  g.set32(dst);
};

/** Pops nothing, pushes the byte-reversed low word of `register`: (rotl(x, 8) & 00ff00ff) | (rotr(x, 8) & ff00ff00). */
function pushSwapped32(g: Generator, register: number): void {
  const { b } = g;
  g.get32(register);
  b.i32Const(8);
  b.op(Wasm.I32Rotl);
  b.i32Const(0x00ff00ff);
  b.op(Wasm.I32And);
  g.get32(register);
  b.i32Const(8);
  b.op(Wasm.I32Rotr);
  b.i32Const(0xff00ff00);
  b.op(Wasm.I32And);
  b.op(Wasm.I32Or);
}

const swap32: Emit = (g, pc) => {
  pushSwapped32(g, g.insns.dst[pc]);
  g.set32(g.insns.dst[pc]);
};

/** Swaps neighbouring units of `bits` bits: ((x >> bits) & mask) | ((x & mask) << bits). */
function swapNeighbours(g: Generator, register: number, bits: number, mask: number): void {
  const { b } = g;
  g.get(register);
  b.i64Const(bits);
  b.op(Wasm.I64ShrU);
  b.i64ConstPair(mask, mask);
  b.op(Wasm.I64And);
  g.get(register);
  b.i64ConstPair(mask, mask);
  b.op(Wasm.I64And);
  b.i64Const(bits);
  b.op(Wasm.I64Shl);
  b.op(Wasm.I64Or);
  g.set(register);
}

const swap64: Emit = (g, pc) => {
  const dst = g.insns.dst[pc];
  swapNeighbours(g, dst, 8, 0x00ff00ff);
  swapNeighbours(g, dst, 16, 0x0000ffff);
  g.get(dst);
  g.b.i64Const(32);
  g.b.op(Wasm.I64Rotl);
  g.set(dst);
};

export const ALU = {
  add64_imm: binary64(imm64, Wasm.I64Add),
  add64_reg: binary64(reg64, Wasm.I64Add),
  sub64_imm: binary64(imm64, Wasm.I64Sub),
  sub64_reg: binary64(reg64, Wasm.I64Sub),
  mul64_imm: binary64(imm64, Wasm.I64Mul),
  mul64_reg: binary64(reg64, Wasm.I64Mul),
  div64_imm: divideImm(64, Wasm.I64DivU, false),
  div64_reg: divideReg(64, Wasm.I64DivU, false),
  or64_imm: binary64(imm64, Wasm.I64Or),
  or64_reg: binary64(reg64, Wasm.I64Or),
  and64_imm: binary64(imm64, Wasm.I64And),
  and64_reg: binary64(reg64, Wasm.I64And),
  lsh64_imm: binary64(imm64, Wasm.I64Shl),
  lsh64_reg: binary64(reg64, Wasm.I64Shl),
  rsh64_imm: binary64(imm64, Wasm.I64ShrU),
  rsh64_reg: binary64(reg64, Wasm.I64ShrU),
  mod64_imm: divideImm(64, Wasm.I64RemU, true),
  mod64_reg: divideReg(64, Wasm.I64RemU, true),
  xor64_imm: binary64(imm64, Wasm.I64Xor),
  xor64_reg: binary64(reg64, Wasm.I64Xor),
  mov64_imm: mov64(imm64),
  mov64_reg: mov64(reg64),
  arsh64_imm: binary64(imm64, Wasm.I64ShrS),
  arsh64_reg: binary64(reg64, Wasm.I64ShrS),
  sdiv64_imm: signedDivideImm(64, Wasm.I64DivS),
  sdiv64_reg: signedDivideReg(64, Wasm.I64DivS),
  smod64_imm: divideImm(64, Wasm.I64RemS, true),
  smod64_reg: divideReg(64, Wasm.I64RemS, true),
  neg64: negate(64),
  movsx8to64: extend64(Wasm.I64Extend8S),
  movsx16to64: extend64(Wasm.I64Extend16S),
  movsx32to64: extend64(Wasm.I64Extend32S),
  add32_imm: binary32(imm32, Wasm.I32Add),
  add32_reg: binary32(reg32, Wasm.I32Add),
  sub32_imm: binary32(imm32, Wasm.I32Sub),
  sub32_reg: binary32(reg32, Wasm.I32Sub),
  mul32_imm: binary32(imm32, Wasm.I32Mul),
  mul32_reg: binary32(reg32, Wasm.I32Mul),
  div32_imm: divideImm(32, Wasm.I32DivU, false),
  div32_reg: divideReg(32, Wasm.I32DivU, false),
  or32_imm: binary32(imm32, Wasm.I32Or),
  or32_reg: binary32(reg32, Wasm.I32Or),
  and32_imm: binary32(imm32, Wasm.I32And),
  and32_reg: binary32(reg32, Wasm.I32And),
  lsh32_imm: binary32(imm32, Wasm.I32Shl),
  lsh32_reg: binary32(reg32, Wasm.I32Shl),
  rsh32_imm: binary32(imm32, Wasm.I32ShrU),
  rsh32_reg: binary32(reg32, Wasm.I32ShrU),
  mod32_imm: divideImm(32, Wasm.I32RemU, true),
  mod32_reg: divideReg(32, Wasm.I32RemU, true),
  xor32_imm: binary32(imm32, Wasm.I32Xor),
  xor32_reg: binary32(reg32, Wasm.I32Xor),
  mov32_imm: mov32(imm32),
  mov32_reg: mov32(reg32),
  arsh32_imm: binary32(imm32, Wasm.I32ShrS),
  arsh32_reg: binary32(reg32, Wasm.I32ShrS),
  sdiv32_imm: signedDivideImm(32, Wasm.I32DivS),
  sdiv32_reg: signedDivideReg(32, Wasm.I32DivS),
  smod32_imm: divideImm(32, Wasm.I32RemS, true),
  smod32_reg: divideReg(32, Wasm.I32RemS, true),
  neg32: negate(32),
  movsx8to32: extend32(Wasm.I32Extend8S),
  movsx16to32: extend32(Wasm.I32Extend16S),
  le16: truncate(0xffff, 0),
  le32: truncate(-1, 0),
  le64: nothing,
  be16: swap16,
  be32: swap32,
  be64: swap64,
  bswap16: swap16,
  bswap32: swap32,
  bswap64: swap64,
  // There is one address space: the cast changes nothing.
  addr_space_cast: mov64(reg64),
} as const satisfies Record<string, Emit>;
