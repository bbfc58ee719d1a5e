/** Helpers: what a packet carries besides its bytes. */
import { Errno } from '../errors.js';
import { jhash } from '../maps/jhash.js';
import { PacketSkb, swap16 } from '../progs/ctx/packet-skb.js';
import { SKB } from '../progs/ctx/sk-buff.js';
import { returnU64 } from './base.js';
import type { HelperFn } from './proto.js';
import { ProgType } from '../progs/prog-types.js';
import { TC, LWT, CGROUP } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

const FLOW_BYTES = 20;

/** A hash of the network header, kept until it is made invalid. */
function getHashRecalc(run: RunState): number {
  const { skb } = run;
  const { u32 } = run.vm.memory;
  const field = (run.ctx + SKB.hash) >>> 2;
  if (u32[field] === 0 && skb instanceof PacketSkb) {
    const length = Math.min(FLOW_BYTES, skb.data + skb.len - skb.networkAt);
    u32[field] = jhash(skb.memory, skb.networkAt, Math.max(0, length), 0) >>> 0 || 1;
  }
  return u32[field];
}

function setHash(run: RunState, _ctx: number, hash: number): number {
  run.vm.memory.u32[(run.ctx + SKB.hash) >>> 2] = hash;
  return 0;
}
const setHashInvalid = (run: RunState): number => setHash(run, 0, 0);

/** There are no classes, realms or cgroups but the root. */
const getCgroupClassid: HelperFn = () => 0;
const getRouteRealm: HelperFn = () => 0;
const skbCgroupClassid = (run: RunState): number => returnU64(run, 0n);
const skbCgroupId = (run: RunState): number => returnU64(run, 1n);
const skbAncestorCgroupId = (run: RunState, _ctx: number, level: number): number =>
  returnU64(run, level === 0 ? 1n : 0n);

function skbUnderCgroup(run: RunState, _ctx: number, map: number, index: number): number {
  const entries = run.vm.mapByHandle(map)?.spec.maxEntries ?? 0;
  return index >>> 0 >= entries ? -Errno.E2BIG : -Errno.EAGAIN;
}

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const isIp = (skb: PacketSkb): boolean => {
  const protocol = swap16(skb.protocol);
  return protocol === ETH_P_IP || protocol === ETH_P_IPV6;
};

const TSTAMP_UNSPEC = 0;
const TSTAMP_DELIVERY_MONO = 1;

/** A delivery time of the monotonic clock, or none. */
function skbSetTstamp(run: RunState, _ctx: number, low: number, high: number, type: number): number {
  const { skb } = run;
  if (!(skb instanceof PacketSkb) || !isIp(skb)) return -Errno.EOPNOTSUPP;
  const isZero = low === 0 && high === 0;
  if (type === TSTAMP_DELIVERY_MONO ? isZero : type !== TSTAMP_UNSPEC || !isZero) return -Errno.EINVAL;
  skb.setField(SKB.tstamp, low);
  skb.setField(SKB.tstamp + 4, high);
  skb.memory.u8[skb.ctx + SKB.tstampType] = type;
  return 0;
}

const ECN_MASK = 3;
const ECN_CE = 3;

/** 1 where the packet now says that congestion was met, 0 where its transport cannot be told. */
function skbEcnSetCe(run: RunState): number {
  const { skb } = run;
  if (!(skb instanceof PacketSkb)) return 0;
  const { u8 } = skb.memory;
  const at = skb.networkAt;
  const protocol = swap16(skb.protocol);
  if (protocol === ETH_P_IP && at + 20 <= skb.data + skb.len) {
    const ecn = u8[at + 1] & ECN_MASK;
    if (ecn === 0 || ecn === ECN_CE) return ecn === ECN_CE ? 1 : 0;
    // Setting the last bit changes the header's sum by 0x0001, or 0x0002 less one that was there.
    const before = u8[at + 1];
    u8[at + 1] |= ECN_CE;
    const sum = ((u8[at + 10] << 8) | u8[at + 11]) + (before - u8[at + 1]) + 0xffff;
    const folded = (sum & 0xffff) + (sum >>> 16);
    u8[at + 10] = folded >>> 8;
    u8[at + 11] = folded & 0xff;
    return 1;
  }
  if (protocol !== ETH_P_IPV6 || at + 40 > skb.data + skb.len) return 0;
  const ecn = (u8[at + 1] >>> 4) & ECN_MASK;
  if (ecn !== 0) u8[at + 1] |= ECN_CE << 4;
  return ecn === 0 ? 0 : 1;
}

/** Packets of the VM come from no tunnel and no transformation: the buffer is zeroed. */
const skbGetTunnelKey: HelperFn = (run, _ctx, to, size) => {
  run.vm.memory.u8.fill(0, to, to + size);
  return -Errno.EINVAL;
};
const skbGetTunnelOpt = skbGetTunnelKey;
const skbGetXfrmState: HelperFn = (run, _ctx, _index, to, size) => {
  run.vm.memory.u8.fill(0, to, to + size);
  return -Errno.EINVAL;
};

export const SKB_META_HELPERS: readonly Helper[] = [
  helper(34, 'bpf_get_hash_recalc', RET.u32, [ARG.ctx], [...LWT, ...TC], getHashRecalc),
  helper(41, 'bpf_set_hash_invalid', RET.int, [ARG.ctx], [...TC, ProgType.LwtXmit], setHashInvalid),
  helper(48, 'bpf_set_hash', RET.int, [ARG.ctx, ARG.u32], TC, setHash),
  helper(24, 'bpf_get_route_realm', RET.u32, [ARG.ctx], [...LWT, ...TC], getRouteRealm),
  helper(17, 'bpf_get_cgroup_classid', RET.u32, [ARG.ctx], [...LWT, ...TC], getCgroupClassid),
  helper(17, 'bpf_get_cgroup_classid', RET.u32, [], [...CGROUP, ProgType.SkMsg], getCgroupClassid),
  helper(79, 'bpf_skb_cgroup_id', RET.u64, [ARG.ctx], [...TC, ProgType.CgroupSkb], skbCgroupId),
  helper(
    83,
    'bpf_skb_ancestor_cgroup_id',
    RET.u64,
    [ARG.ctx, ARG.u32],
    [...TC, ProgType.CgroupSkb],
    skbAncestorCgroupId,
  ),
  helper(151, 'bpf_skb_cgroup_classid', RET.u64, [ARG.ctx], TC, skbCgroupClassid),
  helper(33, 'bpf_skb_under_cgroup', RET.int, [ARG.ctx, ARG.map, ARG.u32], [...LWT, ...TC], skbUnderCgroup),
  helper(192, 'bpf_skb_set_tstamp', RET.int, [ARG.ctx, ARG.u64, ARG.u32], TC, skbSetTstamp),
  helper(97, 'bpf_skb_ecn_set_ce', RET.int, [ARG.ctx], [...TC, ProgType.CgroupSkb], skbEcnSetCe),
  helper(
    20,
    'bpf_skb_get_tunnel_key',
    RET.int,
    [ARG.ctx, ARG.memUninit, ARG.size, ARG.u64],
    [...TC, ProgType.LwtXmit],
    skbGetTunnelKey,
  ),
  absent(
    21,
    'bpf_skb_set_tunnel_key',
    RET.int,
    [ARG.ctx, ARG.memRead, ARG.size, ARG.u64],
    [...TC, ProgType.LwtXmit],
  ),
  helper(
    29,
    'bpf_skb_get_tunnel_opt',
    RET.int,
    [ARG.ctx, ARG.memUninit, ARG.size],
    [...TC, ProgType.LwtXmit],
    skbGetTunnelOpt,
  ),
  absent(30, 'bpf_skb_set_tunnel_opt', RET.int, [ARG.ctx, ARG.memRead, ARG.size], [...TC, ProgType.LwtXmit]),
  helper(
    66,
    'bpf_skb_get_xfrm_state',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.memUninit, ARG.size, ARG.u64],
    TC,
    skbGetXfrmState,
  ),
];
