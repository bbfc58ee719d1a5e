/** Test runs of flow dissectors: the packet in, `struct bpf_flow_keys` out. */
import { Errno } from '../errors.js';
import { RegionKind } from '../memory/memory.js';
import { FLOW_KEYS } from '../progs/ctx/layouts.js';
import { ETH_HLEN, PacketSkb } from '../progs/ctx/packet-skb.js';
import { SKB } from '../progs/ctx/sk-buff.js';
import type { TestRunJob, TestRunOutcome } from '../test-run.js';
import { contextIn, isZero, refuse, repeatRun } from './job.js';

const N_PROTO = 10;
const NHOFF = 0;
const THOFF = 2;
const FLAGS = 48;

export function runFlowDissector(job: TestRunJob): TestRunOutcome {
  const { host, program, dataIn } = job;
  const { memory } = host;
  if (dataIn.length < ETH_HLEN) refuse(job, Errno.EINVAL, `${dataIn.length} bytes, ${ETH_HLEN} at least`);
  const ctx = contextIn(job, FLOW_KEYS.size);
  if (ctx !== null && (!isZero(ctx, 0, FLAGS) || !isZero(ctx, FLAGS + 4, FLOW_KEYS.size))) {
    refuse(job, Errno.EINVAL, 'only flags may be set');
  }
  const skb = new PacketSkb(memory, dataIn);
  const keys = memory.alloc(FLOW_KEYS.size, RegionKind.Mem, { label: 'bpf_flow_keys' });
  try {
    skb.sync();
    skb.setField(SKB.flowKeys, keys.base);
    const { retval, durationNs } = repeatRun(job, () => {
      memory.u8.fill(0, keys.base, keys.base + FLOW_KEYS.size);
      memory.u8.set(dataIn.subarray(12, 14), keys.base + N_PROTO);
      memory.view.setUint16(keys.base + NHOFF, ETH_HLEN, true);
      memory.view.setUint16(keys.base + THOFF, ETH_HLEN, true);
      if (ctx !== null) memory.u8.set(ctx.subarray(FLAGS, FLAGS + 4), keys.base + FLAGS);
      const result = program.run(skb);
      clampOffsets(memory.view, keys.base, dataIn.length);
      return result;
    });
    const dataOut = memory.u8.slice(keys.base, keys.base + FLOW_KEYS.size);
    return { retval, durationNs, dataOut, ctxOut: ctx };
  } finally {
    skb.destroy();
    memory.free(keys);
  }
}

/** Offsets never leave the packet, and the transport header does not lie before the network header. */
function clampOffsets(view: DataView, keys: number, length: number): void {
  const clamp = (value: number, low: number): number => Math.min(Math.max(value, low), length);
  const nhoff = clamp(view.getUint16(keys + NHOFF, true), ETH_HLEN);
  view.setUint16(keys + NHOFF, nhoff, true);
  view.setUint16(keys + THOFF, clamp(view.getUint16(keys + THOFF, true), nhoff), true);
}
