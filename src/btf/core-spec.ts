/** What a CO-RE relocation points at: its access path in the object's BTF, and the same path found in a target. */
import { BtfError } from '../errors.js';
import type { Btf } from './btf.js';
import { essentialName, fieldsCompatible, typesCompatible, typesMatch } from './core-match.js';
import type { CoreRelo } from './ext-types.js';
import { CORE_RELO_NAMES, CoreReloKind } from './ext-types.js';
import type { BtfArray, BtfComposite, BtfEnum, BtfType } from './types.js';
import { BTF_KIND_NAMES, BtfKind } from './types.js';

/** Longest path of members and indices, as in libbpf. */
const MAX_PATH = 64;

/** A step that means something: a named member, an array index, an enumerator. */
export interface Accessor {
  /** Type that holds the member; element type of an array; the enumeration. */
  readonly typeId: number;
  /** Member, element or enumerator. */
  readonly index: number;
  /** Undefined for array indices. */
  readonly name: string | undefined;
}

export interface CoreSpec {
  readonly btf: Btf;
  readonly rootId: number;
  readonly kind: CoreReloKind;
  readonly path: Accessor[];
  /** From the start of the root type. */
  bitOffset: number;
}

export type ReloFamily = 'field' | 'type' | 'enumval';

export function familyOf(kind: CoreReloKind): ReloFamily | undefined {
  if (kind <= CoreReloKind.FieldRshiftU64) return 'field';
  if (kind <= CoreReloKind.TypeSize || kind === CoreReloKind.TypeMatches) return 'type';
  return kind <= CoreReloKind.EnumvalValue ? 'enumval' : undefined;
}

function fail(message: string): never {
  throw new BtfError('ERR_BPF_BTF_CORE', message);
}

/** `<byte_off> [12] struct sock.__sk_common.skc_daddr (0:0:0:1)` */
export function describeRelo(btf: Btf, relo: CoreRelo, spec?: CoreSpec): string {
  const type = btf.types[relo.typeId] as BtfType | undefined;
  const kind = type === undefined ? '?' : BTF_KIND_NAMES[type.kind].toLowerCase();
  const steps = (spec?.path ?? []).map(({ name, index }, i) => {
    if (spec !== undefined && familyOf(spec.kind) === 'enumval') return `::${name ?? index}`;
    if (name !== undefined) return `.${name}`;
    return i === 0 && index === 0 ? '' : `[${index}]`;
  });
  const what = `${kind} ${type?.name === '' ? '<anonymous>' : (type?.name ?? '')}${steps.join('')}`;
  return `<${CORE_RELO_NAMES[relo.kind] ?? `kind ${relo.kind}`}> [${relo.typeId}] ${what} (${relo.access})`;
}

function parsePath(access: string): number[] {
  if (!/^\d{1,9}(:\d{1,9})*$/.test(access)) fail(`access path "${access}" is malformed`);
  const path = access.split(':').map(Number);
  if (path.length > MAX_PATH) fail(`access path of ${path.length} steps, more than ${MAX_PATH}`);
  return path;
}

/** The path in the object's own BTF. @throws BtfError where it does not fit the type. */
export function parseSpec(btf: Btf, relo: CoreRelo): CoreSpec {
  const family = familyOf(relo.kind);
  if (family === undefined) fail(`unknown CO-RE relocation ${relo.kind}`);
  const path = parsePath(relo.access);
  const spec: CoreSpec = { btf, rootId: relo.typeId, kind: relo.kind, path: [], bitOffset: 0 };
  btf.type(relo.typeId);
  if (family === 'type') {
    if (relo.access !== '0') fail(`access path "${relo.access}" for a type`);
    return spec;
  }
  const root = btf.resolve(relo.typeId);
  if (family === 'enumval') {
    const value = (root as BtfEnum).values?.[path[0]];
    if (value === undefined || path.length > 1) fail(`enumerator ${relo.access} of type ${root.id}`);
    spec.path.push({ typeId: root.id, index: path[0], name: value.name });
    return spec;
  }
  spec.path.push({ typeId: root.id, index: path[0], name: undefined });
  spec.bitOffset = path[0] * btf.sizeOf(root.id) * 8;
  let id = root.id;
  for (const index of path.slice(1)) id = step(spec, id, index);
  return spec;
}

/** Follows one step of a raw path; returns the type that it leads to. */
function step(spec: CoreSpec, id: number, index: number): number {
  const { btf } = spec;
  const type = btf.resolve(id);
  if (type.kind === BtfKind.Struct || type.kind === BtfKind.Union) {
    const member = type.members[index];
    if (member === undefined) fail(`member ${index} of ${type.name}, which has ${type.members.length}`);
    spec.bitOffset += member.bitOffset;
    if (member.name !== '') spec.path.push({ typeId: type.id, index, name: member.name });
    return member.type;
  }
  if (type.kind !== BtfKind.Array) fail(`a path into type ${type.id}, a ${BTF_KIND_NAMES[type.kind]}`);
  if (index >= type.count && !isFlexible(btf, spec.path.at(-1)!, type)) {
    fail(`element ${index} of an array of ${type.count}`);
  }
  const element = btf.resolve(type.type);
  spec.path.push({ typeId: element.id, index, name: undefined });
  spec.bitOffset += index * btf.sizeOf(element.id) * 8;
  return element.id;
}

/** A flexible array: of no elements, last in its structure. */
function isFlexible(btf: Btf, holder: Accessor, array: BtfArray): boolean {
  if (holder.name === undefined || array.count > 0) return false;
  return holder.index === (btf.type(holder.typeId) as BtfComposite).members.length - 1;
}

/** Finds the local path in a type of the target; undefined where it is not there. */
export function matchSpec(local: CoreSpec, btf: Btf, id: number): CoreSpec | undefined {
  const spec: CoreSpec = { btf, rootId: id, kind: local.kind, path: [], bitOffset: 0 };
  const family = familyOf(local.kind);
  if (family === 'type') {
    const relation = local.kind === CoreReloKind.TypeMatches ? typesMatch : typesCompatible;
    return relation({ btf: local.btf, id: local.rootId }, { btf, id }) ? spec : undefined;
  }
  if (family === 'enumval') return matchEnumerator(local, spec);
  let at = id;
  for (const [i, accessor] of local.path.entries()) {
    const next =
      accessor.name === undefined
        ? matchIndex(spec, at, accessor.index, i === 0)
        : matchMember(local, accessor, spec, at, 0);
    if (next === undefined) return undefined;
    at = next;
  }
  return spec;
}

function matchEnumerator(local: CoreSpec, spec: CoreSpec): CoreSpec | undefined {
  const type = spec.btf.resolve(spec.rootId);
  if (type.kind !== BtfKind.Enum && type.kind !== BtfKind.Enum64) return undefined;
  const wanted = essentialName(local.path[0].name!);
  const index = type.values.findIndex((value) => essentialName(value.name) === wanted);
  if (index < 0) return undefined;
  spec.path.push({ typeId: type.id, index, name: type.values[index].name });
  return spec;
}

function matchIndex(spec: CoreSpec, at: number, index: number, isRoot: boolean): number | undefined {
  const { btf } = spec;
  let element = btf.resolve(at);
  if (!isRoot) {
    if (element.kind !== BtfKind.Array) return undefined;
    if (index >= element.count && !isFlexible(btf, spec.path.at(-1)!, element)) return undefined;
    element = btf.resolve(element.type);
  }
  spec.path.push({ typeId: element.id, index, name: undefined });
  spec.bitOffset += index * btf.sizeOf(element.id) * 8;
  return element.id;
}

/** Looks for a member by name, in anonymous members too; returns its type. */
function matchMember(
  local: CoreSpec,
  accessor: Accessor,
  spec: CoreSpec,
  at: number,
  depth: number,
): number | undefined {
  if (depth >= MAX_PATH) fail(`type ${at}: anonymous members nested deeper than ${MAX_PATH}`);
  const type = spec.btf.resolve(at);
  if (type.kind !== BtfKind.Struct && type.kind !== BtfKind.Union) return undefined;
  const wanted = (local.btf.type(accessor.typeId) as BtfComposite).members[accessor.index];
  for (const [index, member] of type.members.entries()) {
    if (member.name === '') {
      spec.bitOffset += member.bitOffset;
      const found = matchMember(local, accessor, spec, member.type, depth + 1);
      if (found !== undefined) return found;
      spec.bitOffset -= member.bitOffset;
    } else if (member.name === wanted.name) {
      const pair = [
        { btf: local.btf, id: wanted.type },
        { btf: spec.btf, id: member.type },
      ] as const;
      if (!fieldsCompatible(...pair)) return undefined;
      spec.bitOffset += member.bitOffset;
      spec.path.push({ typeId: type.id, index, name: member.name });
      return member.type;
    }
  }
  return undefined;
}
