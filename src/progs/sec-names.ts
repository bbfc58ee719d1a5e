/**
 * SEC() names: THE table from section names to program and attach types. The rules are libbpf's: a name is matched
 * whole, or, where the row says `target`, also as `name/anything`, the rest naming what to attach to.
 */
import { AttachType, ProgType } from './prog-types.js';

/** BPF_PROG_LOAD flags that section names imply (UAPI). */
export const ProgFlag = { SLEEPABLE: 1 << 4, XDP_HAS_FRAGS: 1 << 5 } as const;

/** What a section name says about the programs in it. */
export interface SecName {
  /** The name that matched, without `?` and without the target. */
  readonly name: string;
  readonly progType: ProgType;
  /** 0 (`cgroup_inet_ingress`) where the name implies none, as in libbpf. */
  readonly attachType: AttachType;
  /** What follows the slash: a kernel function, a tracepoint, ... */
  readonly target?: string;
  /** Flags of BPF_PROG_LOAD, see `ProgFlag`. */
  readonly flags: number;
  /** The target is a function or type that is looked up in BTF. */
  readonly attachBtf: boolean;
}

interface SecRow {
  readonly progType: ProgType;
  readonly attachType?: AttachType;
  readonly names: readonly string[];
  /** The name may be followed by `/target`. */
  readonly target?: true;
  readonly sleepable?: true;
  readonly frags?: true;
  readonly attachBtf?: true;
}

const plain = (progType: ProgType, attachType: AttachType, ...names: string[]): SecRow => ({
  progType,
  attachType,
  names,
});
const probe = (attachType: AttachType, ...names: string[]): SecRow => ({
  progType: ProgType.Kprobe,
  attachType,
  names,
  target: true,
});
const traced = (progType: ProgType, attachType: AttachType, name: string): SecRow[] => [
  { progType, attachType, names: [name], target: true, attachBtf: true },
  { progType, attachType, names: [`${name}.s`], target: true, attachBtf: true, sleepable: true },
];
const addr = (attachType: AttachType, name: string): SecRow =>
  plain(ProgType.CgroupSockAddr, attachType, `cgroup/${name}`);

const ROWS: readonly SecRow[] = [
  // Sockets.
  plain(ProgType.SkSkb, AttachType.SkSkbStreamParser, 'sk_skb/stream_parser'),
  plain(ProgType.SkSkb, AttachType.SkSkbStreamVerdict, 'sk_skb/stream_verdict'),
  plain(ProgType.SkSkb, AttachType.SkSkbVerdict, 'sk_skb/verdict'),
  plain(ProgType.SkSkb, 0, 'sk_skb'),
  plain(ProgType.SkMsg, AttachType.SkMsgVerdict, 'sk_msg'),
  plain(ProgType.SockOps, AttachType.CgroupSockOps, 'sockops'),
  plain(ProgType.SocketFilter, 0, 'socket'),
  plain(ProgType.SkLookup, AttachType.SkLookup, 'sk_lookup'),
  plain(ProgType.SkReuseport, AttachType.SkReuseportSelect, 'sk_reuseport'),
  plain(ProgType.SkReuseport, AttachType.SkReuseportSelectOrMigrate, 'sk_reuseport/migrate'),
  // Packets.
  plain(ProgType.Xdp, AttachType.Xdp, 'xdp'),
  plain(ProgType.Xdp, AttachType.XdpDevmap, 'xdp/devmap'),
  plain(ProgType.Xdp, AttachType.XdpCpumap, 'xdp/cpumap'),
  { ...plain(ProgType.Xdp, AttachType.Xdp, 'xdp.frags'), frags: true },
  { ...plain(ProgType.Xdp, AttachType.XdpDevmap, 'xdp.frags/devmap'), frags: true },
  { ...plain(ProgType.Xdp, AttachType.XdpCpumap, 'xdp.frags/cpumap'), frags: true },
  plain(ProgType.SchedCls, 0, 'tc', 'classifier'),
  plain(ProgType.SchedCls, AttachType.TcxIngress, 'tc/ingress', 'tcx/ingress'),
  plain(ProgType.SchedCls, AttachType.TcxEgress, 'tc/egress', 'tcx/egress'),
  plain(ProgType.SchedCls, AttachType.NetkitPrimary, 'netkit/primary'),
  plain(ProgType.SchedCls, AttachType.NetkitPeer, 'netkit/peer'),
  plain(ProgType.SchedAct, 0, 'action'),
  plain(ProgType.FlowDissector, AttachType.FlowDissector, 'flow_dissector'),
  plain(ProgType.Netfilter, AttachType.Netfilter, 'netfilter'),
  plain(ProgType.LwtIn, 0, 'lwt_in'),
  plain(ProgType.LwtOut, 0, 'lwt_out'),
  plain(ProgType.LwtXmit, 0, 'lwt_xmit'),
  plain(ProgType.LwtSeg6local, 0, 'lwt_seg6local'),
  // Control groups.
  plain(ProgType.CgroupSkb, 0, 'cgroup/skb'),
  plain(ProgType.CgroupSkb, AttachType.CgroupInetIngress, 'cgroup_skb/ingress'),
  plain(ProgType.CgroupSkb, AttachType.CgroupInetEgress, 'cgroup_skb/egress'),
  plain(ProgType.CgroupSock, AttachType.CgroupInetSockCreate, 'cgroup/sock', 'cgroup/sock_create'),
  plain(ProgType.CgroupSock, AttachType.CgroupInetSockRelease, 'cgroup/sock_release'),
  plain(ProgType.CgroupSock, AttachType.CgroupInet4PostBind, 'cgroup/post_bind4'),
  plain(ProgType.CgroupSock, AttachType.CgroupInet6PostBind, 'cgroup/post_bind6'),
  addr(AttachType.CgroupInet4Bind, 'bind4'),
  addr(AttachType.CgroupInet6Bind, 'bind6'),
  addr(AttachType.CgroupInet4Connect, 'connect4'),
  addr(AttachType.CgroupInet6Connect, 'connect6'),
  addr(AttachType.CgroupUnixConnect, 'connect_unix'),
  addr(AttachType.CgroupUdp4Sendmsg, 'sendmsg4'),
  addr(AttachType.CgroupUdp6Sendmsg, 'sendmsg6'),
  addr(AttachType.CgroupUnixSendmsg, 'sendmsg_unix'),
  addr(AttachType.CgroupUdp4Recvmsg, 'recvmsg4'),
  addr(AttachType.CgroupUdp6Recvmsg, 'recvmsg6'),
  addr(AttachType.CgroupUnixRecvmsg, 'recvmsg_unix'),
  addr(AttachType.CgroupInet4Getpeername, 'getpeername4'),
  addr(AttachType.CgroupInet6Getpeername, 'getpeername6'),
  addr(AttachType.CgroupUnixGetpeername, 'getpeername_unix'),
  addr(AttachType.CgroupInet4Getsockname, 'getsockname4'),
  addr(AttachType.CgroupInet6Getsockname, 'getsockname6'),
  addr(AttachType.CgroupUnixGetsockname, 'getsockname_unix'),
  plain(ProgType.CgroupSysctl, AttachType.CgroupSysctl, 'cgroup/sysctl'),
  plain(ProgType.CgroupSockopt, AttachType.CgroupGetsockopt, 'cgroup/getsockopt'),
  plain(ProgType.CgroupSockopt, AttachType.CgroupSetsockopt, 'cgroup/setsockopt'),
  plain(ProgType.CgroupDevice, AttachType.CgroupDevice, 'cgroup/dev'),
  // Tracing.
  probe(0, 'kprobe', 'kretprobe', 'uprobe', 'uretprobe', 'ksyscall', 'kretsyscall', 'usdt'),
  { ...probe(0, 'uprobe.s', 'uretprobe.s', 'usdt.s'), sleepable: true },
  probe(AttachType.TraceKprobeMulti, 'kprobe.multi', 'kretprobe.multi'),
  probe(AttachType.TraceKprobeSession, 'kprobe.session'),
  probe(AttachType.TraceUprobeMulti, 'uprobe.multi', 'uretprobe.multi'),
  { ...probe(AttachType.TraceUprobeMulti, 'uprobe.multi.s', 'uretprobe.multi.s'), sleepable: true },
  { progType: ProgType.Tracepoint, names: ['tracepoint', 'tp'], target: true },
  { progType: ProgType.RawTracepoint, names: ['raw_tracepoint', 'raw_tp'], target: true },
  { progType: ProgType.RawTracepointWritable, names: ['raw_tracepoint.w', 'raw_tp.w'], target: true },
  {
    progType: ProgType.Tracing,
    attachType: AttachType.TraceRawTp,
    names: ['tp_btf'],
    target: true,
    attachBtf: true,
  },
  ...traced(ProgType.Tracing, AttachType.TraceFentry, 'fentry'),
  ...traced(ProgType.Tracing, AttachType.TraceFexit, 'fexit'),
  ...traced(ProgType.Tracing, AttachType.ModifyReturn, 'fmod_ret'),
  ...traced(ProgType.Tracing, AttachType.TraceIter, 'iter'),
  ...traced(ProgType.Lsm, AttachType.LsmMac, 'lsm'),
  {
    progType: ProgType.Lsm,
    attachType: AttachType.LsmCgroup,
    names: ['lsm_cgroup'],
    target: true,
    attachBtf: true,
  },
  { progType: ProgType.Ext, names: ['freplace'], target: true, attachBtf: true },
  plain(ProgType.PerfEvent, 0, 'perf_event'),
  plain(ProgType.LircMode2, AttachType.LircMode2, 'lirc_mode2'),
  { ...plain(ProgType.Syscall, 0, 'syscall'), sleepable: true },
  { progType: ProgType.StructOps, names: ['struct_ops'], target: true },
  { progType: ProgType.StructOps, names: ['struct_ops.s'], target: true, sleepable: true },
];

const byName: ReadonlyMap<string, SecRow> = new Map(
  ROWS.flatMap((row) => row.names.map((name): [string, SecRow] => [name, row])),
);

function flagsOf(row: SecRow): number {
  return (row.sleepable ? ProgFlag.SLEEPABLE : 0) | (row.frags ? ProgFlag.XDP_HAS_FRAGS : 0);
}

/** Every name of the table, in its order: for help texts and documentation. */
export function secNames(): readonly string[] {
  return ROWS.flatMap((row) => row.names.map((name) => (row.target ? `${name}[/target]` : name)));
}

/**
 * What `section` says; a leading `?` (do not load by default) is ignored. Undefined for names that libbpf does not
 * know either: the caller has to give the type then.
 */
export function lookupSecName(section: string): SecName | undefined {
  const full = section.startsWith('?') ? section.slice(1) : section;
  const exact = byName.get(full);
  if (exact !== undefined) return describe(full, exact, undefined);
  const slash = full.indexOf('/');
  if (slash <= 0) return undefined;
  const name = full.slice(0, slash);
  const row = byName.get(name);
  return row?.target ? describe(name, row, full.slice(slash + 1)) : undefined;
}

function describe(name: string, row: SecRow, target: string | undefined): SecName {
  return {
    name,
    progType: row.progType,
    attachType: row.attachType ?? 0,
    ...(target === undefined ? {} : { target }),
    flags: flagsOf(row),
    attachBtf: row.attachBtf ?? false,
  };
}
