/** Whether everything that is safe from one state is safe from another: the test that prunes paths. */
import type { Env } from './env.js';
import type { Reg } from './reg-state.js';
import { RegType, UNKNOWN_SCALAR } from './reg-state.js';
import type { Slot } from './stack.js';
import { Byte, byteAt, fill, isScalarSpill64 } from './stack.js';
import type { FuncState, VerifierState } from './state.js';
import { Live } from './state.js';
import { tnumIn } from './tnum.js';

/**
 * `loose`: unread slots and imprecise scalars do not matter. `range`: all matter, ranges may be narrower; for states
 * whose marks are not final yet. `exact`: all must be the same.
 */
export type Exactness = 'loose' | 'range' | 'exact';

/** One-to-one correspondence of the ids of two states, found while they are compared. */
export class IdMap {
  private readonly toNew = new Map<number, number>();
  private readonly used = new Set<number>();
  private fresh = -1;

  same(oldId: number, newId: number): boolean {
    if (oldId === 0 || newId === 0) return oldId === newId;
    const mapped = this.toNew.get(oldId);
    if (mapped !== undefined) return mapped === newId;
    if (this.used.has(newId)) return false;
    this.toNew.set(oldId, newId);
    this.used.add(newId);
    return true;
  }

  /** Links between scalars: the new state may have more of them, not fewer. */
  sameScalar(oldId: number, newId: number): boolean {
    if (oldId === 0) return true;
    return this.same(oldId, newId === 0 ? this.fresh-- : newId);
  }
}

/** The same but for ids, which correspond. */
function sameButIds(a: Reg, b: Reg): boolean {
  return (
    a.type === b.type &&
    a.flags === b.flags &&
    a.off === b.off &&
    a.addConst === b.addConst &&
    a.range === b.range &&
    a.memSize === b.memSize &&
    a.map === b.map &&
    a.mapUid === b.mapUid &&
    a.btfId === b.btfId &&
    a.btfName === b.btfName &&
    a.frameno === b.frameno &&
    a.subprog === b.subprog &&
    a.dynptrType === b.dynptrType &&
    a.iterState === b.iterState
  );
}

export function regsExact(a: Reg, b: Reg, ids: IdMap): boolean {
  return (
    sameButIds(a, b) && a.bounds.equals(b.bounds) && ids.same(a.id, b.id) && ids.same(a.refObjId, b.refObjId)
  );
}

function regSafe(old: Reg, cur: Reg, ids: IdMap, exact: Exactness): boolean {
  if (exact === 'exact') return regsExact(old, cur, ids);
  if (old.type === RegType.NotInit && (exact === 'loose' || cur.type === RegType.NotInit)) return true;
  if (old.type !== cur.type || old.flags !== cur.flags) return false;
  switch (old.type) {
    case RegType.Scalar:
      if (!old.precise && exact === 'loose') return true;
      return scalarSafe(old, cur, ids);
    case RegType.MapKey:
    case RegType.MapValue:
    case RegType.Mem:
    case RegType.Buf:
    case RegType.TpBuffer:
      return (
        sameButIds(old, cur) &&
        within(old, cur) &&
        ids.same(old.id, cur.id) &&
        ids.same(old.refObjId, cur.refObjId)
      );
    case RegType.Packet:
    case RegType.PacketMeta:
      if (old.range < 0 || cur.range < 0 ? old.range !== cur.range : old.range > cur.range) return false;
      return old.off === cur.off && ids.same(old.id, cur.id) && within(old, cur);
    case RegType.Arena:
      return true;
    default:
      return regsExact(old, cur, ids);
  }
}

const within = (old: Reg, cur: Reg): boolean =>
  old.bounds === cur.bounds || (old.bounds.contains(cur.bounds) && tnumIn(old.bounds.tnum, cur.bounds.tnum));

function scalarSafe(old: Reg, cur: Reg, ids: IdMap): boolean {
  if (old.addConst && (!cur.addConst || old.off !== cur.off)) return false;
  if (old.id !== 0 && !old.addConst && cur.addConst) return false;
  return ids.sameScalar(old.id, cur.id) && within(old, cur);
}

const isAllMisc = (slot: Slot): boolean => {
  for (let i = 0; i < 8; i++) {
    const byte = byteAt(slot, i);
    if (byte !== Byte.Misc && byte !== Byte.Invalid) return false;
  }
  return true;
};

/** The scalar that a 64-bit load of the slot would give, where it is one. */
function scalarOf(slot: Slot): Reg | undefined {
  if (isScalarSpill64(slot)) return slot.reg;
  return isAllMisc(slot) ? UNKNOWN_SCALAR : undefined;
}

const NOTHING: Slot = { bytes: fill(Byte.Invalid), reg: UNKNOWN_SCALAR };

function stackSafe(old: FuncState, cur: FuncState, ids: IdMap, exact: Exactness): boolean {
  for (let i = 0; i < old.stack.length; i++) {
    const a = old.stack[i];
    const b = cur.stack[i];
    if (a === b && a.reg.id === 0 && a.reg.refObjId === 0) continue;
    if (exact === 'exact' && (b === undefined || a.bytes !== b.bytes)) return false;
    if (exact === 'loose' && (old.live[i] & Live.Read) === 0) continue;
    if (!slotSafe(a, b ?? NOTHING, b === undefined, ids, exact)) return false;
  }
  return true;
}

function slotSafe(a: Slot, b: Slot, isMissing: boolean, ids: IdMap, exact: Exactness): boolean {
  if (isAllMisc(a) && !isScalarSpill64(b)) return true;
  const oldScalar = scalarOf(a);
  const newScalar = isMissing ? undefined : scalarOf(b);
  if (oldScalar !== undefined && newScalar !== undefined) return regSafe(oldScalar, newScalar, ids, exact);
  for (let i = 0; i < 8; i++) {
    const x = byteAt(a, i);
    if (x === Byte.Invalid || x === Byte.Misc) continue;
    if (isMissing || x !== byteAt(b, i)) return false;
  }
  switch (byteAt(a, 7)) {
    case Byte.Spill:
      return regSafe(a.reg, b.reg, ids, exact);
    case Byte.Dynptr:
      return (
        a.reg.dynptrType === b.reg.dynptrType &&
        a.reg.dynptrFirst === b.reg.dynptrFirst &&
        ids.same(a.reg.refObjId, b.reg.refObjId)
      );
    case Byte.Iter:
      return (
        a.reg.type === b.reg.type &&
        a.reg.flags === b.reg.flags &&
        a.reg.iterKind === b.reg.iterKind &&
        a.reg.iterState === b.reg.iterState &&
        ids.same(a.reg.refObjId, b.reg.refObjId)
      );
    case Byte.Irq:
      return ids.same(a.reg.refObjId, b.reg.refObjId);
    default:
      return true;
  }
}

function refsSafe(old: VerifierState, cur: VerifierState, ids: IdMap): boolean {
  if (
    old.refs.length !== cur.refs.length ||
    old.rcuLocks !== cur.rcuLocks ||
    old.preemptLocks !== cur.preemptLocks ||
    old.activeLocks !== cur.activeLocks ||
    !ids.same(old.activeIrqId, cur.activeIrqId)
  ) {
    return false;
  }
  return old.refs.every((ref, i) => {
    const other = cur.refs[i];
    return ref.kind === other.kind && ref.owner === other.owner && ids.same(ref.id, other.id);
  });
}

/** The slot at which a frame is: the current one, or that of its call. */
export const framePc = (state: VerifierState, frame: number, pc: number): number =>
  frame === state.depth ? pc : state.frames[frame + 1].callsite;

export function sameCallsites(a: VerifierState, b: VerifierState): boolean {
  if (a.frames.length !== b.frames.length) return false;
  return a.frames.every(
    (frame, i) => frame.callsite === b.frames[i].callsite && frame.subprog === b.frames[i].subprog,
  );
}

export function statesEqual(env: Env, old: VerifierState, cur: VerifierState, exact: Exactness): boolean {
  if (!sameCallsites(old, cur) || old.isSleepable !== cur.isSleepable) return false;
  const ids = new IdMap();
  if (!refsSafe(old, cur, ids)) return false;
  for (let f = 0; f < old.frames.length; f++) {
    const a = old.frames[f];
    const b = cur.frames[f];
    if (a.callbackDepth > b.callbackDepth || a.kind !== b.kind) return false;
    const live = env.cfg.liveRegs[framePc(cur, f, env.pc)];
    for (let i = 0; i < 11; i++) {
      if ((live & (1 << i)) !== 0 && !regSafe(a.regs[i], b.regs[i], ids, exact)) return false;
    }
    if (!stackSafe(a, b, ids, exact)) return false;
  }
  return true;
}

/** A quick look at whether two states may be the same moment of an endless loop. */
export function mayLoop(old: VerifierState, cur: VerifierState): boolean {
  if (old.frames.length !== cur.frames.length) return false;
  const a = old.current.regs;
  const b = cur.current.regs;
  return a.every(
    (reg, i) =>
      reg === b[i] || (sameButIds(reg, b[i]) && reg.id === b[i].id && reg.bounds.equals(b[i].bounds)),
  );
}

/** An open iterator has advanced between the two. */
export function iteratorAdvanced(old: VerifierState, cur: VerifierState): boolean {
  return old.frames.some((frame, f) =>
    frame.stack.some((slot, i) => {
      if (byteAt(slot, 0) !== Byte.Iter || slot.reg.iterState !== 'active') return false;
      return cur.frames[f].stack[i]?.reg.iterDepth !== slot.reg.iterDepth;
    }),
  );
}
