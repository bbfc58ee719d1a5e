/**
 * BPF_MAP_TYPE_PERCPU_ARRAY. An element holds one value a CPU; callers read and write all of them at once.
 *
 *     element:  | CPU 0: value, padded to 8 | CPU 1: value, padded to 8 | ...
 */
import type { Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import { checkArraySpec, checkArrayUpdate, nextIndex } from './array-map.js';
import { Errno } from '../errors.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BPF_F_LOCK } from './map.js';
import { roundUp8, StoredMap } from './stored-map.js';

export class PercpuArrayMap extends StoredMap {
  private readonly values: Region;
  private readonly elementSize: number;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env, roundUp8(spec.valueSize) * env.cpus);
    this.elementSize = this.stride * env.cpus;
    this.values = env.memory.alloc(this.elementSize * spec.maxEntries, RegionKind.MapValue, {
      label: `values of map ${spec.name}`,
    });
  }

  override get callerValueSize(): number {
    return this.elementSize;
  }

  /** Address of the values of all CPUs, or 0. */
  private element(keyAddr: number): number {
    const index = this.env.memory.view.getUint32(keyAddr, true);
    return index < this.spec.maxEntries ? this.values.base + index * this.elementSize : 0;
  }

  override lookup(keyAddr: number): number {
    return this.lookupPercpu(keyAddr, this.env.currentCpu());
  }

  override lookupPercpu(keyAddr: number, cpu: number): number {
    const element = this.element(keyAddr);
    return element === 0 ? 0 : element + cpu * this.stride;
  }

  override update(keyAddr: number, valueAddr: number, flags: number): number {
    const refused = checkArrayUpdate(this, keyAddr, flags, this.env);
    if (refused !== 0) return refused;
    this.copyValue(this.lookup(keyAddr), valueAddr);
    return 0;
  }

  protected override updateForCaller(keyAddr: number, valueAddr: number, flags: number): number {
    if ((flags & BPF_F_LOCK) !== 0) return -Errno.EINVAL;
    const refused = checkArrayUpdate(this, keyAddr, flags, this.env);
    if (refused !== 0) return refused;
    for (let cpu = 0; cpu < this.env.cpus; cpu++) {
      this.copyValue(this.lookupPercpu(keyAddr, cpu), valueAddr + cpu * this.stride);
    }
    return 0;
  }

  protected override lookupForCaller(keyAddr: number): number {
    return this.element(keyAddr);
  }

  protected override readValue(address: number): Uint8Array {
    return this.env.memory.u8.slice(address, address + this.elementSize);
  }

  override delete(_keyAddr: number): number {
    return -Errno.EINVAL;
  }

  override forEach(visit: (keyAddr: number, valueAddr: number) => number): number {
    const { maxEntries } = this.spec;
    for (let index = 0; index < maxEntries; index++) {
      const key = this.visitedKey(index);
      if (visit(key, this.lookup(key)) !== 0) return index + 1;
    }
    return maxEntries;
  }

  protected override next(keyAddr: number, outAddr: number): number {
    return nextIndex(keyAddr, outAddr, this.spec.maxEntries, this.env);
  }

  override destroy(): void {
    this.env.memory.free(this.values);
    super.destroy();
  }
}

export const percpuArrayFamily: MapFamily = {
  check: checkArraySpec,
  create: (spec, id, env) => new PercpuArrayMap(spec, id, env),
};
