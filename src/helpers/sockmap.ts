/** Helpers that redirect to the sockets of a map, or enter one. */
import { Errno } from '../errors.js';
import type { BpfMap } from '../maps/map.js';
import { SockHash } from '../maps/sock-hash.js';
import { SockMap, SockMapBase } from '../maps/sock-map.js';
import type { Sock } from '../maps/sock.js';
import { BPF_F_INGRESS, SK_DROP, SK_PASS } from '../maps/sock.js';
import { ProgType } from '../progs/prog-types.js';
import type { Helper } from './proto.js';
import { ARG, RET } from './proto.js';
import type { RunState } from './run-state.js';

/** BPF_SOCK_OPS_TCP_CONNECT_CB and its kin for which a socket may enter a map. */
const OPS_ACTIVE_ESTABLISHED = 4;
const OPS_PASSIVE_ESTABLISHED = 5;
const OPS_TCP_LISTEN = 11;

const flagsAllowed = (lo: number, hi: number): boolean => hi === 0 && (lo & ~BPF_F_INGRESS) === 0;

function inMap(map: BpfMap | undefined, index: number): Sock | undefined {
  return map instanceof SockMap ? map.atIndex(index) : undefined;
}

function inHash(run: RunState, map: BpfMap | undefined, keyAddr: number): Sock | undefined {
  return map instanceof SockHash ? map.at(run.vm.memory.u8, keyAddr) : undefined;
}

function redirectSkb(run: RunState, sock: Sock | undefined, lo: number, hi: number): number {
  if (!flagsAllowed(lo, hi) || sock?.redirectable !== true || run.skb === null) return SK_DROP;
  run.skb.redirect = { sock, ingress: lo === BPF_F_INGRESS };
  return SK_PASS;
}

/** Out of a socket only by TCP; into one any family. */
function redirectMsg(run: RunState, sock: Sock | undefined, lo: number, hi: number): number {
  if (!flagsAllowed(lo, hi) || sock?.redirectable !== true || run.msg === null) return SK_DROP;
  const ingress = lo === BPF_F_INGRESS;
  if (!ingress && !sock.isTcp) return SK_DROP;
  run.msg.redirect = { sock, ingress };
  return SK_PASS;
}

function updateFromSockOps(run: RunState, mapAddr: number, keyAddr: number, lo: number, hi: number): number {
  const { sockOps } = run;
  const map = run.vm.mapByHandle(mapAddr);
  if (sockOps === null || !(map instanceof SockMapBase)) return -Errno.EOPNOTSUPP;
  const { op, sock } = sockOps;
  if (op !== OPS_ACTIVE_ESTABLISHED && op !== OPS_PASSIVE_ESTABLISHED && op !== OPS_TCP_LISTEN) {
    return -Errno.EOPNOTSUPP;
  }
  if (hi !== 0) return -Errno.EINVAL;
  return map.insertFromSockOps(run.vm.memory.u8, keyAddr, sock, lo);
}

export const SOCKMAP_HELPERS: readonly Helper[] = [
  {
    id: 52,
    name: 'bpf_sk_redirect_map',
    ret: RET.int,
    args: [ARG.ctx, ARG.map, ARG.u32, ARG.u64],
    progTypes: [ProgType.SkSkb],
    state: 'full',
    fn: (run, _ctx, map, key, lo, hi) => redirectSkb(run, inMap(run.vm.mapByHandle(map), key), lo, hi),
  },
  {
    id: 53,
    name: 'bpf_sock_map_update',
    ret: RET.int,
    args: [ARG.ctx, ARG.map, ARG.mapKey, ARG.u64],
    progTypes: [ProgType.SockOps],
    state: 'full',
    fn: (run, _ctx, map, key, lo, hi) => updateFromSockOps(run, map, key, lo, hi),
  },
  {
    id: 60,
    name: 'bpf_msg_redirect_map',
    ret: RET.int,
    args: [ARG.ctx, ARG.map, ARG.u32, ARG.u64],
    progTypes: [ProgType.SkMsg],
    state: 'full',
    fn: (run, _ctx, map, key, lo, hi) => redirectMsg(run, inMap(run.vm.mapByHandle(map), key), lo, hi),
  },
  {
    id: 70,
    name: 'bpf_sock_hash_update',
    ret: RET.int,
    args: [ARG.ctx, ARG.map, ARG.mapKey, ARG.u64],
    progTypes: [ProgType.SockOps],
    state: 'full',
    fn: (run, _ctx, map, key, lo, hi) => updateFromSockOps(run, map, key, lo, hi),
  },
  {
    id: 71,
    name: 'bpf_msg_redirect_hash',
    ret: RET.int,
    args: [ARG.ctx, ARG.map, ARG.mapKey, ARG.u64],
    progTypes: [ProgType.SkMsg],
    state: 'full',
    fn: (run, _ctx, map, key, lo, hi) => redirectMsg(run, inHash(run, run.vm.mapByHandle(map), key), lo, hi),
  },
  {
    id: 72,
    name: 'bpf_sk_redirect_hash',
    ret: RET.int,
    args: [ARG.ctx, ARG.map, ARG.mapKey, ARG.u64],
    progTypes: [ProgType.SkSkb],
    state: 'full',
    fn: (run, _ctx, map, key, lo, hi) => redirectSkb(run, inHash(run, run.vm.mapByHandle(map), key), lo, hi),
  },
];
