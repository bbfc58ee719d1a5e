/** BPF_MAP_TYPE_QUEUE and BPF_MAP_TYPE_STACK: values without keys, in a ring. */
import { Errno } from '../errors.js';
import type { Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import { accessFlagsOk, ACCESS_FLAGS } from './array-map.js';
import type { MapEnv, MapFamily, MapSpec } from './map.js';
import { BPF_EXIST, BPF_NOEXIST, MapFlag } from './map.js';
import { MapType } from './map-types.js';
import { StoredMap } from './stored-map.js';

export class QueueMap extends StoredMap {
  private readonly values: Region;
  /** Slot of the oldest value, and how many there are. */
  private first = 0;
  private count_ = 0;

  constructor(spec: MapSpec, id: number, env: MapEnv) {
    super(spec, id, env);
    this.values = env.memory.alloc(this.stride * spec.maxEntries, RegionKind.MapValue, {
      label: `values of map ${spec.name}`,
    });
  }

  get count(): number {
    return this.count_;
  }

  private slot(position: number): number {
    return this.values.base + ((this.first + position) % this.spec.maxEntries) * this.stride;
  }

  /** BPF_EXIST makes room by dropping the oldest value. */
  override push(valueAddr: number, flags: number): number {
    if ((flags & BPF_NOEXIST) !== 0 || flags >>> 0 > BPF_EXIST) return -Errno.EINVAL;
    if (this.count_ === this.spec.maxEntries) {
      if ((flags & BPF_EXIST) === 0) return -Errno.E2BIG;
      this.first = (this.first + 1) % this.spec.maxEntries;
      this.count_--;
    }
    this.copyValue(this.slot(this.count_++), valueAddr);
    return 0;
  }

  override peek(valueAddr: number): number {
    const { u8 } = this.env.memory;
    const { valueSize } = this.spec;
    if (this.count_ === 0) {
      u8.fill(0, valueAddr, valueAddr + valueSize);
      return -Errno.ENOENT;
    }
    const from = this.slot(this.type === MapType.Stack ? this.count_ - 1 : 0);
    u8.copyWithin(valueAddr, from, from + valueSize);
    return 0;
  }

  override pop(valueAddr: number): number {
    const result = this.peek(valueAddr);
    if (result !== 0) return result;
    if (this.type === MapType.Queue) this.first = (this.first + 1) % this.spec.maxEntries;
    this.count_--;
    return 0;
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

  protected override next(): number {
    return -Errno.EINVAL;
  }

  protected override updateForCaller(_keyAddr: number, valueAddr: number, flags: number): number {
    return this.push(valueAddr, flags);
  }

  protected override lookupForCaller(): number {
    return this.peek(this.valueScratch) === 0 ? this.valueScratch : 0;
  }

  override lookupAndDeleteElem(key: Uint8Array, flags = 0): Uint8Array {
    this.checkCallerRead('lookup_and_delete');
    this.checkCallerWrite('lookup_and_delete');
    if (flags !== 0) throw this.fail(Errno.EINVAL, `lookup_and_delete with flags ${flags}`);
    this.putKey(key);
    const result = this.pop(this.valueScratch);
    if (result < 0) throw this.fail(result, 'lookup_and_delete');
    return this.readValue(this.valueScratch);
  }

  override destroy(): void {
    this.env.memory.free(this.values);
    super.destroy();
  }
}

const VALUE_MAX = 4 << 20;

function checkQueueSpec(spec: MapSpec): number {
  const { flags } = spec;
  if (spec.maxEntries === 0 || spec.keySize !== 0 || spec.valueSize === 0) return Errno.EINVAL;
  if ((flags & ~(MapFlag.NUMA_NODE | ACCESS_FLAGS)) !== 0 || !accessFlagsOk(flags)) return Errno.EINVAL;
  return spec.valueSize > VALUE_MAX ? Errno.E2BIG : 0;
}

export const queueFamily: MapFamily = {
  check: checkQueueSpec,
  create: (spec, id, env) => new QueueMap(spec, id, env),
};
