/** BPF_MAP_TYPE_LRU_HASH and BPF_MAP_TYPE_LRU_PERCPU_HASH: a full map evicts what was not used for long. */
import { Errno } from '../errors.js';
import { checkHashSpec, checkPresence } from './hash-map.js';
import { LruList } from './lru-list.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BPF_EXIST, BPF_F_LOCK } from './map.js';
import { MapType } from './map-types.js';
import { PercpuHashMap } from './percpu-hash-map.js';

/** A plain LRU hash is the per-CPU one with a single CPU's values: `slots` is 1. */
export class LruHashMap extends PercpuHashMap {
  private readonly order: LruList;
  private readonly percpu: boolean;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    const percpu = spec.type === MapType.LruPercpuHash;
    super(spec, id, env, percpu ? env.cpus : 1);
    this.percpu = percpu;
    this.order = new LruList(spec.maxEntries, env.cpus, (index) => {
      this.table.unlink(index, this.table.hash(this.table.address(index)));
    });
  }

  /** Only a use by a program counts. */
  override lookup(keyAddr: number): number {
    const { table } = this;
    const index = table.find(keyAddr, table.hash(keyAddr));
    if (index === 0) return 0;
    this.order.touch(index);
    return this.valueForProgram(table.address(index) + table.valueOffset);
  }

  override lookupPercpu(keyAddr: number, cpu: number): number {
    const { table } = this;
    const index = this.percpu ? table.find(keyAddr, table.hash(keyAddr)) : 0;
    if (index === 0) return 0;
    this.order.touch(index);
    return table.address(index) + table.valueOffset + cpu * this.stride;
  }

  override update(keyAddr: number, valueAddr: number, flags: number): number {
    return this.percpu ? super.update(keyAddr, valueAddr, flags) : this.replace(keyAddr, valueAddr, flags);
  }

  protected override updateForCaller(keyAddr: number, valueAddr: number, flags: number): number {
    if (this.percpu) return super.updateForCaller(keyAddr, valueAddr, flags);
    return this.replace(keyAddr, valueAddr, flags);
  }

  /** Every update takes an element of its own, and may evict for it, even where the key is there. */
  private replace(keyAddr: number, valueAddr: number, flags: number): number {
    if (flags >>> 0 > BPF_EXIST || (flags & BPF_F_LOCK) !== 0) return -Errno.EINVAL;
    const { table } = this;
    const hash = table.hash(keyAddr);
    const index = this.order.take();
    if (index === 0) return -Errno.ENOMEM;
    const old = table.find(keyAddr, hash);
    const refused = checkPresence(old !== 0, flags);
    if (refused !== 0) {
      this.order.release(index);
      return refused;
    }
    table.claim(index, keyAddr);
    this.initValue(table.address(index) + table.valueOffset, valueAddr);
    table.insert(index, hash);
    if (old !== 0) {
      this.order.touch(index);
      this.removeElement(old, hash);
    }
    return 0;
  }

  protected override takeElement(keyAddr: number): number {
    const index = this.order.take();
    if (index !== 0) this.table.claim(index, keyAddr);
    return index;
  }

  protected override found(index: number): void {
    this.order.touch(index);
  }

  protected override giveBack(index: number): void {
    this.order.release(index);
  }
}

export const lruHashFamily: MapFamily = {
  check: checkHashSpec,
  create: (spec, id, env) => new LruHashMap(spec, id, env),
};
