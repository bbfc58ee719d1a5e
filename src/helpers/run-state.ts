/** What a helper can reach while a program runs. */
import type { BpfMap } from '../maps/map.js';
import type { BpfMemory, Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import { BPF_TCP_SOCK } from '../progs/ctx/layouts.js';
import type { SockTable } from '../maps/sock.js';
import type { XdpBuff } from '../progs/ctx/xdp-buff.js';
import { ObjectHeap } from './object-heap.js';
import { TimerTable } from './timers.js';
import type { MsgCtx, SelectCtx, SkbCtx, SockOpsCtx } from '../progs/ctx/contexts.js';

/** Services of the VM, injected by `bpf-vm.ts`. */
export interface VmServices {
  readonly memory: BpfMemory;
  /** The map whose handle is at `address`, if it is one. */
  mapByHandle(address: number): BpfMap | undefined;
  mapById(id: number): BpfMap | undefined;
  /** The sockets of the VM, where it has some. */
  readonly sockets?: SockTable;
  /** Monotonic and wall-clock time in nanoseconds. */
  ktimeNs(): bigint;
  wallTimeNs(): bigint;
  /** 32 random bits. */
  random(): number;
  readonly cpus: number;
  currentCpu(): number;
  /** One line of bpf_trace_printk and its kin. */
  printk(text: string): void;
  /** Has `RunState.timers.runDue` called after so many nanoseconds, where the VM keeps time by itself. */
  wakeAfter?(delayNs: bigint): void;
}

/**
 * State of one run of a program, reused from run to run. Contexts that the program type does not have are null.
 */
export class RunState {
  readonly vm: VmServices;
  /** High word of a `u64` result. */
  retHi = 0;
  /** Address of the context. */
  ctx = 0;
  skb: SkbCtx | null = null;
  msg: MsgCtx | null = null;
  sockOps: SockOpsCtx | null = null;
  xdp: XdpBuff | null = null;
  select: SelectCtx | null = null;
  /**
   * Calls a subprogram of the running program, for helpers that call back: `fn` is the low word of its function
   * pointer (see `FUNC_POINTER_BASE`), each argument a u64 as lo, hi. Returns the low word of r0. Set by the engine.
   */
  callback: (fn: number, args: readonly number[]) => number = () => 0;
  /** Set by bpf_tail_call where the slot holds a program; the engine continues with it. Its type is the engine's. */
  tailCall: unknown = null;
  /** Tail calls of this run so far; the engines count and limit them. */
  tailCalls = 0;
  /** Instructions executed in this run, where the engine counts them. */
  insns = 0;

  readonly timers: TimerTable;
  /** What programs have allocated. */
  readonly objects: ObjectHeap;
  /** The socket that a test run made up, in no table of sockets. */
  testSocket: { readonly address: number } | null = null;
  private tcpSock: Region | undefined;

  constructor(vm: VmServices) {
    this.vm = vm;
    this.objects = new ObjectHeap(vm.memory);
    this.timers = new TimerTable(vm.memory, (delay) => vm.wakeAfter?.(delay));
  }

  /** Address of a `struct bpf_tcp_sock` with the values of a connection that has just begun. */
  tcpSockAddress(): number {
    if (this.tcpSock === undefined) {
      const { memory } = this.vm;
      const options = { label: 'bpf_tcp_sock', writable: false };
      this.tcpSock = memory.alloc(BPF_TCP_SOCK.size, RegionKind.Sock, options);
      for (const [name, value] of Object.entries(FRESH_TCP)) {
        const field = BPF_TCP_SOCK.fields.find((candidate) => candidate.name === name)!;
        memory.u32[(this.tcpSock.base + field.offset) >>> 2] = value;
      }
    }
    return this.tcpSock.base;
  }
}

/** Initial window of ten segments, and the segment size of loopback. */
const FRESH_TCP = { snd_cwnd: 10, snd_ssthresh: 0x7fff_ffff, mss_cache: 32741 };

/** Function pointers in registers are this plus the slot of the subprogram: never a valid address. */
export const FUNC_POINTER_BASE = 0xf000_0000;
