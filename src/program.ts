/** A loaded program: an image, compiled by an engine, with its statistics. */
import { contextUse } from './context-use.js';
import { progAttach, progDetach } from './attach.js';
import type { BpfMap } from './maps/map.js';
import type { AttachType, ProgType } from './progs/prog-types.js';
import { attachTypeName, progTypeName, ProgType as Type } from './progs/prog-types.js';
import type { MsgCtx, SelectCtx, SkbCtx, SockOpsCtx } from './progs/ctx/contexts.js';
import { ProgramThrow } from './helpers/kfunc-functions.js';
import type { RunState } from './helpers/run-state.js';
import type { ProgSubject, SockProgram } from './maps/sock.js';
import type { BpfMemory } from './memory/memory.js';
import type { Engine, EngineOptions, Executable, ProgramImage } from './vm/engine.js';

/** What a program needs of its VM. */
export interface ProgramHost {
  readonly memory: BpfMemory;
  readonly run: RunState;
  readonly engine: Engine;
  /** How programs of this image run: which accesses are checked, and how long. */
  engineOptionsOf(image: ProgramImage): EngineOptions;
  /** Whether programs measure their run time (`bpf_stats_enabled`). */
  readonly measureRuns: boolean;
  /** A program starts; the VM counts nested runs. */
  enterRun(): void;
  /** It ended: what waits for idleness may happen when the outermost one did. */
  leaveRun(): void;
}

/** Counters of one program, as `bpftool prog show` has them, and its return values. */
export interface ProgramStats {
  readonly runs: number;
  /** Nanoseconds in runs, 0 where the VM does not measure. */
  readonly runTimeNs: number;
  /** How often each value of r0 (low word, signed) was returned. */
  readonly returns: ReadonlyMap<number, number>;
}

export interface ProgramOptions {
  readonly id: number;
  readonly image: ProgramImage;
  readonly section: string;
  readonly expectedAttachType: AttachType;
}

/** The context of a program type while it runs, by the field of `RunState` that holds it. */
const SUBJECT_FIELD: Readonly<Partial<Record<ProgType, 'skb' | 'msg' | 'sockOps' | 'select'>>> = {
  [Type.SkSkb]: 'skb',
  [Type.SocketFilter]: 'skb',
  [Type.SchedCls]: 'skb',
  [Type.SchedAct]: 'skb',
  [Type.CgroupSkb]: 'skb',
  [Type.LwtIn]: 'skb',
  [Type.LwtOut]: 'skb',
  [Type.LwtXmit]: 'skb',
  [Type.LwtSeg6local]: 'skb',
  [Type.FlowDissector]: 'skb',
  [Type.SkMsg]: 'msg',
  [Type.SockOps]: 'sockOps',
  [Type.SkLookup]: 'select',
  [Type.SkReuseport]: 'select',
};

export class BpfProgram implements SockProgram {
  readonly id: number;
  readonly image: ProgramImage;
  /** SEC() name without `?`; empty for programs that come from no object. */
  readonly section: string;
  readonly expectedAttachType: AttachType;
  readonly ignoresData: boolean;
  readonly ignoresSock: boolean;
  private readonly host: ProgramHost;
  private readonly field: 'skb' | 'msg' | 'sockOps' | 'select' | undefined;
  private executable: Executable | undefined;
  private runs = 0;
  private runTimeNs = 0;
  private readonly returns = new Map<number, number>();

  constructor(host: ProgramHost, options: ProgramOptions) {
    this.host = host;
    this.id = options.id;
    this.image = options.image;
    this.section = options.section;
    this.expectedAttachType = options.expectedAttachType;
    this.field = SUBJECT_FIELD[options.image.progType];
    const use = contextUse(options.image);
    this.ignoresData = use.ignoresData;
    this.ignoresSock = use.ignoresSock;
  }

  get name(): string {
    return this.image.name;
  }

  get progType(): ProgType {
    return this.image.progType;
  }

  /** libbpf's names, e.g. `sk_skb` and `sk_skb_stream_verdict`. */
  get typeName(): string {
    return progTypeName(this.progType);
  }

  get attachTypeName(): string {
    return attachTypeName(this.expectedAttachType);
  }

  /** Instruction slots, subprograms included. */
  get insnCount(): number {
    return this.image.insns.length;
  }

  /**
   * BPF_PROG_ATTACH to a socket map, see `progAttach`; the attach type is by default the one that the section names.
   * @throws AttachError
   */
  attach(map: BpfMap, type: AttachType = this.expectedAttachType): void {
    progAttach(this, map, type);
  }

  /** BPF_PROG_DETACH, see `progDetach`. @throws AttachError */
  detach(map: BpfMap, type: AttachType = this.expectedAttachType): void {
    progDetach(this, map, type);
  }

  get stats(): ProgramStats {
    return { runs: this.runs, runTimeNs: this.runTimeNs, returns: this.returns };
  }

  /** Compiled at the first use. */
  get compiled(): Executable {
    const { host } = this;
    this.executable ??= host.engine.compile(
      this.image,
      host.memory,
      host.run,
      host.engineOptionsOf(this.image),
    );
    return this.executable;
  }

  /**
   * Runs on a subject of the program's type (a buffer, a message, ...).
   * @returns the low word of r0 as a signed 32-bit integer. @throws BpfFault
   */
  run(subject: ProgSubject): number {
    const { run } = this.host;
    const { ctx, skb, msg, sockOps, select } = run;
    run.skb = this.field === 'skb' ? (subject as ProgSubject & SkbCtx) : null;
    run.msg = this.field === 'msg' ? (subject as ProgSubject & MsgCtx) : null;
    run.sockOps = this.field === 'sockOps' ? (subject as ProgSubject & SockOpsCtx) : null;
    run.select = this.field === 'select' ? (subject as ProgSubject & SelectCtx) : null;
    try {
      return this.runAt(subject.ctx);
    } finally {
      run.ctx = ctx;
      run.skb = skb;
      run.msg = msg;
      run.sockOps = sockOps;
      run.select = select;
    }
  }

  /** Runs with r1 = `ctx`, an address in the VM's memory (0: none). @throws BpfFault */
  runAt(ctx: number): number {
    const { host } = this;
    const executable = this.compiled;
    host.run.ctx = ctx;
    host.run.tailCalls = 0;
    host.enterRun();
    const start = host.measureRuns ? performance.now() : 0;
    try {
      const result = runToEnd(executable, ctx);
      this.returns.set(result, (this.returns.get(result) ?? 0) + 1);
      return result;
    } finally {
      this.runs++;
      if (host.measureRuns) this.runTimeNs += (performance.now() - start) * 1e6;
      host.leaveRun();
    }
  }

  /** High word of r0 of the last run. */
  get resultHi(): number {
    return this.compiled.resultHi;
  }
}

/** A program that throws (bpf_throw) ends with what its exception callback returns. */
function runToEnd(executable: Executable, ctx: number): number {
  try {
    return executable.run(ctx);
  } catch (error) {
    if (error instanceof ProgramThrow) return error.finish();
    throw error;
  }
}
