/** Types one by one: as the lines of `bpftool btf dump`, and as documents. */
import type { Btf } from './btf.js';
import type { BtfType } from './types.js';
import { BTF_KIND_NAMES, BtfKind } from './types.js';

const LINKAGES: readonly string[] = ['static', 'global', 'extern'];

const quoted = (name: string): string => (name === '' ? "'(anon)'" : `'${name}'`);

/** A line a type, lines of members indented below it. */
export function rawLines(btf: Btf): string[] {
  return btf.types.slice(1).flatMap((type) => {
    const head = `[${type.id}] ${BTF_KIND_NAMES[type.kind]} ${quoted(type.name)}`;
    const [facts, items] = details(btf, type);
    return [`${head}${facts === '' ? '' : ` ${facts}`}`, ...items.map((item) => `\t${item}`)];
  });
}

function encoding(type: BtfType): string {
  if (type.kind !== BtfKind.Int) return '';
  if (type.isBool) return 'BOOL';
  if (type.isChar) return 'CHAR';
  return type.signed ? 'SIGNED' : '(none)';
}

/** What follows the name, and the lines below. */
function details(btf: Btf, type: BtfType): [string, string[]] {
  switch (type.kind) {
    case BtfKind.Int:
      return [
        `size=${type.size} bits_offset=${type.bitOffset} nr_bits=${type.bits} encoding=${encoding(type)}`,
        [],
      ];
    case BtfKind.Float:
      return [`size=${type.size}`, []];
    case BtfKind.Array:
      return [`type_id=${type.type} index_type_id=${type.indexType} nr_elems=${type.count}`, []];
    case BtfKind.Struct:
    case BtfKind.Union:
      return [
        `size=${type.size} vlen=${type.members.length}`,
        type.members.map((m) => {
          const bits = m.bitSize === 0 ? '' : ` bitfield_size=${m.bitSize}`;
          return `${quoted(m.name)} type_id=${m.type} bits_offset=${m.bitOffset}${bits}`;
        }),
      ];
    case BtfKind.Enum:
    case BtfKind.Enum64:
      return [
        `encoding=${type.signed ? 'SIGNED' : 'UNSIGNED'} size=${type.size} vlen=${type.values.length}`,
        type.values.map(
          (v) =>
            `${quoted(v.name)} val=${v.value}${type.kind === BtfKind.Enum64 && !type.signed ? 'ULL' : type.kind === BtfKind.Enum64 ? 'LL' : ''}`,
        ),
      ];
    case BtfKind.Fwd:
      return [`fwd_kind=${type.isUnion ? 'union' : 'struct'}`, []];
    case BtfKind.Func:
      return [`type_id=${type.type} linkage=${LINKAGES[type.linkage]}`, []];
    case BtfKind.FuncProto:
      return [
        `ret_type_id=${type.type} vlen=${type.params.length}`,
        type.params.map((p) => `${quoted(p.name)} type_id=${p.type}`),
      ];
    case BtfKind.Var:
      return [`type_id=${type.type}, linkage=${LINKAGES[type.linkage]}`, []];
    case BtfKind.Datasec:
      return [
        `size=${type.size} vlen=${type.vars.length}`,
        type.vars.map((v) => {
          const target = btf.type(v.type);
          return `type_id=${v.type} offset=${v.offset} size=${v.size} (${BTF_KIND_NAMES[target.kind]} ${quoted(target.name)})`;
        }),
      ];
    case BtfKind.DeclTag:
      return [`type_id=${type.type} component_idx=${type.component}`, []];
    case BtfKind.Void:
      return ['', []];
    default:
      return [`type_id=${type.type}`, []];
  }
}

/** The types as they are, the kind by its name. */
export function typeDocuments(btf: Btf): unknown[] {
  return btf.types.slice(1).map((type) => ({ ...type, kind: BTF_KIND_NAMES[type.kind] }));
}
