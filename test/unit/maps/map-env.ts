/** A VM's worth of surroundings for maps under test. */
import type { MapEnv, MapSpec } from '../../../src/maps/map.js';
import type { MapType } from '../../../src/maps/map-types.js';
import { BpfMemory } from '../../../src/memory/memory.js';

export interface TestEnv extends MapEnv {
  cpu: number;
  /** While true, a program runs: memory that was freed waits. */
  busy: boolean;
  time: bigint;
  idle(): void;
}

export function testEnv(cpus = 2, maxBytes?: number): TestEnv {
  const waiting: (() => void)[] = [];
  let seed = 1;
  const env: TestEnv = {
    memory: new BpfMemory(maxBytes === undefined ? {} : { maxBytes }),
    cpus,
    cpu: 0,
    busy: false,
    time: 0n,
    currentCpu: () => env.cpu,
    now: () => env.time,
    random: () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0),
    whenIdle: (fn) => {
      if (env.busy) waiting.push(fn);
      else fn();
    },
    idle: () => {
      env.busy = false;
      for (const fn of waiting.splice(0)) fn();
    },
  };
  return env;
}

export const spec = (
  type: MapType,
  keySize: number,
  valueSize: number,
  maxEntries: number,
  flags = 0,
): MapSpec => ({
  name: 'm',
  type,
  keySize,
  valueSize,
  maxEntries,
  flags,
});

export const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
export const u64 = (value: bigint): Uint8Array => new Uint8Array(new BigUint64Array([value]).buffer);
export const asU32 = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint32(0, true);

/** The errno name with which `fn` fails, or `OK`. */
export function outcome(fn: () => unknown): string {
  try {
    fn();
    return 'OK';
  } catch (error) {
    return (error as Error).message.match(/: (E[A-Z0-9]+)(?: \(|$)/)?.[1] ?? String(error);
  }
}
