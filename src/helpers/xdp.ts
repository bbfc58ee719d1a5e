/** Helpers: XDP frames. */
import { Errno } from '../errors.js';
import { ProgType } from '../progs/prog-types.js';
import { BTF_TRACING } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

const NO_FRAME = -Errno.EOPNOTSUPP;

const xdpAdjustHead = (run: RunState, _ctx: number, delta: number): number =>
  run.xdp?.adjustHead(delta) ?? NO_FRAME;
const xdpAdjustMeta = (run: RunState, _ctx: number, delta: number): number =>
  run.xdp?.adjustMeta(delta) ?? NO_FRAME;
const xdpAdjustTail = (run: RunState, _ctx: number, delta: number): number =>
  run.xdp?.adjustTail(delta) ?? NO_FRAME;
const xdpLoadBytes = (run: RunState, _ctx: number, offset: number, to: number, size: number): number =>
  run.xdp?.loadBytes(offset, to, size) ?? NO_FRAME;
const xdpStoreBytes = (run: RunState, _ctx: number, offset: number, from: number, size: number): number =>
  run.xdp?.storeBytes(offset, from, size) ?? NO_FRAME;

function xdpGetBuffLen(run: RunState): number {
  run.retHi = 0;
  return run.xdp?.length ?? 0;
}

const XDP_ABORTED = 0;
const XDP_REDIRECT = 4;
/** The two lowest bits choose what is returned where the key has no entry; the others ask for multicast. */
const ACTION_MASK = 3;
const BROADCAST = 1 << 3;
const EXCLUDE_INGRESS = 1 << 4;

function redirectMap(
  run: RunState,
  map: number,
  key: number,
  _keyHi: number,
  flags: number,
  flagsHi: number,
): number {
  const target = run.vm.mapByHandle(map);
  const { xdp } = run;
  if (target === undefined || xdp === null) return XDP_ABORTED;
  if (flagsHi !== 0 || (flags & ~(ACTION_MASK | BROADCAST | EXCLUDE_INGRESS)) !== 0) return XDP_ABORTED;
  if ((flags & BROADCAST) === 0) {
    const { memory } = run.vm;
    memory.u32[target.handle.base >>> 2] = key;
    if (target.lookup(target.handle.base) === 0) return flags & ACTION_MASK;
  }
  xdp.redirect = { mapId: target.id, key };
  return XDP_REDIRECT;
}

export const XDP_HELPERS: readonly Helper[] = [
  helper(44, 'bpf_xdp_adjust_head', RET.int, [ARG.ctx, ARG.u32], [ProgType.Xdp], xdpAdjustHead, {
    invalidatesPacket: true,
  }),
  helper(54, 'bpf_xdp_adjust_meta', RET.int, [ARG.ctx, ARG.u32], [ProgType.Xdp], xdpAdjustMeta, {
    invalidatesPacket: true,
  }),
  helper(65, 'bpf_xdp_adjust_tail', RET.int, [ARG.ctx, ARG.u32], [ProgType.Xdp], xdpAdjustTail, {
    invalidatesPacket: true,
  }),
  helper(188, 'bpf_xdp_get_buff_len', RET.u64, [ARG.ctx], [ProgType.Xdp], xdpGetBuffLen),
  absent(188, 'bpf_xdp_get_buff_len', RET.u64, [ARG.make('btf_id')({ btf: ['xdp_buff'] })], BTF_TRACING),
  helper(
    189,
    'bpf_xdp_load_bytes',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.memUninit, ARG.size],
    [ProgType.Xdp],
    xdpLoadBytes,
  ),
  helper(
    190,
    'bpf_xdp_store_bytes',
    RET.int,
    [ARG.ctx, ARG.u32, ARG.memRead, ARG.size],
    [ProgType.Xdp],
    xdpStoreBytes,
  ),
  helper(51, 'bpf_redirect_map', RET.int, [ARG.map, ARG.u64, ARG.u64], [ProgType.Xdp], redirectMap),
];
