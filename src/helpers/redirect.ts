/** Helpers: where a packet goes. */
import { Errno } from '../errors.js';
import { ETH_HLEN, PacketSkb } from '../progs/ctx/packet-skb.js';
import type { HelperFn } from './proto.js';
import { ProgType } from '../progs/prog-types.js';
import { TC } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

const TC_ACT_SHOT = 2;
const TC_ACT_REDIRECT = 7;
const XDP_ABORTED = 0;
const XDP_REDIRECT = 4;
const BPF_F_INGRESS = 1;
/** The loopback interface is the only one. */
const LOOPBACK = 1;
const LOOPBACK_MTU = 65536;

const redirect = (run: RunState, ifindex: number, flags: number, flagsHi: number): number => {
  if (run.xdp !== null) {
    if (flags !== 0 || flagsHi !== 0) return XDP_ABORTED;
    run.xdp.redirect = { ifindex };
    return XDP_REDIRECT;
  }
  return (flags & ~BPF_F_INGRESS) !== 0 || flagsHi !== 0 ? TC_ACT_SHOT : TC_ACT_REDIRECT;
};

/** Takes no flags; the packet itself is not sent anywhere. */
const redirectPeer: HelperFn = (_run, _ifindex, flags, flagsHi) =>
  flags !== 0 || flagsHi !== 0 ? TC_ACT_SHOT : TC_ACT_REDIRECT;

const redirectNeigh: HelperFn = (_run, _ifindex, _params, size, flags, flagsHi) => {
  const badParams = size !== 0 && size < NEIGH_PARAMS_SIZE;
  return badParams || flags !== 0 || flagsHi !== 0 ? TC_ACT_SHOT : TC_ACT_REDIRECT;
};
const NEIGH_PARAMS_SIZE = 20;

/** The copy goes out on loopback, where nobody listens. */
const cloneRedirect: HelperFn = (_run, _ctx, ifindex, flags, flagsHi) => {
  if ((flags & ~BPF_F_INGRESS) !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  return ifindex === LOOPBACK ? 0 : -Errno.EINVAL;
};

const MTU_CHK_SEGS = 1;
const RET_SUCCESS = 0;
const RET_FRAG_NEEDED = 1;
const RET_SEGS_TOOBIG = 2;

/** `*mtu`: 0, or the L3 length to check instead of the packet's; the MTU of the interface afterwards. */
function checkMtu(
  run: RunState,
  _ctx: number,
  ifindex: number,
  mtu: number,
  delta: number,
  flags: number,
  flagsHi: number,
): number {
  const { view } = run.vm.memory;
  const wanted = view.getUint32(mtu, true);
  const isSkb = run.skb !== null;
  const allowed = isSkb ? MTU_CHK_SEGS : 0;
  if ((flags & ~allowed) !== 0 || flagsHi !== 0) return -Errno.EINVAL;
  if ((flags & MTU_CHK_SEGS) !== 0 && (delta !== 0 || wanted !== 0)) return -Errno.EINVAL;
  if (ifindex >>> 0 > LOOPBACK) return -Errno.ENODEV;
  view.setUint32(mtu, LOOPBACK_MTU, true);
  const length = (run.skb?.len ?? run.xdp?.length ?? 0) - ETH_HLEN;
  const l3 = (wanted !== 0 ? wanted : length) + delta;
  if (l3 <= LOOPBACK_MTU) return RET_SUCCESS;
  const isGso = run.skb instanceof PacketSkb && run.skb.gsoSegs > 0;
  if (!isGso) return RET_FRAG_NEEDED;
  return (flags & MTU_CHK_SEGS) !== 0 ? RET_SEGS_TOOBIG : RET_SUCCESS;
}

export const REDIRECT_HELPERS: readonly Helper[] = [
  helper(
    13,
    'bpf_clone_redirect',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.u64],
    [...TC, ProgType.LwtXmit],
    cloneRedirect,
    { invalidatesPacket: true },
  ),
  helper(23, 'bpf_redirect', RET.int, [ARG.u32, ARG.u64], [...TC, ProgType.Xdp, ProgType.LwtXmit], redirect),
  helper(155, 'bpf_redirect_peer', RET.int, [ARG.u32, ARG.u64], TC, redirectPeer),
  helper(
    152,
    'bpf_redirect_neigh',
    RET.int,
    [ARG.u32, ARG.memReadOrNull, ARG.sizeOrZero, ARG.u64],
    TC,
    redirectNeigh,
  ),
  absent(69, 'bpf_fib_lookup', RET.int, [ARG.ctx, ARG.mem, ARG.size, ARG.u32], [...TC, ProgType.Xdp], {
    gplOnly: true,
  }),
  helper(
    163,
    'bpf_check_mtu',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.make('mem')({ write: true, size: 4, aligned: true }), ARG.u32, ARG.u64],
    [...TC, ProgType.Xdp],
    checkMtu,
    { gplOnly: true },
  ),
];
