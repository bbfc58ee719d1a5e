/** BPF_PROG_TEST_RUN: one program on given bytes, with the kernel's rules on sizes and on what each type sees. */
import { Errno, ErrnoError } from './errors.js';
import type { RunState } from './helpers/run-state.js';
import { CgroupStorageMap } from './maps/storage-map.js';
import type { BpfMemory } from './memory/memory.js';
import type { BpfProgram } from './program.js';
import { runFlowDissector } from './test-run/flow.js';
import { runRawContext, runSkLookup, runSkMsg, runSkSkb } from './test-run/other.js';
import { runSkb } from './test-run/skb.js';
import { runXdp } from './test-run/xdp.js';
import { progTypeName, ProgType } from './progs/prog-types.js';

export interface TestRunOptions {
  /** The packet, from its Ethernet header on. */
  readonly dataIn?: Uint8Array;
  /** The context structure that the caller fills in: `__sk_buff`, `xdp_md`, ... */
  readonly ctxIn?: Uint8Array;
  /** Default 1. */
  readonly repeat?: number;
  /** CPU that the program believes to run on. */
  readonly cpu?: number;
  readonly flags?: number;
}

export interface TestRunResult {
  /** Low word of r0, unsigned. */
  readonly retval: number;
  /** The packet afterwards, where the type has one. */
  readonly dataOut: Uint8Array;
  /** The context afterwards, where one was given. */
  readonly ctxOut: Uint8Array | null;
  /** Nanoseconds, the average of the repeats. */
  readonly durationNs: number;
}

/** What a test run needs of its VM. */
export interface TestRunHost {
  readonly memory: BpfMemory;
  readonly run: RunState;
  readonly cpus: number;
  cpu: number;
}

/** The run of one program type. */
export interface TestRunJob {
  readonly host: TestRunHost;
  readonly program: BpfProgram;
  readonly dataIn: Uint8Array;
  readonly ctxIn: Uint8Array | null;
  readonly repeat: number;
  readonly flags: number;
}

/** What a type gives back; the time is measured by `repeatRun`. */
export type TestRunOutcome = TestRunResult;

type Runner = (job: TestRunJob) => TestRunOutcome;

const RUNNERS: Readonly<Partial<Record<ProgType, Runner>>> = {
  [ProgType.SocketFilter]: runSkb,
  [ProgType.SchedCls]: runSkb,
  [ProgType.SchedAct]: runSkb,
  [ProgType.CgroupSkb]: runSkb,
  [ProgType.LwtIn]: runSkb,
  [ProgType.LwtOut]: runSkb,
  [ProgType.LwtXmit]: runSkb,
  [ProgType.LwtSeg6local]: runSkb,
  [ProgType.SkSkb]: runSkSkb,
  [ProgType.Xdp]: runXdp,
  [ProgType.FlowDissector]: runFlowDissector,
  [ProgType.SkLookup]: runSkLookup,
  [ProgType.SkMsg]: runSkMsg,
  [ProgType.RawTracepoint]: runRawContext,
  [ProgType.RawTracepointWritable]: runRawContext,
  [ProgType.Syscall]: runRawContext,
};

/** Whether programs of a type can be run by `testRun`. */
export const hasTestRun = (type: ProgType): boolean => RUNNERS[type] !== undefined;

/**
 * Runs a program once or `repeat` times on the same packet.
 * @throws ErrnoError `ERR_BPF_TEST_RUN` with the kernel's errno: EINVAL for a packet too short or a context that says
 * what it may not, ENOTSUPP for types without test run. @throws BpfFault
 */
export function testRun(host: TestRunHost, program: BpfProgram, options: TestRunOptions = {}): TestRunResult {
  const runner = RUNNERS[program.progType];
  if (runner === undefined) {
    const message = `program ${program.name}: test run of ${progTypeName(program.progType)}`;
    throw new ErrnoError('ERR_BPF_TEST_RUN', Errno.ENOTSUPP, message, {
      hint: 'this type has no test run',
    });
  }
  for (const map of program.image.maps.values()) if (map instanceof CgroupStorageMap) map.reset();
  const { cpu } = host;
  if ((options.cpu ?? 0) >= host.cpus) {
    const message = `program ${program.name}: test run: CPU ${options.cpu} of ${host.cpus}`;
    throw new ErrnoError('ERR_BPF_TEST_RUN', Errno.ENXIO, message);
  }
  host.cpu = options.cpu ?? cpu;
  try {
    return runOn(runner, host, program, options);
  } finally {
    host.cpu = cpu;
  }
}

function runOn(
  runner: Runner,
  host: TestRunHost,
  program: BpfProgram,
  options: TestRunOptions,
): TestRunResult {
  return runner({
    host,
    program,
    dataIn: options.dataIn ?? new Uint8Array(0),
    ctxIn: options.ctxIn ?? null,
    repeat: Math.max(1, options.repeat ?? 1),
    flags: options.flags ?? 0,
  });
}
