/** Jumps (RFC 9669 section 4.3): conditions leave an i32; where control goes is the structure's business. */
import type { Emit } from './emit-alu.js';
import type { Generator } from './generator.js';
import { Wasm } from './wasm-ops.js';

const compare64 =
  (opcode: Wasm, srcReg: boolean): Emit =>
  (g, pc) => {
    const { dst, src, imm } = g.insns;
    g.get(dst[pc]);
    if (srcReg) g.get(src[pc]);
    else if (imm[pc] === 0 && (opcode === Wasm.I64Eq || opcode === Wasm.I64Ne)) {
      g.b.op(Wasm.I64Eqz);
      if (opcode === Wasm.I64Ne) g.b.op(Wasm.I32Eqz);
      return;
    } else g.b.i64Const(imm[pc]);
    g.b.op(opcode);
  };

const compare32 =
  (opcode: Wasm, srcReg: boolean): Emit =>
  (g, pc) => {
    const { dst, src, imm } = g.insns;
    g.get32(dst[pc]);
    if (srcReg) g.get32(src[pc]);
    else g.b.i32Const(imm[pc]);
    g.b.op(opcode);
  };

const test64 =
  (srcReg: boolean): Emit =>
  (g, pc) => {
    compare64(Wasm.I64And, srcReg)(g, pc);
    g.b.i64Const(0);
    g.b.op(Wasm.I64Ne);
  };

const test32 = (srcReg: boolean): Emit => compare32(Wasm.I32And, srcReg);

/** The kernel's loop budget counts down in a slot of the frame; here it is a local that counts up. */
const MAY_GOTO_BUDGET = 8 * 1024 * 1024;

const mayGoto: Emit = (g) => {
  const { b } = g;
  b.localGet(g.budget);
  b.i32Const(1);
  b.op(Wasm.I32Add);
  b.localTee(g.budget);
  b.i32Const(MAY_GOTO_BUDGET);
  b.op(Wasm.I32GtU);
};

const nothing = (_g: Generator, _pc: number): void => undefined;

export const JUMPS = {
  ja: nothing,
  ja32: nothing,
  jeq64_imm: compare64(Wasm.I64Eq, false),
  jeq64_reg: compare64(Wasm.I64Eq, true),
  jgt64_imm: compare64(Wasm.I64GtU, false),
  jgt64_reg: compare64(Wasm.I64GtU, true),
  jge64_imm: compare64(Wasm.I64GeU, false),
  jge64_reg: compare64(Wasm.I64GeU, true),
  jset64_imm: test64(false),
  jset64_reg: test64(true),
  jne64_imm: compare64(Wasm.I64Ne, false),
  jne64_reg: compare64(Wasm.I64Ne, true),
  jsgt64_imm: compare64(Wasm.I64GtS, false),
  jsgt64_reg: compare64(Wasm.I64GtS, true),
  jsge64_imm: compare64(Wasm.I64GeS, false),
  jsge64_reg: compare64(Wasm.I64GeS, true),
  jlt64_imm: compare64(Wasm.I64LtU, false),
  jlt64_reg: compare64(Wasm.I64LtU, true),
  jle64_imm: compare64(Wasm.I64LeU, false),
  jle64_reg: compare64(Wasm.I64LeU, true),
  jslt64_imm: compare64(Wasm.I64LtS, false),
  jslt64_reg: compare64(Wasm.I64LtS, true),
  jsle64_imm: compare64(Wasm.I64LeS, false),
  jsle64_reg: compare64(Wasm.I64LeS, true),
  jeq32_imm: compare32(Wasm.I32Eq, false),
  jeq32_reg: compare32(Wasm.I32Eq, true),
  jgt32_imm: compare32(Wasm.I32GtU, false),
  jgt32_reg: compare32(Wasm.I32GtU, true),
  jge32_imm: compare32(Wasm.I32GeU, false),
  jge32_reg: compare32(Wasm.I32GeU, true),
  jset32_imm: test32(false),
  jset32_reg: test32(true),
  jne32_imm: compare32(Wasm.I32Ne, false),
  jne32_reg: compare32(Wasm.I32Ne, true),
  jsgt32_imm: compare32(Wasm.I32GtS, false),
  jsgt32_reg: compare32(Wasm.I32GtS, true),
  jsge32_imm: compare32(Wasm.I32GeS, false),
  jsge32_reg: compare32(Wasm.I32GeS, true),
  jlt32_imm: compare32(Wasm.I32LtU, false),
  jlt32_reg: compare32(Wasm.I32LtU, true),
  jle32_imm: compare32(Wasm.I32LeU, false),
  jle32_reg: compare32(Wasm.I32LeU, true),
  jslt32_imm: compare32(Wasm.I32LtS, false),
  jslt32_reg: compare32(Wasm.I32LtS, true),
  jsle32_imm: compare32(Wasm.I32LeS, false),
  jsle32_reg: compare32(Wasm.I32LeS, true),
  may_goto: mayGoto,
} as const satisfies Record<string, Emit>;
