/**
 * BPF_MAP_TYPE_DEVMAP, DEVMAP_HASH and CPUMAP as plain tables: targets of redirects. There are no devices, so any
 * interface index is good.
 */
import { Errno } from '../errors.js';
import { ArrayMap } from './array-map.js';
import { HashMap } from './hash-map.js';
import type { MapFamily, MapSpec } from './map.js';
import { BPF_EXIST, BPF_NOEXIST, MapFlag } from './map.js';
import { MapType } from './map-types.js';

/** A slot whose first word (interface index, queue size) is 0 is empty. */
class TargetArray extends ArrayMap {
  override lookup(keyAddr: number): number {
    const address = super.lookup(keyAddr);
    return address === 0 || this.env.memory.u32[address >>> 2] === 0 ? 0 : address;
  }

  override update(keyAddr: number, valueAddr: number, flags: number): number {
    if (flags >>> 0 > BPF_EXIST) return -Errno.EINVAL;
    const address = super.lookup(keyAddr);
    if (address === 0) return -Errno.E2BIG;
    if (flags === BPF_NOEXIST) return -Errno.EEXIST;
    const refused = this.checkTarget(keyAddr, valueAddr);
    if (refused !== 0) return refused;
    this.copyValue(address, valueAddr);
    return 0;
  }

  protected checkTarget(_keyAddr: number, _valueAddr: number): number {
    return 0;
  }

  override delete(keyAddr: number): number {
    const address = super.lookup(keyAddr);
    if (address === 0) return -Errno.EINVAL;
    this.env.memory.u8.fill(0, address, address + this.stride);
    return 0;
  }

  override directValueAddress(): number {
    return 0;
  }
}

/** CPUs that distribution kernels are built for. */
const CPUS_MAX = 512;
/** Longest queue of a CPU. */
const QUEUE_MAX = 16384;

class CpuMap extends TargetArray {
  protected override checkTarget(keyAddr: number, valueAddr: number): number {
    const { view } = this.env.memory;
    if (view.getUint32(valueAddr, true) > QUEUE_MAX) return -Errno.EOVERFLOW;
    return view.getUint32(keyAddr, true) >= this.env.cpus ? -Errno.ENODEV : 0;
  }
}

function checkTargets(spec: MapSpec, flags: number): number {
  const valueFits = spec.valueSize === 4 || spec.valueSize === 8;
  if (spec.maxEntries === 0 || spec.keySize !== 4 || !valueFits) return Errno.EINVAL;
  return (spec.flags & ~flags) !== 0 ? Errno.EINVAL : 0;
}

const DEVMAP_FLAGS = MapFlag.NUMA_NODE | MapFlag.RDONLY | MapFlag.WRONLY;

export const devmapFamily: MapFamily = {
  check: (spec) => {
    const tooMany = spec.type === MapType.DevmapHash && spec.maxEntries > 2 ** 31;
    return checkTargets(spec, DEVMAP_FLAGS) || (tooMany ? Errno.EINVAL : 0);
  },
  create: (spec, id, env) =>
    spec.type === MapType.DevmapHash ? new HashMap(spec, id, env) : new TargetArray(spec, id, env),
};

export const cpumapFamily: MapFamily = {
  check: (spec) => checkTargets(spec, MapFlag.NUMA_NODE) || (spec.maxEntries > CPUS_MAX ? Errno.E2BIG : 0),
  create: (spec, id, env) => new CpuMap(spec, id, env),
};
