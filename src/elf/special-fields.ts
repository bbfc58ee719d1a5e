/** Fields of map values that the kernel treats apart: locks and timers. */
import type { Btf } from '../btf/btf.js';
import { BtfKind } from '../btf/types.js';

export interface SpecialFields {
  spinLockOffset?: number;
  timerOffset?: number;
}

interface Field {
  readonly type: number;
  readonly offset: number;
}

/** Looks at the members of a structure, or the variables of a section, as the kernel does: not below them. */
export function specialFields(btf: Btf, typeId: number | undefined): SpecialFields {
  const found: SpecialFields = {};
  if (typeId === undefined || typeId === 0) return found;
  for (const { type: id, offset } of fieldsOf(btf, typeId)) {
    const type = btf.resolve(id);
    if (type.kind !== BtfKind.Struct || !Number.isInteger(offset)) continue;
    if (type.name === 'bpf_spin_lock') found.spinLockOffset ??= offset;
    else if (type.name === 'bpf_timer') found.timerOffset ??= offset;
  }
  return found;
}

function fieldsOf(btf: Btf, typeId: number): Field[] {
  const type = btf.resolve(typeId);
  if (type.kind === BtfKind.Struct) {
    return type.members.map((member) => ({ type: member.type, offset: member.bitOffset / 8 }));
  }
  if (type.kind !== BtfKind.Datasec) return [];
  return type.vars.flatMap((entry) => {
    const variable = btf.type(entry.type);
    return variable.kind === BtfKind.Var ? [{ type: variable.type, offset: entry.offset }] : [];
  });
}
