/** Sets of program types that share helpers, as the kernel's functions that choose prototypes group them. */
import { ProgType } from '../progs/prog-types.js';

type ProgTypes = readonly ProgType[];

/** Traffic control. */
export const TC: ProgTypes = [ProgType.SchedCls, ProgType.SchedAct];

/** Lightweight tunnels. */
export const LWT: ProgTypes = [ProgType.LwtIn, ProgType.LwtOut, ProgType.LwtXmit, ProgType.LwtSeg6local];

/** Hooks of cgroups other than skb and sock_ops. */
export const CGROUP: ProgTypes = [
  ProgType.CgroupSock,
  ProgType.CgroupSockAddr,
  ProgType.CgroupDevice,
  ProgType.CgroupSysctl,
  ProgType.CgroupSockopt,
];

/** Programs attached by BTF type. */
export const BTF_TRACING: ProgTypes = [ProgType.Tracing, ProgType.Lsm, ProgType.Syscall];

/** Raw tracepoints, and what builds on them. */
export const RAW_TRACING: ProgTypes = [
  ...BTF_TRACING,
  ProgType.RawTracepoint,
  ProgType.RawTracepointWritable,
];

/** Tracing of every kind. */
export const TRACING: ProgTypes = [...RAW_TRACING, ProgType.Kprobe, ProgType.Tracepoint, ProgType.PerfEvent];

/** Networking programs with the socket casts. */
export const SK_BASE: ProgTypes = [
  ...LWT,
  ...TC,
  ProgType.SocketFilter,
  ProgType.Xdp,
  ProgType.CgroupSkb,
  ProgType.SockOps,
  ProgType.SkSkb,
  ProgType.SkMsg,
  ProgType.CgroupSockAddr,
  ProgType.FlowDissector,
  ProgType.SkLookup,
];

/** Everything but infrared remote decoders. */
export const BASE: ProgTypes = [
  ...SK_BASE,
  ...TRACING,
  ProgType.CgroupSock,
  ProgType.SkReuseport,
  ProgType.CgroupDevice,
  ProgType.CgroupSysctl,
  ProgType.CgroupSockopt,
  ProgType.Netfilter,
  ProgType.StructOps,
];

/** Everything that loads. */
export const BASE_AND_LIRC: ProgTypes = [...BASE, ProgType.LircMode2];
