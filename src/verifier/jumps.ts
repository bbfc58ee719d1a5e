/** Conditional jumps: which ways may be taken, and what each way teaches about registers. */
import type { JmpCond, OpRow } from '../isa/ops.js';
import { settle } from './alu.js';
import type { Bounds } from './bounds.js';
import type { Cond } from './branch.js';
import { FLIPPED, NEGATED, isBranchTaken, refine } from './branch.js';
import { MAX_PACKET_OFF, MAX_VAR_OFF } from './env.js';
import type { Env } from './env.js';
import { findLoopEntry, widenImprecise } from './widen.js';
import { pushPath } from './paths.js';
import { markPrecise, pushHistory } from './precision.js';
import { AT_PKT_END, BEYOND_PKT_END, Reg, RegFlag, RegType, withoutId } from './reg-state.js';
import { dropRef } from './refs.js';
import { assertInit } from './registers.js';
import { aluBounds } from './scalar-alu.js';
import { isSpill } from './stack.js';
import type { LinkedReg, VerifierState } from './state.js';

/** Returns the slot to continue at. */
export function checkJump(env: Env, row: OpRow): number {
  const next = jump(env, row);
  if (row.kind === 'jcc') env.log.flushState(env.state);
  return next;
}

function jump(env: Env, row: OpRow): number {
  const { insns, pc } = env;
  const target = insns.target[pc];
  if (row.kind === 'may_goto') return mayGoto(env, target);
  const cond = row.sub as JmpCond;
  const is32 = row.width === 32;
  const dst = insns.dst[pc];
  const src = row.srcReg ? insns.src[pc] : -1;
  assertInit(env, dst);
  if (src >= 0) assertInit(env, src);
  const left = env.reg(dst);
  const right = src >= 0 ? env.reg(src) : Reg.constant(BigInt(insns.imm[pc]));
  if (src >= 0 && left.type === RegType.Stack && right.type !== RegType.NotInit)
    noteStackOperands(env, dst, src);
  const taken = predict(left, right, cond, is32);
  if (taken !== undefined) {
    if (left.isScalar) markPrecise(env, dst);
    if (src >= 0 && right.isScalar) markPrecise(env, src);
    return taken ? target : pc + 1;
  }
  const linked = linkedWith(env, left, right, src);
  if (linked.length > 1) pushHistory(env, -1, -1, linked);
  const other = pushPath(env, target, pc);
  if (left.isScalar && right.isScalar)
    learnScalars(env, other, { dst, src, left, right, cond, is32, linked });
  if (!is32) learnPointers(env, other, dst, src, cond);
  return pc + 1;
}

/** A stack pointer is no scalar whose precision matters. */
function noteStackOperands(env: Env, dst: number, src: number): void {
  pushHistory(env, -1, -1);
  let mask = 0;
  if (env.reg(dst).type === RegType.Stack) mask |= 1 << dst;
  if (env.reg(src).type === RegType.Stack) mask |= 1 << src;
  env.historyEntry!.stackOperands |= mask;
}

function mayGoto(env: Env, target: number): number {
  const previous = findLoopEntry(env, env.pc, env.state.parent);
  const queued = pushPath(env, env.pc + 1, env.pc);
  queued.mayGotoDepth++;
  if (previous !== null) widenImprecise(previous, queued);
  return target;
}

const isPacketAny = (reg: Reg): boolean => reg.isPacket || reg.type === RegType.PacketEnd;

function predict(left: Reg, right: Reg, cond: Cond, is32: boolean): boolean | undefined {
  if (isPacketAny(left) && isPacketAny(right) && !is32) return predictPacket(left, right, cond);
  if (left.isScalar && right.isScalar) return isBranchTaken(left.bounds, right.bounds, cond, is32);
  if (is32) return undefined;
  const [ptr, value] = right.constValue() === undefined ? [right, left] : [left, right];
  if (value.constValue() !== 0n || !isNotNull(ptr)) return undefined;
  if (cond === 'jeq') return false;
  return cond === 'jne' ? true : undefined;
}

const NEVER_NULL = new Set<RegType>([
  RegType.Sock,
  RegType.TcpSock,
  RegType.XdpSock,
  RegType.Buf,
  RegType.MapValue,
  RegType.MapKey,
  RegType.SockCommon,
  RegType.Mem,
  RegType.MapPtr,
]);

export function isNotNull(reg: Reg): boolean {
  if (reg.mayBeNull || !reg.isPointer) return false;
  const limit = BigInt(MAX_VAR_OFF);
  if (reg.bounds.smin <= -limit || reg.bounds.smax >= limit) return false;
  if (reg.type === RegType.BtfId) return isTrusted(reg);
  return NEVER_NULL.has(reg.type);
}

/** A pointer that certainly names a live object. */
export function isTrusted(reg: Reg): boolean {
  if (reg.refObjId !== 0) return true;
  if (reg.type === RegType.Sock || reg.type === RegType.SockCommon || reg.type === RegType.TcpSock)
    return reg.flags === 0;
  const safe = RegFlag.Trusted | RegFlag.Alloc | RegFlag.NonOwning;
  return (reg.flags & safe) !== 0 && (reg.flags & ~safe & ~RegFlag.Rcu) === 0;
}

function predictPacket(left: Reg, right: Reg, cond: Cond): boolean | undefined {
  const isEndRight = right.type === RegType.PacketEnd;
  if (!isEndRight && left.type !== RegType.PacketEnd) return undefined;
  const packet = isEndRight ? left : right;
  const op = isEndRight ? cond : FLIPPED[cond];
  if (packet.range >= 0) return undefined;
  const isBeyond = packet.range === BEYOND_PKT_END;
  if ((op === 'jle' || op === 'jgt') && isBeyond) return op === 'jgt';
  if ((op === 'jlt' || op === 'jge') && (isBeyond || packet.range === AT_PKT_END)) return op === 'jge';
  return undefined;
}

interface Comparison {
  readonly dst: number;
  readonly src: number;
  readonly left: Reg;
  readonly right: Reg;
  readonly cond: Cond;
  readonly is32: boolean;
  readonly linked: readonly LinkedReg[];
}

/** At most as many as the kernel's history entry has room for; the others lose their id. */
const MAX_LINKED = 6;

function linkedWith(env: Env, left: Reg, right: Reg, src: number): LinkedReg[] {
  const linked: LinkedReg[] = [];
  if (src >= 0 && right.isScalar && right.id !== 0) collect(env.state, right.id, linked);
  if (left.isScalar && left.id !== 0) collect(env.state, left.id, linked);
  return linked;
}

function collect(state: VerifierState, id: number, linked: LinkedReg[]): void {
  for (let f = state.depth; f >= 0; f--) {
    const { regs, stack } = state.frames[f];
    for (let i = 0; i < 10; i++) {
      const reg = regs[i];
      if (reg.id !== id || !reg.isScalar) continue;
      if (linked.length < MAX_LINKED) linked.push({ frame: f, index: i, isReg: true });
      else regs[i] = withoutId(reg);
    }
    for (let i = 0; i < stack.length; i++) {
      const slot = stack[i];
      if (!isSpill(slot) || slot.reg.id !== id || !slot.reg.isScalar) continue;
      if (linked.length < MAX_LINKED) linked.push({ frame: f, index: i, isReg: false });
      else stack[i] = { bytes: slot.bytes, reg: withoutId(slot.reg) };
    }
  }
}

function learnScalars(env: Env, other: VerifierState, c: Comparison): void {
  const apply = (state: VerifierState, cond: Cond): void => {
    const { regs } = state.current;
    const a = c.left.bounds.clone();
    const isSame = c.src === c.dst;
    const b = isSame ? a : c.right.bounds.clone();
    refine(a, b, cond, c.is32);
    a.sync();
    if (!isSame) b.sync();
    regs[c.dst] = narrowed(regs[c.dst], a);
    if (c.src >= 0 && !isSame) regs[c.src] = narrowed(regs[c.src], b);
  };
  apply(env.state, NEGATED[c.cond]);
  apply(other, c.cond);
  env.log.touchReg(c.dst);
  if (c.src >= 0) env.log.touchReg(c.src);
  for (const state of [env.state, other]) {
    const { regs } = state.current;
    if (c.src >= 0 && c.right.id !== 0) syncLinked(state, regs[c.src], c.linked);
    if (c.left.id !== 0) syncLinked(state, regs[c.dst], c.linked);
  }
  settle(env, c.dst);
}

/** Contradictory bounds: the way cannot be taken; the register is left unbounded rather than empty. */
function narrowed(reg: Reg, bounds: Bounds): Reg {
  const copy = reg.clone();
  if (bounds.isEmpty()) {
    const whole = bounds.clone();
    whole.setUnbounded64();
    whole.setUnbounded32();
    copy.bounds = whole;
  } else copy.bounds = bounds;
  return copy;
}

/** What was learnt of one register holds of all with its id, and with a shift of those a constant away. */
export function syncLinked(state: VerifierState, known: Reg, linked: readonly LinkedReg[]): void {
  for (const { frame, index, isReg } of linked) {
    const owner = state.frames[frame];
    const slot = isReg ? undefined : owner.stack[index];
    const reg = slot === undefined ? owner.regs[index] : slot.reg;
    if (reg === known || !reg.isScalar || reg.id !== known.id) continue;
    const distance = (reg.addConst ? reg.off : 0) - (known.addConst ? known.off : 0);
    const isEqual = (!reg.addConst && !known.addConst) || (reg.addConst === known.addConst && distance === 0);
    const copy = known.clone();
    copy.addConst = isEqual ? known.addConst : reg.addConst;
    copy.off = isEqual ? known.off : reg.off;
    if (!isEqual) copy.bounds = shifted(known.bounds, distance);
    if (slot === undefined) owner.regs[index] = copy;
    else owner.stack[index] = { bytes: slot.bytes, reg: copy };
  }
}

function shifted(bounds: Bounds, by: number): Bounds {
  return aluBounds('add', 64, bounds, Reg.constant(BigInt(by)).bounds);
}

function learnPointers(env: Env, other: VerifierState, dst: number, src: number, cond: JmpCond): void {
  const left = env.reg(dst);
  if (src >= 0) {
    const right = env.reg(src);
    if (left.isPointer && right.isPointer && left.type !== RegType.BtfId && right.type !== RegType.BtfId) {
      const equal = cond === 'jeq' ? other : cond === 'jne' ? env.state : undefined;
      if (equal !== undefined) learnEqualPointers(equal, dst, src, left, right);
    }
    learnPacket(env, other, dst, src, cond);
    return;
  }
  if (env.insns.imm[env.pc] === 0 && (cond === 'jeq' || cond === 'jne') && left.mayBeNull) {
    markNullness(env.state, left, cond === 'jne');
    markNullness(other, left, cond === 'jeq');
    env.log.touchReg(dst);
  }
}

function learnEqualPointers(state: VerifierState, dst: number, src: number, left: Reg, right: Reg): void {
  const { regs } = state.current;
  if (isNotNull(left) && right.mayBeNull) regs[src] = notNull(regs[src]);
  if (isNotNull(right) && left.mayBeNull) regs[dst] = notNull(regs[dst]);
}

/** The pointer without its doubt: a map's inner map, a map's socket, or simply the same. */
export function notNull(reg: Reg): Reg {
  const copy = reg.clone();
  copy.flags &= ~RegFlag.OrNull;
  if (reg.type !== RegType.MapValue) return copy;
  const { map } = reg;
  if (map?.inner !== undefined) {
    copy.type = RegType.MapPtr;
    copy.map = map.inner;
    // Locks and timers of inner maps are told apart by the lookup that gave the map.
    if (
      map.inner.fields.some((f) =>
        ['timer', 'wq', 'spin_lock', 'task_work', 'res_spin_lock'].includes(f.kind),
      )
    )
      copy.mapUid = reg.id;
  } else if (map !== null && isXskmap(map.type)) copy.type = RegType.XdpSock;
  else if (map !== null && isSockMap(map.type)) copy.type = RegType.Sock;
  return copy;
}

const isXskmap = (type: number): boolean => type === 17;
const isSockMap = (type: number): boolean => type === 15 || type === 18;

const mayHoldLock = (reg: Reg): boolean =>
  (reg.type === RegType.MapValue && reg.map?.fields.some((f) => f.kind.endsWith('spin_lock')) === true) ||
  (reg.type === RegType.BtfId && reg.has(RegFlag.Alloc));

/** Every copy of a pointer that was compared with NULL becomes NULL or valid. */
export function markNullness(state: VerifierState, of: Reg, isNull: boolean): void {
  const { id, refObjId } = of;
  if (isNull && refObjId !== 0 && refObjId === id) dropRef(state, id);
  state.mapRegs((reg) => {
    if (!reg.mayBeNull || reg.id !== id || id === 0) return reg;
    if (isNull) {
      const zero = reg.clone();
      zero.type = RegType.Scalar;
      zero.flags = 0;
      zero.id = 0;
      zero.refObjId = 0;
      zero.off = 0;
      zero.map = null;
      return zero;
    }
    const valid = notNull(reg);
    if (!mayHoldLock(valid)) valid.id = 0;
    return valid;
  });
}

const isFreshPacket = (reg: Reg): boolean =>
  reg.type === RegType.Packet && reg.off === 0 && reg.bounds.isConst() && reg.bounds.tnum.value === 0n;

/** `pkt + N` compared with the end: on one way N bytes are there, on the other it is known how they are not. */
function learnPacket(env: Env, other: VerifierState, dst: number, src: number, cond: JmpCond): void {
  if (cond !== 'jgt' && cond !== 'jlt' && cond !== 'jge' && cond !== 'jle') return;
  const left = env.reg(dst);
  const right = env.reg(src);
  const isLeftPacket =
    (left.type === RegType.Packet && right.type === RegType.PacketEnd) ||
    (left.type === RegType.PacketMeta && isFreshPacket(right));
  const isRightPacket =
    (left.type === RegType.PacketEnd && right.type === RegType.Packet) ||
    (isFreshPacket(left) && right.type === RegType.PacketMeta);
  if (!isLeftPacket && !isRightPacket) return;
  const packet = isLeftPacket ? left : right;
  const regno = isLeftPacket ? dst : src;
  // In terms of `packet OP end`.
  const op = isLeftPacket ? cond : FLIPPED[cond];
  const within = op === 'jgt' || op === 'jge' ? env.state : other;
  const beyond = within === env.state ? other : env.state;
  const isStrict = op === 'jge' || op === 'jlt';
  extendRange(within, packet, isStrict);
  markPacketEnd(beyond, regno, !isStrict);
}

/** Pointers of the same id may now be read up to the compared offset. */
function extendRange(state: VerifierState, packet: Reg, isStrict: boolean): void {
  if (packet.off < 0 || (packet.off === 0 && isStrict)) return;
  const { umax } = packet.bounds;
  if (umax > BigInt(MAX_PACKET_OFF) || umax + BigInt(packet.off) > BigInt(MAX_PACKET_OFF)) return;
  const range = packet.off + (isStrict ? 1 : 0);
  state.mapRegs((reg) => {
    if (reg.type !== packet.type || reg.id !== packet.id || reg.range >= range) return reg;
    const copy = reg.clone();
    copy.range = range;
    return copy;
  });
}

function markPacketEnd(state: VerifierState, regno: number, isBeyond: boolean): void {
  const reg = state.current.regs[regno];
  if (reg.type !== RegType.Packet) return;
  const copy = reg.clone();
  copy.range = isBeyond ? BEYOND_PKT_END : AT_PKT_END;
  state.current.regs[regno] = copy;
}
