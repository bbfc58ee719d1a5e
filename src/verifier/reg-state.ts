/** What a register or a spilled stack slot may hold. */
import type { Bounds } from './bounds.js';
import { UNKNOWN_BOUNDS, ZERO_BOUNDS, Bounds as BoundsClass } from './bounds.js';
import type { SpecialField, VerifierMap } from './input.js';

export const enum RegType {
  NotInit = 0,
  Scalar,
  Ctx,
  MapPtr,
  MapValue,
  MapKey,
  Stack,
  Packet,
  PacketMeta,
  PacketEnd,
  FlowKeys,
  Sock,
  SockCommon,
  TcpSock,
  TpBuffer,
  XdpSock,
  BtfId,
  Mem,
  Arena,
  Buf,
  Func,
  Dynptr,
}

/** Qualities of a pointer. */
export const enum RegFlag {
  None = 0,
  OrNull = 0x1,
  RdOnly = 0x2,
  Ringbuf = 0x4,
  User = 0x8,
  Percpu = 0x10,
  Rcu = 0x20,
  Untrusted = 0x40,
  Trusted = 0x80,
  Alloc = 0x100,
  NonOwning = 0x200,
  /** A slice of a dynptr over an skb or xdp buffer: void when the packet moves. */
  PacketSlice = 0x400,
}

const TYPE_NAMES: Readonly<Record<RegType, string>> = {
  [RegType.NotInit]: '?',
  [RegType.Scalar]: 'scalar',
  [RegType.Ctx]: 'ctx',
  [RegType.MapPtr]: 'map_ptr',
  [RegType.MapValue]: 'map_value',
  [RegType.MapKey]: 'map_key',
  [RegType.Stack]: 'fp',
  [RegType.Packet]: 'pkt',
  [RegType.PacketMeta]: 'pkt_meta',
  [RegType.PacketEnd]: 'pkt_end',
  [RegType.FlowKeys]: 'flow_keys',
  [RegType.Sock]: 'sock',
  [RegType.SockCommon]: 'sock_common',
  [RegType.TcpSock]: 'tcp_sock',
  [RegType.TpBuffer]: 'tp_buffer',
  [RegType.XdpSock]: 'xdp_sock',
  [RegType.BtfId]: 'ptr_',
  [RegType.Mem]: 'mem',
  [RegType.Arena]: 'arena',
  [RegType.Buf]: 'buf',
  [RegType.Func]: 'func',
  [RegType.Dynptr]: 'dynptr_ptr',
};

/** The type as the kernel's log spells it: `map_value_or_null`, `rdonly_mem`, `trusted_ptr_`. */
export function regTypeName(type: RegType, flags: number): string {
  const prefix =
    ((flags & RegFlag.RdOnly) !== 0 ? 'rdonly_' : '') +
    ((flags & RegFlag.Ringbuf) !== 0 ? 'ringbuf_' : '') +
    ((flags & RegFlag.User) !== 0 ? 'user_' : '') +
    ((flags & RegFlag.Percpu) !== 0 ? 'percpu_' : '') +
    ((flags & RegFlag.Rcu) !== 0 ? 'rcu_' : '') +
    ((flags & RegFlag.Untrusted) !== 0 ? 'untrusted_' : '') +
    ((flags & RegFlag.Trusted) !== 0 ? 'trusted_' : '');
  const orNull = (flags & RegFlag.OrNull) === 0 ? '' : type === RegType.BtfId ? 'or_null_' : '_or_null';
  return prefix + TYPE_NAMES[type] + orNull;
}

/** `Reg.range` of a packet pointer that is known to be at, or beyond, the end. */
export const AT_PKT_END = -1;
export const BEYOND_PKT_END = -2;

export type IterState = 'active' | 'drained';
export type DynptrType = 'local' | 'ringbuf' | 'skb' | 'xdp';

/** Immutable once a state holds it: change a `clone()`. */
export class Reg {
  type: RegType;
  flags = 0;
  /** The value of a scalar; the variable part of a pointer's offset. */
  bounds: Bounds;
  /** Fixed part of a pointer's offset; of a linked scalar (`addConst`) its distance from the scalar of the same id. */
  off = 0;
  /** Registers of one id hold the same value (scalars), or came from the same check (packets, or-null pointers). */
  id = 0;
  addConst = false;
  /** Id of the reference that it stands for; 0: none. */
  refObjId = 0;
  /** Bytes from the packet pointer that were checked against the end, or AT_/BEYOND_PKT_END. */
  range = 0;
  /** Bytes of a `mem` region. */
  memSize = 0;
  map: VerifierMap | null = null;
  /** Tells lookups in different inner maps apart. */
  mapUid = 0;
  /** BTF type of a `ptr_`: name and id. */
  btfName = '';
  btfId = 0;
  /** Whether `btfId` is of the program's own BTF (allocated objects), not of the kernel's. */
  btfLocal = false;
  /** Special fields of an allocated object. */
  fields: readonly SpecialField[] = [];
  /** Frame of a stack pointer. */
  frameno = 0;
  /** Subprogram of a function pointer. */
  subprog = 0;
  dynptrType: DynptrType | null = null;
  dynptrFirst = false;
  dynptrId = 0;
  iterKind = '';
  iterState: IterState | null = null;
  iterDepth = 0;
  /** A scalar whose exact value some check relied on. */
  precise = false;

  constructor(type: RegType, bounds: Bounds) {
    this.type = type;
    this.bounds = bounds;
  }

  static scalar(bounds: Bounds): Reg {
    return new Reg(RegType.Scalar, bounds);
  }

  static constant(value: bigint): Reg {
    return new Reg(RegType.Scalar, value === 0n ? ZERO_BOUNDS : BoundsClass.constant(value));
  }

  static pointer(type: RegType, flags: number = RegFlag.None): Reg {
    const reg = new Reg(type, ZERO_BOUNDS);
    reg.flags = flags;
    return reg;
  }

  clone(): Reg {
    return Object.assign(new Reg(this.type, this.bounds), this);
  }

  get isScalar(): boolean {
    return this.type === RegType.Scalar;
  }

  get isPointer(): boolean {
    return this.type !== RegType.Scalar && this.type !== RegType.NotInit;
  }

  get mayBeNull(): boolean {
    return (this.flags & RegFlag.OrNull) !== 0;
  }

  get isPacket(): boolean {
    return this.type === RegType.Packet || this.type === RegType.PacketMeta;
  }

  get isNullScalar(): boolean {
    return this.type === RegType.Scalar && this.bounds.isConst() && this.bounds.tnum.value === 0n;
  }

  has(flag: RegFlag): boolean {
    return (this.flags & flag) !== 0;
  }

  typeName(): string {
    return regTypeName(this.type, this.flags);
  }

  /** A scalar's value where it is known. */
  constValue(): bigint | undefined {
    return this.type === RegType.Scalar && this.bounds.isConst() ? this.bounds.tnum.value : undefined;
  }
}

export const NOT_INIT = new Reg(RegType.NotInit, UNKNOWN_BOUNDS);
export const UNKNOWN_SCALAR = Reg.scalar(UNKNOWN_BOUNDS);
export const ZERO_SCALAR = Reg.scalar(ZERO_BOUNDS);

/** A copy that forgets the links with other scalars. */
export function withoutId(reg: Reg): Reg {
  if (reg.id === 0) return reg;
  const copy = reg.clone();
  copy.id = 0;
  copy.off = 0;
  copy.addConst = false;
  return copy;
}

export function asPrecise(reg: Reg): Reg {
  if (reg.precise) return reg;
  const copy = reg.clone();
  copy.precise = true;
  return copy;
}

export function withBounds(reg: Reg, bounds: Bounds): Reg {
  const copy = reg.clone();
  copy.bounds = bounds;
  return copy;
}
