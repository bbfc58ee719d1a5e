/** ALU instructions: scalars by their bounds, pointers by what may be added to them. */
import { Errno } from '../errors.js';
import type { AluOp, OpRow } from '../isa/ops.js';
import { OPERATOR } from '../isa/ops.js';
import { Bounds } from './bounds.js';
import { MAX_VAR_OFF } from './env.js';
import type { Env } from './env.js';
import { markPrecise } from './precision.js';
import { Reg, RegType, UNKNOWN_SCALAR, regTypeName, withBounds, withoutId } from './reg-state.js';
import { assertInit, assertWritableReg } from './registers.js';
import { aluBounds, signExtend, zeroExtend } from './scalar-alu.js';
import { ensureId } from './stack-access.js';
import { pushPath } from './paths.js';
import { S64_MAX, S64_MIN, U64_MAX, s64, tnumAdd, tnumSub } from './tnum.js';

/** Marks a register whose views contradict each other as unbounded, as on a branch that cannot be taken. */
export function settle(env: Env, regno: number): void {
  const reg = env.reg(regno);
  if (reg.type !== RegType.Scalar || !reg.bounds.isEmpty()) return;
  env.state.current.regs[regno] = withBounds(reg, new Bounds());
}

export function checkAlu(env: Env, row: OpRow): void {
  const dst = env.insns.dst[env.pc];
  switch (row.kind) {
    case 'neg':
    case 'end':
      unary(env, row, dst);
      break;
    case 'movsx':
      moveSigned(env, row, dst);
      break;
    case 'addr_space_cast':
      castAddressSpace(env, dst);
      break;
    default:
      if (row.sub === 'mov') move(env, row, dst);
      else binary(env, row, dst);
  }
  settle(env, dst);
}

function unary(env: Env, row: OpRow, dst: number): void {
  assertInit(env, dst);
  assertWritableReg(env, dst);
  const reg = env.reg(dst);
  if (row.kind === 'neg' && reg.isScalar) {
    const zero = Bounds.constant(0n);
    env.setReg(dst, Reg.scalar(aluBounds('sub', row.width as 32 | 64, zero, reg.bounds)));
  } else env.setReg(dst, UNKNOWN_SCALAR);
}

function move(env: Env, row: OpRow, dst: number): void {
  if (!row.srcReg) {
    assertWritableReg(env, dst);
    const imm = env.insns.imm[env.pc];
    env.setReg(dst, Reg.constant(row.width === 64 ? BigInt(imm) : BigInt(imm >>> 0)));
    return;
  }
  const src = env.insns.src[env.pc];
  assertInit(env, src);
  assertWritableReg(env, dst);
  const from = env.reg(src);
  if (row.width === 64) {
    env.setReg(dst, ensureId(env, src));
    return;
  }
  if (!from.isScalar) {
    env.setReg(dst, zeroExtended(UNKNOWN_SCALAR));
    return;
  }
  const isU32 = from.bounds.umax <= 0xffff_ffffn;
  env.setReg(dst, zeroExtended(isU32 ? ensureId(env, src) : withoutId(from)));
}

const zeroExtended = (reg: Reg): Reg => withBounds(reg, zeroExtend(reg.bounds, 4));

function moveSigned(env: Env, row: OpRow, dst: number): void {
  const src = env.insns.src[env.pc];
  const bits = env.insns.off[env.pc];
  assertInit(env, src);
  assertWritableReg(env, dst);
  const from = env.reg(src);
  const width = row.width as 32 | 64;
  if (!from.isScalar) {
    env.setReg(dst, width === 64 ? UNKNOWN_SCALAR : zeroExtended(UNKNOWN_SCALAR));
    return;
  }
  const isUnchanged = from.bounds.umax < 1n << BigInt(bits - 1);
  const base = isUnchanged ? ensureId(env, src) : withoutId(from);
  env.setReg(dst, withBounds(base, signExtend(base.bounds, bits / 8, width)));
}

function castAddressSpace(env: Env, dst: number): void {
  const src = env.insns.src[env.pc];
  const imm = env.insns.imm[env.pc];
  if (imm !== 1 && imm !== 1 << 16) {
    env.reject(Errno.EINVAL, 'addr_space_cast insn can only convert between address space 1 and 0');
  }
  if (!env.hasArena) {
    env.reject(
      Errno.EINVAL,
      'addr_space_cast insn can only be used in a program that has an associated arena',
    );
  }
  assertInit(env, src);
  assertWritableReg(env, dst);
  env.setReg(dst, imm === 1 ? Reg.pointer(RegType.Arena) : UNKNOWN_SCALAR);
}

function binary(env: Env, row: OpRow, dst: number): void {
  const sub = row.sub as AluOp;
  const imm = env.insns.imm[env.pc];
  if (row.srcReg) assertInit(env, env.insns.src[env.pc]);
  assertInit(env, dst);
  if (!row.srcReg) assertImmediate(env, sub, row.width, imm);
  assertWritableReg(env, dst);
  const width = row.width as 32 | 64;
  const left = env.reg(dst);
  if (!row.srcReg) {
    const right = Reg.constant(BigInt(imm));
    if (left.isScalar) scalars(env, sub, width, dst, left, right);
    else if (left.type !== RegType.Arena) pointer(env, sub, width, dst, left, right, true);
    return;
  }
  const src = env.insns.src[env.pc];
  const right = env.reg(src);
  if (left.type === RegType.Arena || right.type === RegType.Arena) {
    env.setReg(dst, Reg.pointer(RegType.Arena));
  } else if (!right.isScalar && !left.isScalar) {
    if (sub !== 'sub') {
      env.reject(Errno.EACCES, `R${dst} pointer ${OPERATOR[sub]} pointer prohibited`);
    }
    env.setReg(dst, UNKNOWN_SCALAR);
  } else if (!right.isScalar) {
    markPrecise(env, dst);
    pointer(env, sub, width, dst, right, left, false);
  } else if (!left.isScalar) {
    markPrecise(env, src);
    pointer(env, sub, width, dst, left, right, true);
  } else {
    if (left.precise) markPrecise(env, src);
    scalars(env, sub, width, dst, left, right);
  }
}

function assertImmediate(env: Env, sub: AluOp, width: number, imm: number): void {
  if ((sub === 'div' || sub === 'mod' || sub === 'sdiv' || sub === 'smod') && imm === 0) {
    env.reject(Errno.EINVAL, 'div by zero');
  }
  if ((sub === 'lsh' || sub === 'rsh' || sub === 'arsh') && (imm < 0 || imm >= width)) {
    env.reject(Errno.EINVAL, `invalid shift ${imm}`);
  }
}

function scalars(env: Env, sub: AluOp, width: 32 | 64, dst: number, left: Reg, right: Reg): void {
  let start = left;
  if ((sub === 'and' || sub === 'or') && right.bounds.isConst()) start = forkMask(env, dst, left);
  const result = start.clone();
  result.bounds = aluBounds(sub, width, start.bounds, right.bounds);
  // dst was a copy of another register: dst == that + constant is remembered for later conditions.
  const isSame = env.row.srcReg && env.insns.src[env.pc] === dst;
  const delta = right.bounds.isConst() ? right.bounds.tnum.value : undefined;
  const isLink = sub === 'add' && width === 64 && result.id !== 0 && delta !== undefined && !isSame;
  if (isLink && !result.addConst && delta <= 0x7fff_ffffn) {
    result.addConst = true;
    result.off = Number(delta);
  } else {
    result.id = 0;
    result.off = 0;
    result.addConst = false;
  }
  env.setReg(dst, result);
}

/** A value that is 0 or -1, as `x s>> 63` gives, is best masked by looking at both apart. */
function forkMask(env: Env, dst: number, reg: Reg): Reg {
  const { bounds } = reg;
  const is64 = bounds.smin === -1n && bounds.smax === 0n;
  const is32 = bounds.s32min === -1 && bounds.s32max === 0;
  if (!is64 && !is32) return reg;
  const branch = pushPath(env, env.pc, env.pc);
  const known = (value: number): Reg => {
    const copy = reg.clone();
    copy.bounds = bounds.clone();
    if (is64) copy.bounds.setConst(BigInt(value));
    else copy.bounds.setConst32(value);
    return copy;
  };
  branch.current.regs[dst] = known(0);
  const other = known(-1);
  env.state.current.regs[dst] = other;
  return other;
}

const MOVABLE = new Set<RegType>([
  RegType.Ctx,
  RegType.MapValue,
  RegType.MapKey,
  RegType.Stack,
  RegType.PacketMeta,
  RegType.Packet,
  RegType.TpBuffer,
  RegType.BtfId,
  RegType.Mem,
  RegType.Buf,
  RegType.Func,
  RegType.Dynptr,
]);

/** Refuses offsets that later arithmetic could not tell apart from overflows. */
function assertSane(env: Env, reg: Reg, type: RegType, flags: number): void {
  const { bounds } = reg;
  const name = regTypeName(type, flags);
  const limit = BigInt(MAX_VAR_OFF);
  const value = s64(bounds.tnum.value);
  if (bounds.isConst() && (value >= limit || value <= -limit)) {
    env.reject(Errno.EINVAL, `math between ${name} pointer and ${value} is not allowed`);
  }
  if (reg.off >= MAX_VAR_OFF || reg.off <= -MAX_VAR_OFF) {
    env.reject(Errno.EINVAL, `${name} pointer offset ${reg.off} is not allowed`);
  }
  if (bounds.smin === S64_MIN) {
    env.reject(
      Errno.EINVAL,
      `math between ${name} pointer and register with unbounded min value is not allowed`,
    );
  }
  if (bounds.smin >= limit || bounds.smin <= -limit) {
    env.reject(Errno.EINVAL, `value ${bounds.smin} makes ${name} pointer be out of bounds`);
  }
}

function assertMovable(env: Env, dst: number, ptr: Reg, offset: Reg, sub: AluOp): void {
  if (ptr.mayBeNull) {
    env.reject(
      Errno.EACCES,
      `R${dst} pointer arithmetic on ${ptr.typeName()} prohibited, null-check it first`,
    );
  }
  if (MOVABLE.has(ptr.type)) return;
  const isKnown = offset.bounds.isConst();
  if (ptr.type === RegType.FlowKeys && isKnown) return;
  const isZero = isKnown && offset.bounds.smin === 0n && sub === 'add';
  if ((ptr.type === RegType.MapPtr || ptr.type === RegType.FlowKeys) && isZero) return;
  env.reject(Errno.EACCES, `R${dst} pointer arithmetic on ${ptr.typeName()} prohibited`);
}

/** `dst = ptr OP offset`; `isLeft`: the pointer is the left operand. */
function pointer(
  env: Env,
  sub: AluOp,
  width: 32 | 64,
  dst: number,
  ptr: Reg,
  offset: Reg,
  isLeft: boolean,
): void {
  const o = offset.bounds;
  const isKnown = o.isConst();
  if ((isKnown && (o.smin !== o.smax || o.umin !== o.umax)) || o.smin > o.smax || o.umin > o.umax) {
    env.setReg(dst, UNKNOWN_SCALAR);
    return;
  }
  if (width === 32) {
    if (sub !== 'sub') env.reject(Errno.EACCES, `R${dst} 32-bit pointer arithmetic prohibited`);
    env.setReg(dst, UNKNOWN_SCALAR);
    return;
  }
  assertMovable(env, dst, ptr, offset, sub);
  assertSane(env, offset, ptr.type, ptr.flags);
  assertSane(env, ptr, ptr.type, ptr.flags);
  if (sub === 'sub' && !isLeft) {
    env.reject(Errno.EACCES, `R${dst} tried to subtract pointer from scalar`);
  }
  if (sub === 'sub' && ptr.type === RegType.Stack) {
    env.reject(Errno.EACCES, `R${dst} subtraction from stack pointer prohibited`);
  }
  const result = sub === 'add' || sub === 'sub' ? moved(env, sub, ptr, o) : undefined;
  if (result === undefined) {
    const kind = sub === 'and' || sub === 'or' || sub === 'xor' ? 'bitwise' : 'other';
    env.reject(
      Errno.EACCES,
      kind === 'bitwise'
        ? `R${dst} bitwise operator ${OPERATOR[sub]} on pointer prohibited`
        : `R${dst} pointer arithmetic with ${OPERATOR[sub]} operator prohibited`,
    );
  }
  assertSane(env, result, ptr.type, ptr.flags);
  env.setReg(dst, result);
}

function moved(env: Env, sub: 'add' | 'sub', ptr: Reg, o: Bounds): Reg {
  const result = ptr.clone();
  const fixed = ptr.off + (sub === 'add' ? Number(o.smin) : -Number(o.smin));
  if (o.isConst() && fixed === (fixed | 0)) {
    result.off = fixed;
    return result;
  }
  const b = ptr.bounds.clone();
  if (sub === 'add') {
    setSigned(b, b.smin + o.smin, b.smax + o.smax);
    setUnsigned(b, b.umin + o.umin, b.umax + o.umax);
    b.tnum = tnumAdd(b.tnum, o.tnum);
  } else {
    setSigned(b, b.smin - o.smax, b.smax - o.smin);
    setUnsigned(b, b.umin - o.umax, b.umax - o.umin);
    b.tnum = tnumSub(b.tnum, o.tnum);
  }
  b.setUnbounded32();
  if (ptr.isPacket) {
    result.id = env.nextId();
    if (sub === 'add' || o.smin < 0n) result.range = 0;
  }
  b.sync();
  result.bounds = b;
  return result;
}

function setSigned(b: Bounds, min: bigint, max: bigint): void {
  const isOk = min >= S64_MIN && max <= S64_MAX;
  b.smin = isOk ? min : S64_MIN;
  b.smax = isOk ? max : S64_MAX;
}

function setUnsigned(b: Bounds, min: bigint, max: bigint): void {
  const isOk = min >= 0n && max <= U64_MAX;
  b.umin = isOk ? min : 0n;
  b.umax = isOk ? max : U64_MAX;
}
