/** Helpers: sockets found, cast and described. */
import { Errno } from '../errors.js';
import { SockMapBase } from '../maps/sock-map.js';
import { ProgType } from '../progs/prog-types.js';
import { readTuple } from '../progs/ctx/sock-fields.js';
import { TC, BTF_TRACING, SK_BASE } from './prog-sets.js';
import type { ArgSpec, Helper, HelperEffects, HelperFn, RetSpec } from './proto.js';
import { absent, ARG, btfRet, RET } from './proto.js';
import type { RunState } from './run-state.js';

/** Like `absent`, for a helper that does something. */
function full(
  fn: HelperFn,
  id: number,
  name: string,
  ret: RetSpec,
  args: readonly ArgSpec[],
  progTypes: readonly ProgType[] | 'all',
  effects: HelperEffects = {},
): Helper {
  return { id, name, ret, args, progTypes, ...effects, state: 'full', fn };
}

/** overflowuid: sockets of a VM have no owner. */
const NOBODY = 65_534;
/** The cookie of the first network namespace. */
const FIRST_NETNS = 1;

function u64(run: RunState, value: bigint): number {
  run.retHi = Number(value >> 32n) | 0;
  return Number(value & 0xffff_ffffn) | 0;
}

/** The cookie of the socket that the context belongs to; 0 where it has none. */
const cookieOfContext: HelperFn = (run) => u64(run, run.skb?.cookie ?? run.sockOps?.sock.cookie ?? 0n);

const cookieOfSock: HelperFn = (run, sock) => u64(run, run.vm.sockets?.byAddress(sock)?.cookie ?? 0n);

const netnsCookie: HelperFn = (run) => u64(run, BigInt(FIRST_NETNS));

/** bpf_sk_lookup_*: the socket of a tuple of addresses and ports; only in the VM's own namespace. */
function lookup(run: RunState, protocol: 'tcp' | 'udp', args: readonly number[]): number {
  const [, tuple, size, netns, , flagsLo, flagsHi] = args;
  const { sockets, memory } = run.vm;
  const found = readTuple(memory, tuple, size);
  // A namespace that is given by its id does not exist here; -1 is the current one.
  if (sockets === undefined || found === undefined || netns >= 0 || (flagsLo | flagsHi) !== 0) return 0;
  const sock = sockets.find(protocol, found);
  return sock === undefined ? 0 : sockets.addressOf(sock);
}

/** bpf_sk_assign of sk_lookup programs; NULL takes an earlier selection back. */
const assign: HelperFn = (run, _ctx, address, lo, hi) => {
  const sock = address === 0 ? null : run.vm.sockets?.byAddress(address);
  if (run.select === null || sock === undefined || hi !== 0) return -Errno.EINVAL;
  return run.select.assign(sock, address, lo);
};

const selectReuseport: HelperFn = (run, _ctx, handle, key, lo, hi) => {
  const map = run.vm.mapByHandle(handle);
  if (run.select === null || (lo | hi) !== 0 || !(map instanceof SockMapBase)) return -Errno.EINVAL;
  return run.select.selectReuseport(map.at(run.vm.memory.u8, key));
};

const BPF_SOCK_STATE = 72;
const TCP_LISTEN = 10;

const listenerSock: HelperFn = (run, sock) =>
  run.vm.memory.u32[(sock + BPF_SOCK_STATE) >>> 2] === TCP_LISTEN ? sock : 0;

/** The view of a TCP socket, with the values of a connection that has just begun. */
const tcpSock: HelperFn = (run, sock) =>
  run.vm.sockets?.byAddress(sock)?.isTcp === true ? run.tcpSockAddress() : 0;

/** The root cgroup is the only one. */
const cgroupId: HelperFn = (run) => u64(run, 1n);
const ancestorCgroupId: HelperFn = (run, _sock, level) => u64(run, level === 0 ? 1n : 0n);

export const SOCKET_HELPERS: readonly Helper[] = [
  full(
    cookieOfContext,
    46,
    'bpf_get_socket_cookie',
    RET.u64,
    [ARG.ctx],
    [
      ...TC,
      ProgType.SocketFilter,
      ProgType.CgroupSkb,
      ProgType.CgroupSock,
      ProgType.SockOps,
      ProgType.SkSkb,
      ProgType.CgroupSockAddr,
    ],
  ),
  full(
    cookieOfSock,
    46,
    'bpf_get_socket_cookie',
    RET.u64,
    [ARG.make('btf_id_sock_common')({ nullable: true })],
    [...BTF_TRACING, ProgType.SkReuseport],
  ),
  full(
    () => NOBODY,
    47,
    'bpf_get_socket_uid',
    RET.u32,
    [ARG.ctx],
    [...TC, ProgType.SocketFilter, ProgType.CgroupSkb, ProgType.SkSkb],
  ),
  full(
    (run, ...args) => lookup(run, 'tcp', args),
    84,
    'bpf_sk_lookup_tcp',
    RET.sockOrNull,
    [ARG.ctx, ARG.memRead, ARG.sizeOrZero, ARG.u64, ARG.u64],
    [...TC, ProgType.Xdp, ProgType.CgroupSkb, ProgType.SkSkb],
    { pktAccess: true, acquires: true },
  ),
  full(
    (run, ...args) => lookup(run, 'tcp', args),
    84,
    'bpf_sk_lookup_tcp',
    RET.sockOrNull,
    [ARG.ctx, ARG.memRead, ARG.sizeOrZero, ARG.u64, ARG.u64],
    [ProgType.CgroupSockAddr],
    { acquires: true },
  ),
  full(
    (run, ...args) => lookup(run, 'udp', args),
    85,
    'bpf_sk_lookup_udp',
    RET.sockOrNull,
    [ARG.ctx, ARG.memRead, ARG.sizeOrZero, ARG.u64, ARG.u64],
    [...TC, ProgType.Xdp, ProgType.CgroupSkb, ProgType.SkSkb],
    { pktAccess: true, acquires: true },
  ),
  full(
    (run, ...args) => lookup(run, 'udp', args),
    85,
    'bpf_sk_lookup_udp',
    RET.sockOrNull,
    [ARG.ctx, ARG.memRead, ARG.sizeOrZero, ARG.u64, ARG.u64],
    [ProgType.CgroupSockAddr],
    { acquires: true },
  ),
  full(
    (run, ...args) => lookup(run, 'tcp', args),
    99,
    'bpf_skc_lookup_tcp',
    RET.sockCommonOrNull,
    [ARG.ctx, ARG.memRead, ARG.sizeOrZero, ARG.u64, ARG.u64],
    [...TC, ProgType.Xdp, ProgType.CgroupSkb, ProgType.SkSkb],
    { pktAccess: true, acquires: true },
  ),
  full(
    (run, ...args) => lookup(run, 'tcp', args),
    99,
    'bpf_skc_lookup_tcp',
    RET.sockCommonOrNull,
    [ARG.ctx, ARG.memRead, ARG.sizeOrZero, ARG.u64, ARG.u64],
    [ProgType.CgroupSockAddr],
    { acquires: true },
  ),
  full(
    () => 0,
    86,
    'bpf_sk_release',
    RET.int,
    [ARG.make('btf_id_sock_common')({ release: true })],
    [...TC, ProgType.Xdp, ProgType.CgroupSkb, ProgType.SkSkb, ProgType.CgroupSockAddr, ProgType.SkLookup],
  ),
  full(
    (_run, sock) => sock,
    95,
    'bpf_sk_fullsock',
    RET.sockOrNull,
    [ARG.sockCommonPlain],
    [...TC, ProgType.CgroupSkb],
  ),
  full(
    tcpSock,
    96,
    'bpf_tcp_sock',
    RET.tcpSockOrNull,
    [ARG.sockCommonPlain],
    [...TC, ProgType.CgroupSkb, ProgType.SockOps, ProgType.CgroupSockopt],
  ),
  full(
    listenerSock,
    98,
    'bpf_get_listener_sock',
    RET.sockOrNull,
    [ARG.sockCommonPlain],
    [...TC, ProgType.CgroupSkb],
  ),
  absent(124, 'bpf_sk_assign', RET.int, [ARG.ctx, ARG.sockCommon, ARG.u64], TC),
  full(
    assign,
    124,
    'bpf_sk_assign',
    RET.int,
    [ARG.ctx, ARG.make('socket')({ nullable: true }), ARG.u64],
    [ProgType.SkLookup],
  ),
  full(
    selectReuseport,
    82,
    'bpf_sk_select_reuseport',
    RET.int,
    [ARG.ctx, ARG.map, ARG.mapKey, ARG.u64],
    [ProgType.SkReuseport],
  ),
  full(
    netnsCookie,
    122,
    'bpf_get_netns_cookie',
    RET.u64,
    [ARG.make('ctx')({ nullable: true })],
    [ProgType.CgroupSock, ProgType.SockOps, ProgType.SkMsg, ProgType.CgroupSockAddr, ProgType.CgroupSockopt],
  ),
  full(cgroupId, 128, 'bpf_sk_cgroup_id', RET.u64, [ARG.sockCommon], [ProgType.CgroupSkb]),
  full(
    ancestorCgroupId,
    129,
    'bpf_sk_ancestor_cgroup_id',
    RET.u64,
    [ARG.sockCommon, ARG.u32],
    [ProgType.CgroupSkb],
  ),
  absent(
    136,
    'bpf_skc_to_tcp6_sock',
    btfRet('tcp6_sock', true),
    [ARG.sockCommon],
    [...SK_BASE, ...BTF_TRACING],
  ),
  absent(
    137,
    'bpf_skc_to_tcp_sock',
    btfRet('tcp_sock', true),
    [ARG.sockCommon],
    [...SK_BASE, ...BTF_TRACING],
  ),
  absent(
    138,
    'bpf_skc_to_tcp_timewait_sock',
    btfRet('tcp_timewait_sock', true),
    [ARG.sockCommon],
    [...SK_BASE, ...BTF_TRACING],
  ),
  absent(
    139,
    'bpf_skc_to_tcp_request_sock',
    btfRet('tcp_request_sock', true),
    [ARG.sockCommon],
    [...SK_BASE, ...BTF_TRACING],
  ),
  absent(
    140,
    'bpf_skc_to_udp6_sock',
    btfRet('udp6_sock', true),
    [ARG.sockCommon],
    [...SK_BASE, ...BTF_TRACING],
  ),
  absent(
    178,
    'bpf_skc_to_unix_sock',
    btfRet('unix_sock', true),
    [ARG.sockCommon],
    [...SK_BASE, ...BTF_TRACING],
  ),
  absent(
    196,
    'bpf_skc_to_mptcp_sock',
    btfRet('mptcp_sock', true),
    [ARG.sockCommonPlain],
    [...SK_BASE, ...BTF_TRACING],
  ),
];
