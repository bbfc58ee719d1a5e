/** BPF_MAP_TYPE_PERCPU_HASH: an element holds one value a CPU, each padded to 8 bytes, as in the per-CPU array. */
import { Errno } from '../errors.js';
import { checkHashSpec, checkPresence, HashedMap } from './hash-map.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BPF_EXIST } from './map.js';
import { roundUp8 } from './stored-map.js';

export class PercpuHashMap extends HashedMap {
  /** Values in an element. */
  private readonly slots: number;

  constructor(spec: MapSpec, id: number, env: MapEnv, slots = env.cpus) {
    const all = roundUp8(spec.valueSize) * slots;
    super(spec, id, env, all, all);
    this.slots = slots;
  }

  override get callerValueSize(): number {
    return this.slots === 1 ? this.spec.valueSize : this.stride * this.slots;
  }

  override lookup(keyAddr: number): number {
    return this.lookupPercpu(keyAddr, this.env.currentCpu());
  }

  override lookupPercpu(keyAddr: number, cpu: number): number {
    const element = this.lookupForCaller(keyAddr);
    return element === 0 ? 0 : element + cpu * this.stride;
  }

  protected override lookupForCaller(keyAddr: number): number {
    const { table } = this;
    const index = table.find(keyAddr, table.hash(keyAddr));
    return index === 0 ? 0 : table.address(index) + table.valueOffset;
  }

  protected override valueForProgram(address: number): number {
    return this.slots === 1 ? address : address + this.env.currentCpu() * this.stride;
  }

  protected override readValue(address: number): Uint8Array {
    if (this.slots === 1) return super.readValue(address);
    return this.env.memory.u8.slice(address, address + this.callerValueSize);
  }

  /** Of an existing element only the value of the running CPU changes; in a new one the others are zero. */
  override update(keyAddr: number, valueAddr: number, flags: number): number {
    const element = this.place(keyAddr, flags);
    if (element < 0) return element;
    this.copyValue(this.valueForProgram(element), valueAddr);
    return 0;
  }

  protected override updateForCaller(keyAddr: number, valueAddr: number, flags: number): number {
    const element = this.place(keyAddr, flags);
    if (element < 0) return element;
    this.env.memory.u8.copyWithin(element, valueAddr, valueAddr + this.callerValueSize);
    return 0;
  }

  /** Address of the element's values, made where it is missing; or a negative errno. */
  private place(keyAddr: number, flags: number): number {
    if (flags >>> 0 > BPF_EXIST) return -Errno.EINVAL;
    const { table } = this;
    const hash = table.hash(keyAddr);
    let index = table.find(keyAddr, hash);
    const refused = checkPresence(index !== 0, flags);
    if (refused !== 0) return refused;
    if (index === 0) {
      index = this.takeElement(keyAddr);
      if (index === 0) return -Errno.E2BIG;
      const fresh = table.address(index) + table.valueOffset;
      this.env.memory.u8.fill(0, fresh, fresh + this.callerValueSize);
      table.insert(index, hash);
    } else this.found(index);
    return table.address(index) + table.valueOffset;
  }

  /** An update met the key. */
  protected found(_index: number): void {
    // Only the LRU maps keep book.
  }

  /** An element for a new key, or 0 where the map is full. */
  protected takeElement(keyAddr: number): number {
    return this.table.count < this.spec.maxEntries ? this.table.take(keyAddr) : 0;
  }
}

export const percpuHashFamily: MapFamily = {
  check: checkHashSpec,
  create: (spec, id, env) => new PercpuHashMap(spec, id, env),
};
