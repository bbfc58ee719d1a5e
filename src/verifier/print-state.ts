/** Abstract states as text, in the format of the kernel's log. */
import type { Bounds } from './bounds.js';
import type { Reg } from './reg-state.js';
import { RegFlag, RegType } from './reg-state.js';
import type { Slot } from './stack.js';
import { BYTE_CHAR, Byte, byteAt } from './stack.js';
import type { FuncState, VerifierState } from './state.js';
import type { Tnum } from './tnum.js';
import { S32_MAX, S32_MIN, S64_MAX, S64_MIN, TNUM_UNKNOWN, U32_MAX, U64_MAX, s64, u64 } from './tnum.js';

const hex = (value: bigint): string => `0x${u64(value).toString(16)}`;
const snum = (value: bigint): string => (value >= -32768n && value <= 32767n ? value.toString() : hex(value));
const unum = (value: bigint): string => (value <= 65535n ? value.toString() : hex(value));

/** `var_off` of the log: a constant, or `(value; mask)`. */
export function formatTnum(t: Tnum): string {
  return t.mask === 0n ? unum(t.value) : `(${t.value === 0n ? '0x0' : hex(t.value)}; ${hex(t.mask)})`;
}

/** A signed 32-bit bound as the log's hexadecimal wants it: not sign-extended. */
const s32value = (value: number): bigint =>
  value >= -32768 && value <= 32767 ? BigInt(value) : BigInt(value >>> 0);

/** The eight bounds, equal ones joined: `smin=umin=1,smax=umax=5`. */
function ranges(b: Bounds): string[] {
  const all = [
    { name: 'smin', value: b.smin, omit: b.smin === S64_MIN },
    { name: 'smax', value: b.smax, omit: b.smax === S64_MAX },
    { name: 'umin', value: b.umin, omit: b.umin === 0n },
    { name: 'umax', value: b.umax, omit: b.umax === U64_MAX },
    { name: 'smin32', value: s32value(b.s32min), omit: b.s32min === S32_MIN },
    { name: 'smax32', value: s32value(b.s32max), omit: b.s32max === S32_MAX },
    { name: 'umin32', value: BigInt(b.u32min), omit: b.u32min === 0 },
    { name: 'umax32', value: BigInt(b.u32max), omit: b.u32max === U32_MAX },
  ];
  const isNegative = (e: { name: string; value: bigint }): boolean =>
    e.name.startsWith('s') && s64(e.value) < 0n;
  const parts: string[] = [];
  for (const [i, entry] of all.entries()) {
    if (entry.omit) continue;
    let text = `${entry.name}=`;
    for (let j = i + 2; j < all.length; j += 2) {
      const other = all[j];
      if (other.omit || u64(other.value) !== u64(entry.value) || isNegative(other) !== isNegative(entry))
        continue;
      other.omit = true;
      text += `${other.name}=`;
    }
    parts.push(text + (entry.name.startsWith('s') ? snum(s64(entry.value)) : unum(entry.value)));
  }
  return parts;
}

const HAS_MAP = new Set<RegType>([RegType.MapPtr, RegType.MapKey, RegType.MapValue]);

/** One register: `scalar(umax=4)`, `map_value(map=m,ks=4,vs=8)`, `fp-8`, `5`. */
export function printReg(reg: Reg, frameno: number): string {
  const { bounds } = reg;
  const isScalar = reg.type === RegType.Scalar;
  let text = isScalar && reg.precise ? 'P' : '';
  if (isScalar && bounds.isConst()) return text + snum(s64(bounds.tnum.value));
  text += reg.typeName();
  if (reg.type === RegType.Arena) return text;
  if (reg.type === RegType.Stack) {
    if (reg.frameno !== frameno) text += `[${reg.frameno}]`;
    if (bounds.isConst()) return text + snum(s64(bounds.tnum.value) + BigInt(reg.off));
  }
  if (reg.type === RegType.BtfId) text += reg.btfName;
  return `${text}(${details(reg).join(',')})`;
}

function details(reg: Reg): string[] {
  const { bounds } = reg;
  const parts: string[] = [];
  if (reg.id !== 0) parts.push(`id=${reg.id}${reg.addConst ? `+${reg.off}` : ''}`);
  if (reg.refObjId !== 0) parts.push(`ref_obj_id=${reg.refObjId}`);
  if (reg.has(RegFlag.NonOwning)) parts.push('non_own_ref');
  if (HAS_MAP.has(reg.type) && reg.map !== null) {
    if (reg.map.name !== '') parts.push(`map=${reg.map.name.slice(0, 15)}`);
    parts.push(`ks=${reg.map.keySize},vs=${reg.map.valueSize}`);
  }
  if (reg.type !== RegType.Scalar && reg.off !== 0) parts.push(`off=${snum(BigInt(reg.off))}`);
  if (reg.isPacket) parts.push(`r=${unum(u64(BigInt(reg.range)))}`);
  if (reg.type === RegType.Mem) parts.push(`sz=${unum(BigInt(reg.memSize))}`);
  if (reg.type === RegType.Dynptr) parts.push(`type=${reg.dynptrType ?? '<invalid>'}`);
  if (bounds.isConst()) {
    if (bounds.tnum.value !== 0n) parts.push(`imm=${snum(s64(bounds.tnum.value))}`);
  } else {
    parts.push(...ranges(bounds));
    if (bounds.tnum.mask !== TNUM_UNKNOWN.mask) parts.push(`var_off=${formatTnum(bounds.tnum)}`);
  }
  return parts;
}

/** A frame: ` frame1: R0=... fp-8=... refs=2`; only the registers and slots that the filters choose. */
export function printFrame(
  state: VerifierState,
  frame: FuncState,
  wantsReg: (regno: number) => boolean,
  wantsSlot: (slot: number) => boolean,
): string {
  let text = frame.frameno === 0 ? '' : ` frame${frame.frameno}:`;
  for (const [regno, reg] of frame.regs.entries()) {
    if (reg.type === RegType.NotInit || !wantsReg(regno)) continue;
    text += ` R${regno}=${printReg(reg, frame.frameno)}`;
  }
  for (let i = 0; i < frame.stack.length; i++) {
    const slot = frame.stack[i];
    if (!wantsSlot(i) || slot.bytes === 0) continue;
    text += printSlot(slot, i, frame.frameno);
  }
  const refs = state.refs.filter((ref) => ref.id !== 0);
  if (refs.length > 0) text += ` refs=${refs.map((ref) => ref.id).join(',')}`;
  if (frame.kind === 'sync_callback') text += ' cb';
  if (frame.kind === 'async_callback') text += ' async_cb';
  return text;
}

function printSlot(slot: Slot, index: number, frameno: number): string {
  const at = ` fp${-8 * (index + 1)}=`;
  const { reg } = slot;
  const chars = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => BYTE_CHAR[byteAt(slot, i)]);
  switch (byteAt(slot, 7)) {
    case Byte.Spill:
      return at + chars.slice(0, chars.indexOf('r')).join('') + printReg(reg, frameno);
    case Byte.Dynptr: {
      if (!reg.dynptrFirst) return '';
      const parts: string[] = [];
      if (reg.id !== 0) parts.push(`id=${reg.id}`);
      if (reg.refObjId !== 0) parts.push(`ref_id=${reg.refObjId}`);
      if (reg.dynptrId !== 0) parts.push(`dynptr_id=${reg.dynptrId}`);
      return `${at}dynptr_${reg.dynptrType ?? '<invalid>'}(${parts.join(',')})`;
    }
    case Byte.Iter:
      if (reg.refObjId === 0) return '';
      return `${at}iter_${reg.iterKind}(ref_id=${reg.refObjId},state=${reg.iterState ?? '<invalid>'},depth=${reg.iterDepth})`;
    default:
      return at + chars.join('');
  }
}
