/**
 * Layouts of the context and socket structures. Offsets are those of the UAPI; which access is allowed follows the
 * kernel's `*_is_valid_access` functions.
 */
import { AttachType } from '../prog-types.js';
import type { CtxLayout } from './field.js';
import { field, withFields } from './field.js';

const NARROW = { read: 'narrow' } as const;
const PAIR = { read: 'exact', write: 'exact' } as const;
const RW = { read: 'narrow', write: 'exact' } as const;

/** All that some program type may read; nothing but `cb` may be written. */
export const SK_BUFF: CtxLayout = {
  name: '__sk_buff',
  size: 192,
  fields: [
    field('len', 0, 4, NARROW),
    field('pkt_type', 4, 4, NARROW),
    field('mark', 8, 4, NARROW),
    field('queue_mapping', 12, 4, NARROW),
    field('protocol', 16, 4, NARROW),
    field('vlan_present', 20, 4, NARROW),
    field('vlan_tci', 24, 4, NARROW),
    field('vlan_proto', 28, 4, NARROW),
    field('priority', 32, 4, NARROW),
    field('ingress_ifindex', 36, 4, NARROW),
    field('ifindex', 40, 4, NARROW),
    field('tc_index', 44, 4, NARROW),
    field('cb', 48, 4, { count: 5, read: 'any', write: 'any' }),
    field('hash', 68, 4, NARROW),
    field('tc_classid', 72, 4, NARROW),
    field('data', 76, 4, { reg: 'pkt' }),
    field('data_end', 80, 4, { reg: 'pkt_end' }),
    field('napi_id', 84, 4, NARROW),
    field('family', 88, 4, NARROW),
    field('remote_ip4', 92, 4, NARROW),
    field('local_ip4', 96, 4, NARROW),
    field('remote_ip6', 100, 4, { count: 4 }),
    field('local_ip6', 116, 4, { count: 4 }),
    field('remote_port', 132, 4, NARROW),
    field('local_port', 136, 4, NARROW),
    field('data_meta', 140, 4, { reg: 'pkt_meta' }),
    field('flow_keys', 144, 8, { reg: 'flow_keys' }),
    field('tstamp', 152, 8),
    field('wire_len', 160, 4, NARROW),
    field('gso_segs', 164, 4, NARROW),
    field('sk', 168, 8, { reg: 'sock_common_or_null' }),
    field('gso_size', 176, 4, NARROW),
    field('tstamp_type', 180, 1),
    field('hwtstamp', 184, 8),
  ],
};

const NO_SOCK_FIELDS = {
  family: null,
  remote_ip4: null,
  local_ip4: null,
  remote_ip6: null,
  local_ip6: null,
  remote_port: null,
  local_port: null,
} as const;
const NO_FLOW = { flow_keys: null, tstamp_type: null } as const;
const UNTIMED = { tstamp: null, wire_len: null, hwtstamp: null } as const;

export const SOCKET_FILTER_CTX = withFields(SK_BUFF, {
  ...NO_FLOW,
  ...UNTIMED,
  tc_classid: null,
  data: null,
  data_end: null,
  data_meta: null,
});

export const TC_CTX = withFields(SK_BUFF, {
  ...NO_SOCK_FIELDS,
  flow_keys: null,
  mark: RW,
  tc_index: RW,
  priority: RW,
  tc_classid: RW,
  queue_mapping: RW,
  tstamp: PAIR,
});

export const CGROUP_SKB_CTX = withFields(SK_BUFF, {
  ...NO_FLOW,
  tc_classid: null,
  data_meta: null,
  wire_len: null,
  mark: RW,
  priority: RW,
  tstamp: PAIR,
});

export const LWT_CTX = withFields(SK_BUFF, {
  ...NO_FLOW,
  ...UNTIMED,
  ...NO_SOCK_FIELDS,
  tc_classid: null,
  data_meta: null,
  mark: RW,
  priority: RW,
});

export const SK_SKB_CTX = withFields(SK_BUFF, {
  ...NO_FLOW,
  ...UNTIMED,
  tc_classid: null,
  data_meta: null,
  mark: null,
  cb: { write: 'none' },
  tc_index: RW,
  priority: RW,
});

export const FLOW_DISSECTOR_CTX: CtxLayout = {
  ...SK_BUFF,
  fields: SK_BUFF.fields.filter(({ name }) => ['data', 'data_end', 'flow_keys'].includes(name)),
};

export const XDP_CTX: CtxLayout = {
  name: 'xdp_md',
  size: 24,
  fields: [
    field('data', 0, 4, { reg: 'pkt' }),
    field('data_end', 4, 4, { reg: 'pkt_end' }),
    field('data_meta', 8, 4, { reg: 'pkt_meta' }),
    field('ingress_ifindex', 12, 4),
    field('rx_queue_index', 16, 4),
    field('egress_ifindex', 20, 4, { attachTypes: [AttachType.XdpDevmap] }),
  ],
};

export const SK_MSG_CTX: CtxLayout = {
  name: 'sk_msg_md',
  size: 80,
  fields: [
    field('data', 0, 8, { reg: 'pkt' }),
    field('data_end', 8, 8, { reg: 'pkt_end' }),
    field('family', 16, 4),
    field('remote_ip4', 20, 4),
    field('local_ip4', 24, 4),
    field('remote_ip6', 28, 4, { count: 4 }),
    field('local_ip6', 44, 4, { count: 4 }),
    field('remote_port', 60, 4),
    field('local_port', 64, 4),
    field('size', 68, 4),
    field('sk', 72, 8, { reg: 'sock' }),
  ],
};

export const SOCK_OPS_CTX: CtxLayout = {
  name: 'bpf_sock_ops',
  size: 224,
  fields: [
    field('op', 0, 4),
    // args[4], replylong[4] and reply share their bytes; only the first word may be written.
    field('reply', 4, 4, PAIR),
    field('args', 8, 4, { count: 3 }),
    field('family', 20, 4),
    field('remote_ip4', 24, 4),
    field('local_ip4', 28, 4),
    field('remote_ip6', 32, 4, { count: 4 }),
    field('local_ip6', 48, 4, { count: 4 }),
    field('remote_port', 64, 4),
    field('local_port', 68, 4),
    field('is_fullsock', 72, 4),
    field('snd_cwnd', 76, 4),
    field('srtt_us', 80, 4),
    field('bpf_sock_ops_cb_flags', 84, 4),
    field('state', 88, 4),
    field('rtt_min', 92, 4),
    field('snd_ssthresh', 96, 4),
    field('rcv_nxt', 100, 4),
    field('snd_nxt', 104, 4),
    field('snd_una', 108, 4),
    field('mss_cache', 112, 4),
    field('ecn_flags', 116, 4),
    field('rate_delivered', 120, 4),
    field('rate_interval_us', 124, 4),
    field('packets_out', 128, 4),
    field('retrans_out', 132, 4),
    field('total_retrans', 136, 4),
    field('segs_in', 140, 4),
    field('data_segs_in', 144, 4),
    field('segs_out', 148, 4),
    field('data_segs_out', 152, 4),
    field('lost_out', 156, 4),
    field('sacked_out', 160, 4),
    field('sk_txhash', 164, 4, PAIR),
    field('bytes_received', 168, 8),
    field('bytes_acked', 176, 8),
    field('sk', 184, 8, { reg: 'sock_or_null' }),
    field('skb_data', 192, 8, { reg: 'pkt' }),
    field('skb_data_end', 200, 8, { reg: 'pkt_end' }),
    field('skb_len', 208, 4),
    field('skb_tcp_flags', 212, 4, NARROW),
    field('skb_hwtstamp', 216, 8),
  ],
};

/** `struct bpf_sock` as a full socket shows it. */
export const BPF_SOCK: CtxLayout = {
  name: 'bpf_sock',
  size: 80,
  fields: [
    field('bound_dev_if', 0, 4),
    field('family', 4, 4, NARROW),
    field('type', 8, 4, NARROW),
    field('protocol', 12, 4, NARROW),
    field('mark', 16, 4),
    field('priority', 20, 4),
    field('src_ip4', 24, 4, NARROW),
    field('src_ip6', 28, 4, { count: 4, read: 'narrow' }),
    field('src_port', 44, 4, NARROW),
    field('dst_port', 48, 2, { read: 'narrow', compatWidth: 4 }),
    field('dst_ip4', 52, 4, NARROW),
    field('dst_ip6', 56, 4, { count: 4, read: 'narrow' }),
    field('state', 72, 4, NARROW),
    field('rx_queue_mapping', 76, 4, NARROW),
  ],
};

/** What any socket shows, request and time-wait sockets too. */
export const BPF_SOCK_COMMON = withFields(BPF_SOCK, {
  type: null,
  protocol: null,
  mark: null,
  priority: null,
});

const SOCK_LIFE = [AttachType.CgroupInetSockCreate, AttachType.CgroupInetSockRelease];
const POST_BIND = [AttachType.CgroupInet4PostBind, AttachType.CgroupInet6PostBind];

export const CGROUP_SOCK_CTX = withFields(BPF_SOCK, {
  bound_dev_if: { ...PAIR, attachTypes: SOCK_LIFE },
  mark: { ...PAIR, attachTypes: SOCK_LIFE },
  priority: { ...PAIR, attachTypes: SOCK_LIFE },
  src_ip4: { attachTypes: [AttachType.CgroupInet4PostBind] },
  src_ip6: { attachTypes: [AttachType.CgroupInet6PostBind] },
  src_port: { attachTypes: POST_BIND },
});

export const BPF_TCP_SOCK: CtxLayout = {
  name: 'bpf_tcp_sock',
  size: 112,
  fields: [
    ...[
      'snd_cwnd',
      'srtt_us',
      'rtt_min',
      'snd_ssthresh',
      'rcv_nxt',
      'snd_nxt',
      'snd_una',
      'mss_cache',
      'ecn_flags',
      'rate_delivered',
      'rate_interval_us',
      'packets_out',
      'retrans_out',
      'total_retrans',
      'segs_in',
      'data_segs_in',
      'segs_out',
      'data_segs_out',
      'lost_out',
      'sacked_out',
    ].map((name, index) => field(name, index * 4, 4)),
    field('bytes_received', 80, 8),
    field('bytes_acked', 88, 8),
    field('dsack_dups', 96, 4),
    field('delivered', 100, 4),
    field('delivered_ce', 104, 4),
    field('icsk_retransmits', 108, 4),
  ],
};

export const BPF_XDP_SOCK: CtxLayout = { name: 'bpf_xdp_sock', size: 4, fields: [field('queue_id', 0, 4)] };

export const SK_LOOKUP_CTX: CtxLayout = {
  name: 'bpf_sk_lookup',
  size: 72,
  fields: [
    field('sk', 0, 8, { reg: 'sock_or_null' }),
    field('family', 8, 4, NARROW),
    field('protocol', 12, 4, NARROW),
    field('remote_ip4', 16, 4, NARROW),
    field('remote_ip6', 20, 4, { count: 4, read: 'narrow' }),
    field('remote_port', 36, 2, { read: 'narrow', compatWidth: 4 }),
    field('local_ip4', 40, 4, NARROW),
    field('local_ip6', 44, 4, { count: 4, read: 'narrow' }),
    field('local_port', 60, 4, NARROW),
    field('ingress_ifindex', 64, 4, NARROW),
  ],
};

export const SK_REUSEPORT_CTX: CtxLayout = {
  name: 'sk_reuseport_md',
  size: 56,
  fields: [
    field('data', 0, 8, { reg: 'pkt' }),
    field('data_end', 8, 8, { reg: 'pkt_end' }),
    field('len', 16, 4, NARROW),
    field('eth_protocol', 20, 4, { read: 'narrow', minWidth: 2 }),
    field('ip_protocol', 24, 4, NARROW),
    field('bind_inany', 28, 4, NARROW),
    field('hash', 32, 4),
    field('sk', 40, 8, { reg: 'sock' }),
    field('migrating_sk', 48, 8, { reg: 'sock_common_or_null' }),
  ],
};

const INET4 = [
  AttachType.CgroupInet4Bind,
  AttachType.CgroupInet4Connect,
  AttachType.CgroupInet4Getpeername,
  AttachType.CgroupInet4Getsockname,
  AttachType.CgroupUdp4Sendmsg,
  AttachType.CgroupUdp4Recvmsg,
];
const INET6 = [
  AttachType.CgroupInet6Bind,
  AttachType.CgroupInet6Connect,
  AttachType.CgroupInet6Getpeername,
  AttachType.CgroupInet6Getsockname,
  AttachType.CgroupUdp6Sendmsg,
  AttachType.CgroupUdp6Recvmsg,
];

export const SOCK_ADDR_CTX: CtxLayout = {
  name: 'bpf_sock_addr',
  size: 72,
  fields: [
    field('user_family', 0, 4),
    field('user_ip4', 4, 4, { ...RW, attachTypes: INET4 }),
    field('user_ip6', 8, 4, { count: 4, read: 'wide', write: 'wide', attachTypes: INET6 }),
    field('user_port', 24, 4, RW),
    field('family', 28, 4),
    field('type', 32, 4),
    field('protocol', 36, 4),
    field('msg_src_ip4', 40, 4, { ...RW, attachTypes: [AttachType.CgroupUdp4Sendmsg] }),
    field('msg_src_ip6', 44, 4, {
      count: 4,
      read: 'wide',
      write: 'wide',
      attachTypes: [AttachType.CgroupUdp6Sendmsg],
    }),
    field('sk', 64, 8, { reg: 'sock' }),
  ],
};

export const SOCKOPT_CTX: CtxLayout = {
  name: 'bpf_sockopt',
  size: 40,
  fields: [
    field('sk', 0, 8, { reg: 'sock' }),
    field('optval', 8, 8, { reg: 'pkt' }),
    field('optval_end', 16, 8, { reg: 'pkt_end' }),
    field('level', 24, 4, { write: 'exact', writeAttachTypes: [AttachType.CgroupSetsockopt] }),
    field('optname', 28, 4, { write: 'exact', writeAttachTypes: [AttachType.CgroupSetsockopt] }),
    field('optlen', 32, 4, PAIR),
    field('retval', 36, 4, { ...PAIR, attachTypes: [AttachType.CgroupGetsockopt] }),
  ],
};

export const CGROUP_DEVICE_CTX: CtxLayout = {
  name: 'bpf_cgroup_dev_ctx',
  size: 12,
  fields: [field('access_type', 0, 4, NARROW), field('major', 4, 4), field('minor', 8, 4)],
};

export const SYSCTL_CTX: CtxLayout = {
  name: 'bpf_sysctl',
  size: 8,
  fields: [field('write', 0, 4, NARROW), field('file_pos', 4, 4, RW)],
};

export const NETFILTER_CTX: CtxLayout = {
  name: 'bpf_nf_ctx',
  size: 16,
  fields: [
    field('state', 0, 8, { reg: 'btf', btf: 'nf_hook_state' }),
    field('skb', 8, 8, { reg: 'btf', btf: 'sk_buff' }),
  ],
};

export const LIRC_CTX: CtxLayout = { name: 'lirc', size: 4, fields: [field('sample', 0, 4)] };

/** A read-only array of words. */
const words = (name: string, width: number, count: number, read: 'any' | 'exact' = 'any'): CtxLayout => ({
  name,
  size: width * count,
  fields: [field('words', 0, width, { count, read })],
});

/** Registers of x86-64, the machine that the objects are made for where they look at registers. */
export const PT_REGS_CTX = words('pt_regs', 8, 21);
export const RAW_TRACEPOINT_CTX = words('bpf_raw_tracepoint_args', 8, 12);
/** The first word is the kernel's. */
export const TRACEPOINT_CTX: CtxLayout = {
  name: 'tracepoint',
  size: 8192,
  fields: [field('words', 8, 8, { count: 1023, read: 'any' })],
};
export const PERF_EVENT_CTX: CtxLayout = {
  name: 'bpf_perf_event_data',
  size: 184,
  fields: [
    field('regs', 0, 8, { count: 21 }),
    field('sample_period', 168, 8, NARROW),
    field('addr', 176, 8, NARROW),
  ],
};
/** Whatever the caller passes. */
export const SYSCALL_CTX: CtxLayout = {
  name: 'syscall',
  size: 0xffff,
  fields: [field('bytes', 0, 1, { count: 0xffff, read: 'any', write: 'any' })],
};

/** `struct bpf_flow_keys`, reached through `flow_keys`: read and written at any width. */
export const FLOW_KEYS: CtxLayout = {
  name: 'bpf_flow_keys',
  size: 56,
  fields: [
    ['nhoff', 0, 2],
    ['thoff', 2, 2],
    ['addr_proto', 4, 2],
    ['is_frag', 6, 1],
    ['is_first_frag', 7, 1],
    ['is_encap', 8, 1],
    ['ip_proto', 9, 1],
    ['n_proto', 10, 2],
    ['sport', 12, 2],
    ['dport', 14, 2],
    ['src', 16, 16],
    ['dst', 32, 16],
    ['flags', 48, 4],
    ['flow_label', 52, 4],
  ].map(([name, offset, width]) =>
    field(name as string, offset as number, width as number, { read: 'any', write: 'any' }),
  ),
};
