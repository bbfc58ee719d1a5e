/** BPF_MAP_TYPE_PERF_EVENT_ARRAY: samples from programs to a caller, a slot a CPU. */
import { Errno } from '../errors.js';
import { checkSlotSpec } from './prog-array-map.js';
import type { MapFamily } from './map.js';
import { SlotMap } from './slot-map.js';

/** Receives the samples of one slot; the bytes are the receiver's. */
export type SampleListener = (cpu: number, sample: Uint8Array) => void;

/** Stands for an open perf event of the software type that programs write to. */
export interface PerfEvent {
  readonly id: number;
  readonly listener: SampleListener;
}

export class PerfEventArrayMap extends SlotMap<PerfEvent> {
  /** Opens an event in the slot of every CPU. */
  listen(listener: SampleListener): void {
    const count = Math.min(this.spec.maxEntries, this.env.cpus);
    for (let cpu = 0; cpu < count; cpu++) this.set(cpu, { id: cpu + 1, listener });
  }

  /** 0, -E2BIG beyond the last slot, -ENOENT where no event is open, -EOPNOTSUPP for another CPU's event. */
  output(index: number, sample: Uint8Array): number {
    const cpu = this.env.currentCpu();
    if (index >= this.spec.maxEntries) return -Errno.E2BIG;
    const event = this.at(index);
    if (event === undefined) return -Errno.ENOENT;
    if (index !== cpu) return -Errno.EOPNOTSUPP;
    event.listener(cpu, sample);
    return 0;
  }

  protected override idOf(event: PerfEvent): number {
    return event.id;
  }
}

export const perfEventArrayFamily: MapFamily = {
  check: checkSlotSpec,
  create: (spec, id, env) => new PerfEventArrayMap(spec, id, env),
};
