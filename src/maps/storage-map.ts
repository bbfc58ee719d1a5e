/** Maps whose values belong to an object of the VM: a socket's storage, a cgroup's storage. */
import { Errno } from '../errors.js';
import { accessFlagsOk, ACCESS_FLAGS, PERCPU_VALUE_MAX } from './array-map.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BpfMap, MapFlag } from './map.js';
import { MapType } from './map-types.js';
import { Slab } from './slab.js';

abstract class OwnedMap extends BpfMap {
  protected readonly slab: Slab;

  constructor(spec: MapSpec, id: number, env: MapEnv, valueSize: number) {
    super(spec, id, env);
    this.slab = new Slab(env, valueSize, `values of map ${spec.name}`);
  }

  override getNextKey(): Uint8Array {
    throw this.fail(Errno.ENOTSUPP, 'get_next_key');
  }

  override lookup(): number {
    return 0;
  }

  override update(): number {
    return -Errno.EINVAL;
  }

  override delete(): number {
    return -Errno.EINVAL;
  }

  override destroy(): void {
    this.slab.destroy();
    super.destroy();
  }
}

/** BPF_MAP_TYPE_SK_STORAGE: a value for each socket that was given one. */
export class SkStorageMap extends OwnedMap {
  private readonly values = new Map<object, number>();

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env, spec.valueSize);
  }

  /** Address of the value of a socket, 0 where it has none. */
  get(owner: object): number {
    return this.values.get(owner) ?? 0;
  }

  /** Address of the value, made from the bytes at `initial` (0: zeros) where there is none. */
  getOrCreate(owner: object, initial: number): number {
    let address = this.get(owner);
    if (address !== 0) return address;
    address = this.slab.take();
    if (initial !== 0) this.env.memory.u8.copyWithin(address, initial, initial + this.spec.valueSize);
    this.values.set(owner, address);
    return address;
  }

  /** Whether there was one. */
  drop(owner: object): boolean {
    const address = this.get(owner);
    if (address === 0) return false;
    this.values.delete(owner);
    this.slab.release(address);
    return true;
  }

  /** The value of a socket as a caller reads it. @throws MapError ENOENT */
  lookupOwner(owner: object): Uint8Array {
    const address = this.get(owner);
    if (address === 0) throw this.fail(Errno.ENOENT, 'lookup');
    return this.env.memory.u8.slice(address, address + this.spec.valueSize);
  }

  /** Writes the value of a socket. */
  updateOwner(owner: object, value: Uint8Array): void {
    this.checkSize('value', value, this.spec.valueSize);
    this.env.memory.u8.set(value, this.getOrCreate(owner, 0));
  }

  /** A caller's key is a descriptor of a socket; see `lookupOwner`. */
  override lookupElem(): Uint8Array {
    throw this.fail(Errno.EBADF, 'lookup', 'use lookupOwner');
  }

  override updateElem(): void {
    throw this.fail(Errno.EBADF, 'update', 'use updateOwner');
  }

  override deleteElem(): void {
    throw this.fail(Errno.EBADF, 'delete', 'use drop');
  }
}

/** BPF_MAP_TYPE_CGROUP_STORAGE and its per-CPU kin: there is one cgroup, and so one value (a CPU). */
export class CgroupStorageMap extends OwnedMap {
  private readonly base: number;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    const stride = Math.ceil(spec.valueSize / 8) * 8;
    super(spec, id, env, spec.type === MapType.PercpuCgroupStorage ? stride * env.cpus : stride);
    this.base = this.slab.take();
  }

  /** Address of the value for bpf_get_local_storage. */
  local(): number {
    if (this.type === MapType.CgroupStorage) return this.base;
    return this.base + this.env.currentCpu() * Math.ceil(this.spec.valueSize / 8) * 8;
  }

  /** Zeroes the value: a test run brings a storage of its own. */
  reset(): void {
    const cpus = this.type === MapType.CgroupStorage ? 1 : this.env.cpus;
    const stride = Math.ceil(this.spec.valueSize / 8) * 8;
    this.env.memory.u8.fill(0, this.base, this.base + stride * cpus);
  }

  override lookupElem(): Uint8Array {
    return this.env.memory.u8.slice(this.base, this.base + this.spec.valueSize);
  }

  override updateElem(_key: Uint8Array, value: Uint8Array): void {
    this.checkCallerWrite('update');
    this.checkSize('value', value, this.spec.valueSize);
    this.env.memory.u8.set(value, this.base);
  }

  override deleteElem(): void {
    throw this.fail(Errno.EINVAL, 'delete');
  }
}

const STORAGE_VALUE_MAX = 65535 - 64;

export const skStorageFamily: MapFamily = {
  check: (spec) => {
    const { flags } = spec;
    const known = (flags & ~(MapFlag.NO_PREALLOC | MapFlag.CLONE)) === 0;
    if (!known || (flags & MapFlag.NO_PREALLOC) === 0) return Errno.EINVAL;
    if (spec.maxEntries !== 0 || spec.keySize !== 4 || spec.valueSize === 0) return Errno.EINVAL;
    return spec.valueSize > STORAGE_VALUE_MAX ? Errno.E2BIG : 0;
  },
  create: (spec, id, env) => new SkStorageMap(spec, id, env),
};

export const cgroupStorageFamily: MapFamily = {
  check: (spec) => {
    const { flags } = spec;
    if (spec.keySize !== 8 && spec.keySize !== 16) return Errno.EINVAL;
    if (spec.valueSize === 0 || spec.maxEntries !== 0) return Errno.EINVAL;
    const percpu = spec.type === MapType.PercpuCgroupStorage;
    if (spec.valueSize > (percpu ? PERCPU_VALUE_MAX : STORAGE_VALUE_MAX)) return Errno.E2BIG;
    return (flags & ~(MapFlag.NUMA_NODE | ACCESS_FLAGS)) !== 0 || !accessFlagsOk(flags) ? Errno.EINVAL : 0;
  },
  create: (spec, id, env) => new CgroupStorageMap(spec, id, env),
};
