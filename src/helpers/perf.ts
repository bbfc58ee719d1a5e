/** Helpers: perf event output. */
import { Errno } from '../errors.js';
import { PerfEventArrayMap } from '../maps/perf-event-array-map.js';
import { RegionKind } from '../memory/memory.js';
import { ProgType } from '../progs/prog-types.js';
import { TC, LWT, CGROUP, BTF_TRACING, TRACING } from './prog-sets.js';
import type { Helper } from './proto.js';
import { absent, ARG, helper, RET } from './proto.js';
import type { RunState } from './run-state.js';

const CURRENT_CPU = 0xffff_ffff;
const CTX_LENGTH_MASK = 0xf_ffff;

/** The low word of the flags is the slot; the high word asks for that many bytes of the packet behind the data. */
function perfEventOutput(
  run: RunState,
  _ctx: number,
  map: number,
  flags: number,
  flagsHi: number,
  from: number,
  size: number,
): number {
  const events = run.vm.mapByHandle(map);
  if (!(events instanceof PerfEventArrayMap)) return -Errno.EINVAL;
  const packetBytes = flagsHi & CTX_LENGTH_MASK;
  const hasPacket = run.skb !== null || run.xdp !== null;
  if ((flagsHi & ~CTX_LENGTH_MASK) !== 0 || (packetBytes !== 0 && !hasPacket)) return -Errno.EINVAL;
  if (packetBytes > (run.skb?.len ?? run.xdp?.length ?? 0)) return -Errno.EFAULT;
  const index = flags >>> 0 === CURRENT_CPU ? run.vm.currentCpu() : flags >>> 0;
  const sample = new Uint8Array(size + packetBytes);
  sample.set(run.vm.memory.u8.subarray(from, from + size));
  if (packetBytes > 0) sample.set(packetHead(run, packetBytes), size);
  return events.output(index, sample);
}

/** The first bytes of the packet. */
function packetHead(run: RunState, length: number): Uint8Array {
  const { memory } = run.vm;
  const scratch = memory.alloc(length, RegionKind.Mem);
  const result = run.skb?.loadBytes(0, scratch.base, length) ?? run.xdp?.loadBytes(0, scratch.base, length);
  const head = result === 0 ? memory.u8.slice(scratch.base, scratch.base + length) : new Uint8Array(length);
  memory.free(scratch);
  return head;
}

export const PERF_HELPERS: readonly Helper[] = [
  helper(
    25,
    'bpf_perf_event_output',
    RET.int,
    [ARG.ctx, ARG.map, ARG.u64, ARG.memRead, ARG.sizeOrZero],
    [
      ...TRACING,
      ...LWT,
      ...CGROUP,
      ...TC,
      ProgType.SocketFilter,
      ProgType.Xdp,
      ProgType.CgroupSkb,
      ProgType.SockOps,
      ProgType.SkSkb,
      ProgType.SkMsg,
      ProgType.SkLookup,
    ],
    perfEventOutput,
    { gplOnly: true },
  ),
  absent(
    111,
    'bpf_skb_output',
    RET.int,
    [ARG.make('btf_id')({ btf: ['sk_buff'] }), ARG.map, ARG.u64, ARG.memRead, ARG.sizeOrZero],
    BTF_TRACING,
    { gplOnly: true },
  ),
  absent(
    121,
    'bpf_xdp_output',
    RET.int,
    [ARG.make('btf_id')({ btf: ['xdp_buff'] }), ARG.map, ARG.u64, ARG.memRead, ARG.sizeOrZero],
    BTF_TRACING,
    { gplOnly: true },
  ),
];
