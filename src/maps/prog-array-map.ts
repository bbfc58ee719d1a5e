/** BPF_MAP_TYPE_PROG_ARRAY: slots that tail calls jump through. */
import { Errno } from '../errors.js';
import { checkArraySpec } from './array-map.js';
import type { MapFamily, MapSpec } from './map.js';
import { MapFlag } from './map.js';
import { SlotMap } from './slot-map.js';

/** What a slot holds; the engine knows the rest. */
export interface TailCallTarget {
  /** Id of the program in its VM. */
  readonly id: number;
}

export class ProgArrayMap extends SlotMap<TailCallTarget> {
  /** The program that a tail call to `index` reaches, or null. */
  program(index: number): TailCallTarget | null {
    return this.at(index) ?? null;
  }

  /** Puts a program into a slot, or empties it with `null`; only BPF_ANY. */
  setProgram(index: number, program: TailCallTarget | null, flags = 0): void {
    if (flags !== 0) throw this.fail(Errno.EINVAL, 'update');
    this.set(index, program);
  }

  protected override idOf(program: TailCallTarget): number {
    return program.id;
  }
}

/** Arrays of objects: values are descriptors, and programs neither read nor write the slots. */
export function checkSlotSpec(spec: MapSpec): number {
  if (spec.valueSize !== 4) return Errno.EINVAL;
  if ((spec.flags & (MapFlag.RDONLY_PROG | MapFlag.WRONLY_PROG)) !== 0) return Errno.EINVAL;
  return checkArraySpec(spec);
}

export const progArrayFamily: MapFamily = {
  check: checkSlotSpec,
  create: (spec, id, env) => new ProgArrayMap(spec, id, env),
};
