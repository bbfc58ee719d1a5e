/** Programs of type sched_cls run by the running kernel, through the driver random_run. */
import { spawnSync } from 'node:child_process';
import { driverPath } from './corpus.js';

export interface KernelInput {
  readonly bytes: Uint8Array;
  readonly packet: Uint8Array;
}

export interface KernelAnswer {
  /** Positive errno of loading or running it, 0 where it ran. */
  readonly errno: number;
  readonly retval: number;
  readonly packet: Uint8Array;
}

const MAX_OUTPUT = 1 << 28;

function sized(bytes: Uint8Array): Uint8Array[] {
  return [new Uint8Array(Uint32Array.of(bytes.length).buffer), bytes];
}

/** One answer a program, in order. */
export function runInKernel(inputs: readonly KernelInput[]): KernelAnswer[] {
  const input = Buffer.concat(inputs.flatMap(({ bytes, packet }) => [...sized(bytes), ...sized(packet)]));
  const { stdout, status, error } = spawnSync(driverPath('random_run'), { input, maxBuffer: MAX_OUTPUT });
  if (error !== undefined || status !== 0) throw new Error(`random_run: exit ${status}`, { cause: error });
  let at = 0;
  return inputs.map(() => {
    const [errno, retval, size] = [
      stdout.readInt32LE(at),
      stdout.readUInt32LE(at + 4),
      stdout.readUInt32LE(at + 8),
    ];
    at += 12 + size;
    return { errno, retval, packet: stdout.subarray(at - size, at) };
  });
}
