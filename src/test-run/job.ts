/** What the test runs of all types share. */
import { Errno, ErrnoError } from '../errors.js';
import type { TestRunJob } from '../test-run.js';

/** @throws ErrnoError */
export function refuse(job: TestRunJob, errno: number, why: string): never {
  throw new ErrnoError('ERR_BPF_TEST_RUN', errno, `program ${job.program.name}: test run: ${why}`);
}

/** The caller's context, cut or padded with zeros to `size`; null where there is none. @throws ErrnoError E2BIG */
export function contextIn(job: TestRunJob, size: number): Uint8Array | null {
  const { ctxIn } = job;
  if (ctxIn === null) return null;
  if (ctxIn.subarray(size).some((byte) => byte !== 0))
    refuse(job, Errno.E2BIG, `context longer than ${size}`);
  const ctx = new Uint8Array(size);
  ctx.set(ctxIn.subarray(0, size));
  return ctx;
}

export const isZero = (bytes: Uint8Array, from: number, to: number): boolean =>
  bytes.subarray(from, to).every((byte) => byte === 0);

/** Runs as often as asked; the last result and the average time. */
export function repeatRun(job: TestRunJob, once: () => number): { retval: number; durationNs: number } {
  let retval = 0;
  // Compiled before the clock starts.
  void job.program.compiled;
  const start = performance.now();
  for (let i = 0; i < job.repeat; i++) retval = once();
  const durationNs = Math.round(((performance.now() - start) * 1e6) / job.repeat);
  return { retval: retval >>> 0, durationNs };
}
