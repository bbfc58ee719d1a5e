/**
 * Which fields of its context a program may read and write, and what a read gives: by program and attach type. The
 * offsets are those of the UAPI's structures (`__sk_buff`, `xdp_md`, `sk_msg_md`, ...).
 */
import { AttachType, ProgType } from '../progs/prog-types.js';
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
  /** Largest and smallest value, where the kernel knows them. */
  readonly range?: { readonly min: number; readonly max: number };
}

const SCALAR: CtxValue = { type: RegType.Scalar };
const PACKET: CtxValue = { type: RegType.Packet };
const PACKET_META: CtxValue = { type: RegType.PacketMeta };
const PACKET_END: CtxValue = { type: RegType.PacketEnd };
const SOCKET: CtxValue = { type: RegType.Sock };
const SOCKET_OR_NULL: CtxValue = { type: RegType.Sock, flags: RegFlag.OrNull };
const SOCK_COMMON_OR_NULL: CtxValue = { type: RegType.SockCommon, flags: RegFlag.OrNull };

/**
 * How a field is read: `exact`, all of it at once; `narrow`, any aligned part of it; `any`, like narrow and across
 * the elements of an array; `wide`, narrow or 8 aligned bytes of an array of words.
 */
type Reading = 'exact' | 'narrow' | 'any' | 'wide';

interface Field {
  readonly name: string;
  readonly off: number;
  /** Of the whole array, for arrays. */
  readonly size: number;
  /** Of an element, default `size`. */
  readonly unit?: number;
  readonly read: Reading | 'no';
  readonly value?: CtxValue;
  /** `exact`: all of an element; `any`: any aligned part. */
  readonly write?: 'exact' | 'any' | 'wide';
}

const words = (first: number, names: readonly string[], read: Reading, write?: 'exact'): Field[] =>
  names.map((name, i) => ({
    name,
    off: first + i * 4,
    size: 4,
    read,
    ...(write === undefined ? {} : { write }),
  }));

const pointer = (name: string, off: number, value: CtxValue, size: 4 | 8 = 8): Field => ({
  name,
  off,
  size,
  read: 'exact',
  value,
});

function allows(field: Field, access: CtxAccess): boolean {
  const { off, size } = access;
  const unit = field.unit ?? field.size;
  const isWithin = off + size <= field.off + field.size;
  const isPointer = field.value !== undefined && field.value.type !== RegType.Scalar;
  if (isPointer && access.isSigned) return false;
  const rule = access.isWrite ? field.write : field.read;
  switch (rule) {
    case undefined:
    case 'no':
      return false;
    case 'exact':
      return size === unit && (off - field.off) % unit === 0;
    case 'narrow':
      return size <= unit;
    case 'any':
      return isWithin;
    case 'wide':
      if (size === 8) return off % 8 === 0 && isWithin && field.size > 4;
      return access.isWrite ? size === unit : size <= unit;
  }
}

const SKB: readonly Field[] = [
  ...words(0, ['len', 'pkt_type', 'mark', 'queue_mapping', 'protocol', 'vlan_present', 'vlan_tci'], 'narrow'),
  ...words(28, ['vlan_proto', 'priority', 'ingress_ifindex', 'ifindex', 'tc_index'], 'narrow'),
  { name: 'cb', off: 48, size: 20, read: 'any' },
  ...words(68, ['hash', 'tc_classid'], 'narrow'),
  pointer('data', 76, PACKET, 4),
  pointer('data_end', 80, PACKET_END, 4),
  ...words(84, ['napi_id', 'family'], 'narrow'),
  ...words(92, ['remote_ip4', 'local_ip4'], 'exact'),
  { name: 'remote_ip6', off: 100, size: 16, unit: 4, read: 'exact' },
  { name: 'local_ip6', off: 116, size: 16, unit: 4, read: 'exact' },
  ...words(132, ['remote_port', 'local_port'], 'narrow'),
  pointer('data_meta', 140, PACKET_META, 4),
  { name: 'flow_keys', off: 144, size: 8, read: 'no' },
  { name: 'tstamp', off: 152, size: 8, read: 'exact' },
  ...words(160, ['wire_len', 'gso_segs'], 'narrow'),
  pointer('sk', 168, SOCK_COMMON_OR_NULL),
  ...words(176, ['gso_size'], 'narrow'),
  { name: 'tstamp_type', off: 180, size: 1, read: 'no' },
  { name: 'hwtstamp', off: 184, size: 8, read: 'exact' },
];

const SOCKET_FIELDS = ['family', 'remote_ip4', 'local_ip4', 'remote_ip6', 'local_ip6', 'remote_port', 'local_port'];

/** `__sk_buff` as one program type sees it. */
function skb(denied: readonly string[], writable: readonly string[], extra: readonly Field[] = []): readonly Field[] {
  const kept = SKB.filter((f) => !denied.includes(f.name) && !extra.some((e) => e.name === f.name));
  return [...kept, ...extra].map((f) =>
    writable.includes(f.name) ? { ...f, write: f.name === 'cb' ? 'any' : 'exact' } : f,
  );
}

const XDP: readonly Field[] = [
  pointer('data', 0, PACKET, 4),
  pointer('data_end', 4, PACKET_END, 4),
  pointer('data_meta', 8, PACKET_META, 4),
  ...words(12, ['ingress_ifindex', 'rx_queue_index'], 'exact'),
];

const SK_MSG: readonly Field[] = [
  pointer('data', 0, PACKET),
  pointer('data_end', 8, PACKET_END),
  ...words(16, ['family', 'remote_ip4', 'local_ip4'], 'exact'),
  { name: 'remote_ip6', off: 28, size: 16, unit: 4, read: 'exact' },
  { name: 'local_ip6', off: 44, size: 16, unit: 4, read: 'exact' },
  ...words(60, ['remote_port', 'local_port', 'size'], 'exact'),
  pointer('sk', 72, SOCKET),
];

const SOCK_OPS: readonly Field[] = [
  { name: 'op', off: 0, size: 4, read: 'exact' },
  { name: 'reply', off: 4, size: 4, read: 'exact', write: 'exact' },
  { name: 'args', off: 8, size: 156, unit: 4, read: 'exact' },
  { name: 'sk_txhash', off: 164, size: 4, read: 'exact', write: 'exact' },
  { name: 'bytes_received', off: 168, size: 16, unit: 8, read: 'exact' },
  pointer('sk', 184, SOCKET_OR_NULL),
  pointer('skb_data', 192, PACKET),
  pointer('skb_data_end', 200, PACKET_END),
  { name: 'skb_len', off: 208, size: 4, read: 'exact' },
  { name: 'skb_tcp_flags', off: 212, size: 4, read: 'narrow' },
  { name: 'skb_hwtstamp', off: 216, size: 8, read: 'exact' },
];

const SK_REUSEPORT: readonly Field[] = [
  pointer('data', 0, PACKET),
  pointer('data_end', 8, PACKET_END),
  ...words(16, ['len'], 'narrow'),
  { name: 'eth_protocol', off: 20, size: 4, read: 'narrow' },
  ...words(24, ['ip_protocol', 'bind_inany'], 'narrow'),
  { name: 'hash', off: 32, size: 4, read: 'exact' },
  pointer('sk', 40, SOCKET),
  pointer('migrating_sk', 48, SOCK_COMMON_OR_NULL),
];

const SK_LOOKUP: readonly Field[] = [
  pointer('sk', 0, SOCKET_OR_NULL),
  ...words(8, ['family', 'protocol', 'remote_ip4'], 'narrow'),
  { name: 'remote_ip6', off: 20, size: 16, unit: 4, read: 'narrow' },
  { name: 'local_ip4', off: 40, size: 4, read: 'narrow' },
  { name: 'local_ip6', off: 44, size: 16, unit: 4, read: 'narrow' },
  ...words(60, ['local_port', 'ingress_ifindex'], 'narrow'),
];

const PERF_EVENT: readonly Field[] = [
  { name: 'regs', off: 0, size: 168, unit: 8, read: 'exact' },
  { name: 'sample_period', off: 168, size: 8, read: 'narrow' },
  { name: 'addr', off: 176, size: 8, read: 'narrow' },
];

/** A read-only kernel structure that only its BTF type describes. */
const trusted = (btfName: string): CtxValue => ({ type: RegType.BtfId, flags: RegFlag.Trusted, btfName });

const NETFILTER: readonly Field[] = [
  pointer('state', 0, trusted('nf_hook_state')),
  pointer('skb', 8, trusted('sk_buff')),
];

function sockAddr(attach: AttachType): readonly Field[] {
  const v4 = new Set<AttachType>([
    AttachType.CgroupInet4Bind,
    AttachType.CgroupInet4Connect,
    AttachType.CgroupInet4Getpeername,
    AttachType.CgroupInet4Getsockname,
    AttachType.CgroupUdp4Sendmsg,
    AttachType.CgroupUdp4Recvmsg,
  ]);
  const v6 = new Set<AttachType>([
    AttachType.CgroupInet6Bind,
    AttachType.CgroupInet6Connect,
    AttachType.CgroupInet6Getpeername,
    AttachType.CgroupInet6Getsockname,
    AttachType.CgroupUdp6Sendmsg,
    AttachType.CgroupUdp6Recvmsg,
  ]);
  const address = (name: string, off: number, size: number, isSeen: boolean): Field[] =>
    isSeen ? [{ name, off, size, unit: 4, read: 'wide', write: 'wide' }] : [];
  return [
    { name: 'user_family', off: 0, size: 4, read: 'exact' },
    ...address('user_ip4', 4, 4, v4.has(attach)),
    ...address('user_ip6', 8, 16, v6.has(attach)),
    ...address('user_port', 24, 4, true),
    ...words(28, ['family', 'type', 'protocol'], 'exact'),
    ...address('msg_src_ip4', 40, 4, attach === AttachType.CgroupUdp4Sendmsg),
    ...address('msg_src_ip6', 44, 16, attach === AttachType.CgroupUdp6Sendmsg),
    pointer('sk', 64, SOCKET),
  ];
}

function sockopt(attach: AttachType): readonly Field[] {
  const isGet = attach === AttachType.CgroupGetsockopt;
  const isSet = attach === AttachType.CgroupSetsockopt;
  const word = (name: string, off: number, isWritable: boolean): Field => ({
    name,
    off,
    size: 4,
    read: 'exact',
    ...(isWritable ? { write: 'exact' } : {}),
  });
  return [
    pointer('sk', 0, SOCKET),
    pointer('optval', 8, PACKET),
    pointer('optval_end', 16, PACKET_END),
    word('level', 24, isSet),
    word('optname', 28, isSet),
    word('optlen', 32, true),
    ...(isGet ? [word('retval', 36, true)] : []),
  ];
}

/** `struct bpf_sock`, both as a context and behind a socket pointer. */
const BPF_SOCK: readonly Field[] = [
  { name: 'bound_dev_if', off: 0, size: 4, read: 'exact' },
  ...words(4, ['family', 'type', 'protocol'], 'narrow'),
  ...words(16, ['mark', 'priority'], 'exact'),
  { name: 'src_ip4', off: 24, size: 4, read: 'narrow' },
  { name: 'src_ip6', off: 28, size: 16, unit: 4, read: 'narrow' },
  { name: 'src_port', off: 44, size: 4, read: 'narrow' },
  { name: 'dst_port', off: 48, size: 2, read: 'narrow' },
  { name: 'dst_ip4', off: 52, size: 4, read: 'narrow' },
  { name: 'dst_ip6', off: 56, size: 16, unit: 4, read: 'narrow' },
  ...words(72, ['state', 'rx_queue_mapping'], 'narrow'),
];

/** Fields that are read at their first byte only, in whatever size. */
const FIRST_BYTE_ONLY = new Set(['state', 'family', 'type', 'protocol', 'src_port', 'rx_queue_mapping']);

function cgroupSock(attach: AttachType): readonly Field[] {
  const isCreate =
    attach === AttachType.CgroupInetSockCreate || attach === AttachType.CgroupInetSockRelease;
  const isBind4 = attach === AttachType.CgroupInet4PostBind;
  const isBind6 = attach === AttachType.CgroupInet6PostBind;
  return BPF_SOCK.flatMap((field): Field[] => {
    switch (field.name) {
      case 'bound_dev_if':
      case 'mark':
      case 'priority':
        return isCreate ? [{ ...field, write: 'exact' }] : [];
      case 'src_ip4':
        return isBind4 ? [field] : [];
      case 'src_ip6':
        return isBind6 ? [field] : [];
      case 'src_port':
        return isBind4 || isBind6 ? [field] : [];
      default:
        return [field];
    }
  });
}

function fieldsOf(progType: ProgType, attach: AttachType): readonly Field[] | undefined {
  switch (progType) {
    case ProgType.SocketFilter:
      return skb(
        ['tc_classid', 'data', 'data_meta', 'data_end', ...SOCKET_FIELDS, 'tstamp', 'wire_len', 'hwtstamp'],
        ['cb'],
      );
    case ProgType.SchedCls:
    case ProgType.SchedAct:
      return skb(
        SOCKET_FIELDS,
        ['mark', 'tc_index', 'priority', 'tc_classid', 'cb', 'tstamp', 'queue_mapping'],
        [{ name: 'tstamp_type', off: 180, size: 1, read: 'exact' }],
      );
    case ProgType.CgroupSkb:
      return skb(['tc_classid', 'data_meta', 'wire_len'], ['mark', 'priority', 'cb', 'tstamp']);
    case ProgType.LwtIn:
    case ProgType.LwtOut:
    case ProgType.LwtXmit:
    case ProgType.LwtSeg6local:
      return skb(
        ['tc_classid', ...SOCKET_FIELDS, 'data_meta', 'tstamp', 'wire_len', 'hwtstamp'],
        ['mark', 'priority', 'cb'],
      );
    case ProgType.SkSkb:
      return skb(
        ['tc_classid', 'data_meta', 'tstamp', 'wire_len', 'hwtstamp', 'mark'],
        ['tc_index', 'priority'],
      );
    case ProgType.FlowDissector:
      return [
        pointer('data', 76, PACKET, 4),
        pointer('data_end', 80, PACKET_END, 4),
        pointer('flow_keys', 144, { type: RegType.FlowKeys }),
      ];
    case ProgType.Xdp:
      return attach === AttachType.XdpDevmap ? [...XDP, ...words(20, ['egress_ifindex'], 'exact')] : XDP;
    case ProgType.SkMsg:
      return SK_MSG;
    case ProgType.SockOps:
      return SOCK_OPS;
    case ProgType.SkReuseport:
      return SK_REUSEPORT;
    case ProgType.SkLookup:
      return SK_LOOKUP;
    case ProgType.CgroupSockAddr:
      return sockAddr(attach);
    case ProgType.CgroupSockopt:
      return sockopt(attach);
    case ProgType.CgroupSock:
      return cgroupSock(attach);
    case ProgType.CgroupDevice:
      return [{ name: 'access_type', off: 0, size: 4, read: 'narrow' }, ...words(4, ['major', 'minor'], 'exact')];
    case ProgType.CgroupSysctl:
      return [...words(0, ['write'], 'narrow'), ...words(4, ['file_pos'], 'narrow', 'exact')];
    case ProgType.PerfEvent:
      return PERF_EVENT;
    case ProgType.Netfilter:
      return NETFILTER;
    case ProgType.LircMode2:
      return words(0, ['sample'], 'exact');
    default:
      return undefined;
  }
}

const PT_REGS_SIZE = 168;
const MAX_TRACE_ARGS = 12;
const MAX_TRACEPOINT_SIZE = 8192;

/** Contexts without fields: registers, arguments, a user's buffer. */
function unstructured(progType: ProgType, { off, size, isWrite }: CtxAccess): CtxValue | undefined {
  switch (progType) {
    case ProgType.Kprobe:
      return !isWrite && off + size <= PT_REGS_SIZE ? SCALAR : undefined;
    case ProgType.Tracepoint:
      return !isWrite && off >= 8 && off < MAX_TRACEPOINT_SIZE ? SCALAR : undefined;
    case ProgType.RawTracepointWritable:
      if (off === 0) return size === 8 && !isWrite ? { type: RegType.TpBuffer } : undefined;
      return !isWrite && off < MAX_TRACE_ARGS * 8 ? SCALAR : undefined;
    case ProgType.RawTracepoint:
    case ProgType.Tracing:
    case ProgType.Lsm:
      return !isWrite && off < MAX_TRACE_ARGS * 8 ? SCALAR : undefined;
    case ProgType.Syscall:
      return off < 0xffff ? SCALAR : undefined;
    default:
      return undefined;
  }
}

/** What the access gives; undefined where it is not allowed. */
export function ctxAccess(progType: ProgType, attach: AttachType, access: CtxAccess): CtxValue | undefined {
  if (access.off < 0 || access.off % access.size !== 0) return undefined;
  const fields = fieldsOf(progType, attach);
  if (fields === undefined) return unstructured(progType, access);
  const field = fields.find((f) => access.off >= f.off && access.off < f.off + f.size);
  if (field === undefined) {
    // The 16-bit port of sk_lookup may be read as the 32-bit number it once was; beside it is padding.
    if (progType === ProgType.SkLookup && !access.isWrite && access.off >= 36 && access.off < 40)
      return access.off === 36 && access.size <= 4 || access.size <= 2 ? SCALAR : undefined;
    return undefined;
  }
  if (field.name === 'eth_protocol' && access.size < 2) return undefined;
  return allows(field, access) ? (field.value ?? SCALAR) : undefined;
}

export const BPF_SOCK_SIZE = 80;

/** Whether `size` bytes at `off` behind a socket pointer of the given type may be read. */
export function sockAccess(type: RegType, off: number, size: number): boolean {
  if (off < 0 || off % size !== 0) return false;
  switch (type) {
    case RegType.TcpSock:
      if (off >= 112) return false;
      return size === (off === 80 || off === 88 ? 8 : 4) && (off < 80 || off >= 96 || off % 8 === 0);
    case RegType.XdpSock:
      return off < 4 && size === 4;
    case RegType.SockCommon:
      if (off >= 8 && off < 24) return false;
      return bpfSock(off, size);
    default:
      return bpfSock(off, size);
  }
}

function bpfSock(off: number, size: number): boolean {
  // The whole word at the 16-bit port may be read, for programs from when it was one.
  if (off === 48 && size === 4) return true;
  const field = BPF_SOCK.find((f) => off >= f.off && off < f.off + f.size);
  if (field === undefined || off >= BPF_SOCK_SIZE) return false;
  if (FIRST_BYTE_ONLY.has(field.name) && off !== field.off) return size === 4;
  return allows(field, { off, size, isWrite: false, isSigned: false });
}
