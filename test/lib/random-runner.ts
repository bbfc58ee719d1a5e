/** Runs random programs on an engine: a packet, a context that points to it, and nothing else. */
import type { RunState } from '../../src/helpers/run-state.js';
import { decode } from '../../src/isa/decode.js';
import type { Region } from '../../src/memory/memory.js';
import { BpfMemory, RegionKind } from '../../src/memory/memory.js';
import type { SkbCtx } from '../../src/progs/ctx/contexts.js';
import { ProgType } from '../../src/progs/prog-types.js';
import { checkStructure } from '../../src/verifier/structure.js';
import type { CheckMode, Engine } from '../../src/vm/engine.js';
import { runStateOf } from './image.js';
import type { RandomProgram } from './random-program.js';
import { CTX_DATA, CTX_DATA_END, PACKET_SIZE } from './random-program.js';

/** Executables keep their stacks: the memory is replaced after this many programs. */
const PROGRAMS_PER_MEMORY = 200;
const CTX_SIZE = 192;

const STRUCTURE = {
  program: 'random',
  progType: ProgType.SchedCls,
  helper: () => undefined,
  map: () => false,
} as const;

export interface RunResult {
  /** 64 bits, unsigned. */
  readonly r0: bigint;
  readonly packet: Uint8Array;
}

export class RandomRunner {
  private memory!: BpfMemory;
  private packet!: Region;
  private ctx!: Region;
  private state!: RunState;
  private left = 0;

  constructor(
    private readonly engine: Engine,
    private readonly checks: CheckMode = 'exact',
  ) {}

  /** @param proved accesses that a verifier proved, for the check mode of that name. */
  run(program: RandomProgram, proved?: Uint8Array): RunResult {
    if (this.left-- === 0) this.renew();
    const { memory, packet, ctx, state } = this;
    memory.u8.set(program.packet, packet.base);
    const insns = decode(program.bytes);
    const { subprogs } = checkStructure(insns, STRUCTURE);
    const maps = new Map();
    const image = {
      name: 'random',
      progType: ProgType.SchedCls,
      insns,
      subprogs,
      maps,
      helpers: new Map(),
      ...(proved === undefined ? {} : { proved }),
    };
    const executable = this.engine.compile(image, memory, state, { checks: this.checks, fuel: 1_000_000 });
    const lo = executable.run(ctx.base);
    return {
      r0: (BigInt(executable.resultHi >>> 0) << 32n) | BigInt(lo >>> 0),
      packet: memory.u8.slice(packet.base, packet.base + PACKET_SIZE),
    };
  }

  private renew(): void {
    this.left = PROGRAMS_PER_MEMORY - 1;
    this.memory = new BpfMemory();
    this.packet = this.memory.alloc(PACKET_SIZE, RegionKind.Packet);
    this.ctx = this.memory.alloc(CTX_SIZE, RegionKind.Ctx);
    this.memory.view.setUint32(this.ctx.base + CTX_DATA, this.packet.base, true);
    this.memory.view.setUint32(this.ctx.base + CTX_DATA_END, this.packet.base + PACKET_SIZE, true);
    this.state = runStateOf(this.memory);
    this.state.skb = packetLoadsOf(this.memory, this.packet);
  }
}

/** A socket buffer that only the legacy packet loads may use. */
function packetLoadsOf(memory: BpfMemory, packet: Region): SkbCtx {
  const unused = (): number => {
    throw new Error('random programs call no helper');
  };
  return {
    len: packet.size,
    redirect: null,
    loadBytes: (offset, to, size) => {
      if (offset < 0 || offset + size > packet.size) return -1;
      memory.u8.copyWithin(to, packet.base + offset, packet.base + offset + size);
      return 0;
    },
    storeBytes: unused,
    pullData: unused,
    changeTail: unused,
    changeHead: unused,
    adjustRoom: unused,
  };
}
