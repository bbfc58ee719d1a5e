/** Runs an image on an engine of choice over a packet, and reports everything that a program can bring about. */
import type { FaultInfo } from '../../src/errors.js';
import { BpfFault } from '../../src/errors.js';
import type { SkbCtx } from '../../src/progs/ctx/contexts.js';
import { decode } from '../../src/isa/decode.js';
import { BpfMemory, RegionKind } from '../../src/memory/memory.js';
import type { Engine, EngineOptions } from '../../src/vm/engine.js';
import { imageOf, runStateOf } from './image.js';
import { CTX_DATA, CTX_DATA_END } from './random-program.js';

export interface Outcome {
  /** 64 bits, unsigned; absent where the run faulted. */
  readonly r0?: bigint;
  readonly packet: Uint8Array;
  readonly fault?: FaultInfo;
}

const CTX_SIZE = 192;

/** A packet that is linear and never changes; only what packet loads need. */
function linearSkb(memory: BpfMemory, at: number, len: number): SkbCtx {
  return {
    len,
    loadBytes: (offset: number, to: number, size: number) => {
      if (offset < 0 || offset + size > len) return -14;
      memory.u8.copyWithin(to, at + offset, at + offset + size);
      return 0;
    },
  } as unknown as SkbCtx;
}

/** Runs `bytes` `times` times over the same packet, which it may change. */
export function runOn(
  engine: Engine,
  bytes: Uint8Array,
  packet: Uint8Array,
  options: EngineOptions,
  times = 1,
): Outcome {
  decode(bytes);
  const memory = new BpfMemory({ maxBytes: 1 << 20 });
  const ctx = memory.alloc(CTX_SIZE, RegionKind.Ctx).base;
  const data = memory.alloc(packet.length, RegionKind.Packet).base;
  const run = runStateOf(memory);
  run.skb = linearSkb(memory, data, packet.length);
  memory.u8.set(packet, data);
  memory.u32[(ctx + CTX_DATA) >> 2] = data;
  memory.u32[(ctx + CTX_DATA_END) >> 2] = data + packet.length;
  const program = engine.compile(imageOf(bytes), memory, run, options);
  let outcome: Omit<Outcome, 'packet'> = {};
  for (let i = 0; i < times; i++) {
    try {
      const low = program.run(ctx);
      outcome = { r0: BigInt.asUintN(64, (BigInt(program.resultHi) << 32n) | BigInt(low >>> 0)) };
    } catch (error) {
      if (!(error instanceof BpfFault)) throw error;
      outcome = { fault: error.fault };
    }
  }
  return { ...outcome, packet: memory.u8.slice(data, data + packet.length) };
}
