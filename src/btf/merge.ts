/** Several tables of types as one: ids are shifted, nothing is deduplicated but sections of variables. */
import { BtfError } from '../errors.js';
import { Btf } from './btf.js';
import type { BtfDatasec, BtfSecVar, BtfType } from './types.js';
import { BtfKind } from './types.js';

/** What becomes of a variable or function of a section; undefined: another input's stands for it. */
export type PlaceVariable = (
  input: number,
  section: BtfDatasec,
  entry: BtfSecVar,
  type: BtfType,
) => BtfSecVar | undefined;

export interface MergedTypes {
  readonly btf: Btf;
  /** What is added to the ids of each input. */
  readonly shifts: readonly number[];
}

/** A type with its references shifted; 0, void, stays. */
function shifted(type: BtfType, by: number): BtfType {
  const id = (ref: number): number => (ref === 0 ? 0 : ref + by);
  const base = { ...type, id: type.id + by };
  switch (base.kind) {
    case BtfKind.Array:
      return { ...base, type: id(base.type), indexType: id(base.indexType) };
    case BtfKind.Struct:
    case BtfKind.Union:
      return { ...base, members: base.members.map((member) => ({ ...member, type: id(member.type) })) };
    case BtfKind.FuncProto:
      return {
        ...base,
        type: id(base.type),
        params: base.params.map((param) => ({ ...param, type: id(param.type) })),
      };
    case BtfKind.Datasec:
      return { ...base, vars: base.vars.map((entry) => ({ ...entry, type: id(entry.type) })) };
    case BtfKind.Void:
    case BtfKind.Int:
    case BtfKind.Float:
    case BtfKind.Enum:
    case BtfKind.Enum64:
    case BtfKind.Fwd:
      return base;
    default:
      return { ...base, type: id(base.type) };
  }
}

/**
 * Appends the tables to one another. Sections of the same name become one, with the entries that `place` leaves, each
 * where it says; their sizes are left open (0), as clang leaves them.
 */
export function mergeTypes(tables: readonly Btf[], place: PlaceVariable): MergedTypes {
  const types: BtfType[] = [tables[0].types[0]];
  const shifts: number[] = [];
  const sections = new Map<string, { index: number; vars: BtfSecVar[] }>();
  for (const [input, table] of tables.entries()) {
    if (table.firstId !== 1) throw new BtfError('ERR_BPF_BTF_BASE', 'split BTF cannot be merged');
    const by = types.length - 1;
    shifts.push(by);
    for (const type of table.types.slice(1)) {
      const moved = shifted(type, by);
      types.push(moved);
      if (type.kind !== BtfKind.Datasec || moved.kind !== BtfKind.Datasec) continue;
      const kept = type.vars.flatMap((entry) => {
        const placed = place(input, type, entry, table.type(entry.type));
        return placed === undefined ? [] : [{ ...placed, type: placed.type + by }];
      });
      const section = sections.get(type.name);
      if (section === undefined) sections.set(type.name, { index: types.length - 1, vars: kept });
      else {
        section.vars.push(...kept);
        // Its place in the table stays taken.
        types[types.length - 1] = { kind: BtfKind.Fwd, id: moved.id, name: '', isUnion: false };
      }
    }
  }
  for (const { index, vars } of sections.values()) {
    types[index] = { ...(types[index] as BtfDatasec), size: 0, vars };
  }
  return { btf: Btf.fromTypes(types), shifts };
}
