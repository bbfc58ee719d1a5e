/** What a read of a context or socket field gives, from the tables of layouts. */
import type { CtxField, FieldReg } from '../progs/ctx/field.js';
import { accessField } from '../progs/ctx/field.js';
import { BPF_SOCK, BPF_SOCK_COMMON, BPF_TCP_SOCK, BPF_XDP_SOCK } from '../progs/ctx/layouts.js';
import { ctxAccess as tableAccess } from '../progs/prog-table.js';
import { ProgType } from '../progs/prog-types.js';
import type { AttachType } from '../progs/prog-types.js';
import { RegFlag, RegType } from './reg-state.js';

export interface CtxAccess {
  readonly off: number;
  /** Bytes: 1, 2, 4, 8. */
  readonly size: number;
  readonly isWrite: boolean;
  /** A sign-extending load. */
  readonly isSigned: boolean;
}

/** What a read gives; for writes only whether it is allowed. */
export interface CtxValue {
  readonly type: RegType;
  readonly flags?: number;
  readonly btfName?: string;
  /** Largest and smallest value, where they are known. */
  readonly range?: { readonly min: number; readonly max: number };
}

const VALUES: Readonly<Record<FieldReg, CtxValue>> = {
  scalar: { type: RegType.Scalar },
  pkt: { type: RegType.Packet },
  pkt_meta: { type: RegType.PacketMeta },
  pkt_end: { type: RegType.PacketEnd },
  sock: { type: RegType.Sock },
  sock_or_null: { type: RegType.Sock, flags: RegFlag.OrNull },
  sock_common_or_null: { type: RegType.SockCommon, flags: RegFlag.OrNull },
  flow_keys: { type: RegType.FlowKeys },
  btf: { type: RegType.BtfId, flags: RegFlag.Trusted },
};

const valueOf = (field: CtxField): CtxValue =>
  field.btf === undefined ? VALUES[field.reg] : { ...VALUES[field.reg], btfName: field.btf };

const MAX_TRACE_ARGS = 12;

/** `struct bpf_iter__sockmap`: what an iterator over a sockmap or sockhash is called with. */
const SOCKMAP_ITERATOR: Readonly<Record<number, CtxValue>> = {
  0: { type: RegType.BtfId, flags: RegFlag.Trusted, btfName: 'bpf_iter_meta' },
  8: { type: RegType.BtfId, flags: RegFlag.Trusted, btfName: 'bpf_map' },
  16: { type: RegType.Buf, flags: RegFlag.RdOnly | RegFlag.OrNull },
  24: { type: RegType.BtfId, flags: RegFlag.OrNull, btfName: 'sock' },
};

/** The context of an iterator that is known without the kernel's types. */
export function iteratorAccess(target: string | undefined, access: CtxAccess): CtxValue | undefined {
  if (target !== 'sockmap' || access.isWrite || access.size !== 8) return undefined;
  return SOCKMAP_ITERATOR[access.off];
}

/** What the access gives; undefined where it is not allowed. */
export function ctxAccess(progType: ProgType, attach: AttachType, access: CtxAccess): CtxValue | undefined {
  const { off, size, isWrite } = access;
  if (off < 0 || off % size !== 0) return undefined;
  if (progType === ProgType.RawTracepointWritable && off === 0) {
    return size === 8 && !isWrite ? { type: RegType.TpBuffer } : undefined;
  }
  if (progType === ProgType.Tracing || progType === ProgType.Lsm || progType === ProgType.StructOps) {
    return !isWrite && off < MAX_TRACE_ARGS * 8 && size === 8 ? VALUES.scalar : undefined;
  }
  const field = tableAccess(progType, attach, off, size, isWrite);
  if (field === null) return undefined;
  if (access.isSigned && field.reg.startsWith('pkt')) return undefined;
  return valueOf(field);
}

/** Whether `size` bytes at `off` behind a socket pointer of the given type may be read. */
export function sockAccess(type: RegType, off: number, size: number): boolean {
  const layout =
    type === RegType.TcpSock
      ? BPF_TCP_SOCK
      : type === RegType.XdpSock
        ? BPF_XDP_SOCK
        : type === RegType.SockCommon
          ? BPF_SOCK_COMMON
          : BPF_SOCK;
  return accessField(layout, off, size, false) !== null;
}
