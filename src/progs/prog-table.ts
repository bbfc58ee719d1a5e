/** What each program type is: its context, what it may return, what it does with packets. */
import type { CtxField, CtxLayout } from './ctx/field.js';
import { accessField } from './ctx/field.js';
import * as ctx from './ctx/layouts.js';
import { AttachType, ProgType } from './prog-types.js';

/** Inclusive bounds of r0 at exit, as a signed 32-bit value. */
export type ReturnRange = readonly [min: number, max: number];

export interface ProgTypeRow {
  readonly type: ProgType;
  /** Absent for programs whose context is described by BTF (tracing, lsm, struct_ops, ext). */
  readonly ctx?: CtxLayout;
  /** Direct packet access: none, read, or read and write. */
  readonly packet: 'none' | 'read' | 'write';
  /** Bounds of the return value; absent where it is not restricted. Attach types with bounds of their own apart. */
  readonly returns?: ReturnRange;
  readonly returnsByAttach?: ReadonlyMap<AttachType, ReturnRange>;
  /** BPF_PROG_TEST_RUN works on a live kernel. */
  readonly testRun: boolean;
}

const BOOL: ReturnRange = [0, 1];
const ONE: ReturnRange = [1, 1];

const row = (
  type: ProgType,
  layout: CtxLayout | undefined,
  packet: ProgTypeRow['packet'],
  testRun: boolean,
  more: Partial<ProgTypeRow> = {},
): ProgTypeRow => ({ type, ...(layout === undefined ? {} : { ctx: layout }), packet, testRun, ...more });

const byAttach = (types: readonly AttachType[], range: ReturnRange): ReadonlyMap<AttachType, ReturnRange> =>
  new Map(types.map((type) => [type, range]));

/** These only look: they cannot refuse. */
const OBSERVING_ADDR = [
  AttachType.CgroupUdp4Recvmsg,
  AttachType.CgroupUdp6Recvmsg,
  AttachType.CgroupUnixRecvmsg,
  AttachType.CgroupInet4Getpeername,
  AttachType.CgroupInet6Getpeername,
  AttachType.CgroupUnixGetpeername,
  AttachType.CgroupInet4Getsockname,
  AttachType.CgroupInet6Getsockname,
  AttachType.CgroupUnixGetsockname,
];

const SOCK_ADDR_RETURNS = new Map([
  ...byAttach(OBSERVING_ADDR, ONE),
  ...byAttach([AttachType.CgroupInet4Bind, AttachType.CgroupInet6Bind], [0, 3]),
]);

/** One row a type, ascending. */
export const PROG_TYPES: readonly ProgTypeRow[] = [
  row(ProgType.SocketFilter, ctx.SOCKET_FILTER_CTX, 'none', true),
  row(ProgType.Kprobe, ctx.PT_REGS_CTX, 'none', false),
  row(ProgType.SchedCls, ctx.TC_CTX, 'write', true),
  row(ProgType.SchedAct, ctx.TC_CTX, 'write', true),
  row(ProgType.Tracepoint, ctx.TRACEPOINT_CTX, 'none', false),
  row(ProgType.Xdp, ctx.XDP_CTX, 'write', true),
  row(ProgType.PerfEvent, ctx.PERF_EVENT_CTX, 'none', false),
  row(ProgType.CgroupSkb, ctx.CGROUP_SKB_CTX, 'read', true, {
    returns: BOOL,
    returnsByAttach: byAttach([AttachType.CgroupInetEgress], [0, 3]),
  }),
  row(ProgType.CgroupSock, ctx.CGROUP_SOCK_CTX, 'none', false, { returns: BOOL }),
  row(ProgType.LwtIn, ctx.LWT_CTX, 'read', true),
  row(ProgType.LwtOut, ctx.LWT_CTX, 'read', true),
  row(ProgType.LwtXmit, ctx.LWT_CTX, 'write', true),
  row(ProgType.SockOps, ctx.SOCK_OPS_CTX, 'read', false, { returns: BOOL }),
  row(ProgType.SkSkb, ctx.SK_SKB_CTX, 'write', false),
  row(ProgType.CgroupDevice, ctx.CGROUP_DEVICE_CTX, 'none', false, { returns: BOOL }),
  row(ProgType.SkMsg, ctx.SK_MSG_CTX, 'write', false),
  row(ProgType.RawTracepoint, ctx.RAW_TRACEPOINT_CTX, 'none', true),
  row(ProgType.CgroupSockAddr, ctx.SOCK_ADDR_CTX, 'none', false, {
    returns: BOOL,
    returnsByAttach: SOCK_ADDR_RETURNS,
  }),
  row(ProgType.LwtSeg6local, ctx.LWT_CTX, 'read', true),
  row(ProgType.LircMode2, ctx.LIRC_CTX, 'none', false),
  row(ProgType.SkReuseport, ctx.SK_REUSEPORT_CTX, 'read', false),
  row(ProgType.FlowDissector, ctx.FLOW_DISSECTOR_CTX, 'read', true),
  row(ProgType.CgroupSysctl, ctx.SYSCTL_CTX, 'none', false, { returns: BOOL }),
  row(ProgType.RawTracepointWritable, ctx.RAW_TRACEPOINT_CTX, 'none', true),
  row(ProgType.CgroupSockopt, ctx.SOCKOPT_CTX, 'write', false, { returns: BOOL }),
  row(ProgType.Tracing, undefined, 'none', true, {
    returnsByAttach: new Map([
      ...byAttach([AttachType.TraceFentry, AttachType.TraceFexit], [0, 0]),
      ...byAttach([AttachType.TraceIter], BOOL),
    ]),
  }),
  row(ProgType.StructOps, undefined, 'none', true),
  row(ProgType.Ext, undefined, 'none', false),
  row(ProgType.Lsm, undefined, 'none', false),
  row(ProgType.SkLookup, ctx.SK_LOOKUP_CTX, 'none', true, { returns: BOOL }),
  row(ProgType.Syscall, ctx.SYSCALL_CTX, 'none', true),
  row(ProgType.Netfilter, ctx.NETFILTER_CTX, 'none', true, { returns: BOOL }),
];

const BY_TYPE = new Map(PROG_TYPES.map((entry) => [entry.type, entry]));

export function progTypeRow(type: ProgType): ProgTypeRow | undefined {
  return BY_TYPE.get(type);
}

/** Bounds of r0 at exit of a program, or undefined where every value is good. */
export function returnRange(type: ProgType, attachType?: AttachType): ReturnRange | undefined {
  const entry = BY_TYPE.get(type);
  if (entry === undefined) return undefined;
  return (attachType === undefined ? undefined : entry.returnsByAttach?.get(attachType)) ?? entry.returns;
}

/**
 * The context field that an access of `size` bytes at `offset` touches, or null where the kernel refuses it. For types
 * without a layout (BTF contexts) always null.
 */
export function ctxAccess(
  type: ProgType,
  attachType: AttachType | undefined,
  offset: number,
  size: number,
  isWrite: boolean,
): CtxField | null {
  const layout = BY_TYPE.get(type)?.ctx;
  return layout === undefined ? null : accessField(layout, offset, size, isWrite, attachType);
}
