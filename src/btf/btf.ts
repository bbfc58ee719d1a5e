/** A table of BTF types with look-up by name, sizes and alignment. */
import { BtfError } from '../errors.js';
import type { BtfBase } from './parse.js';
import { parseBtf } from './parse.js';
import { StringTable } from './strings.js';
import type { BtfType } from './types.js';
import { BtfKind } from './types.js';

/** Steps through modifiers, typedefs and arrays before a chain counts as a cycle (libbpf's limit). */
const MAX_RESOLVE_DEPTH = 32;

const POINTER_SIZE = 8;

const VOID: BtfType = { kind: BtfKind.Void, id: 0, name: 'void' };

/** Types by id; 0 is void. Immutable. */
export class Btf {
  /** All types, those of the base included, indexed by id. */
  readonly types: readonly BtfType[];
  readonly strings: StringTable;
  /** The section as it was read. */
  readonly bytes: Uint8Array;
  private readonly base: Btf | undefined;
  private names: ReadonlyMap<string, readonly number[]> | undefined;

  private constructor(
    types: readonly BtfType[],
    bytes: Uint8Array,
    strings: StringTable,
    base: Btf | undefined,
  ) {
    this.types = types;
    this.bytes = bytes;
    this.strings = strings;
    this.base = base;
  }

  /**
   * @param bytes a .BTF section, or the contents of /sys/kernel/btf/vmlinux.
   * @param what what messages start with.
   * @param base of split BTF: the types that ids below its count refer to.
   * @throws BtfError
   */
  static parse(bytes: Uint8Array, what = '.BTF', base?: Btf): Btf {
    const parsed = parseBtf(bytes, what, base?.asBase());
    const types = base === undefined ? [VOID] : base.types.slice();
    for (const type of parsed.types) types.push(type);
    return new Btf(types, bytes, parsed.strings, base);
  }

  /** A table of types made elsewhere: by id, void first. */
  static fromTypes(types: readonly BtfType[]): Btf {
    const none = new StringTable(new Uint8Array(), (message) => new BtfError('ERR_BPF_BTF_STRING', message));
    return new Btf(types, new Uint8Array(), none, undefined);
  }

  /** Id of the first type that is not the base's. */
  get firstId(): number {
    return this.base?.types.length ?? 1;
  }

  /** The same table with some types replaced, by id. */
  withTypes(replaced: ReadonlyMap<number, BtfType>): Btf {
    const types = this.types.slice();
    for (const [id, type] of replaced) types[id] = type;
    return new Btf(types, this.bytes, this.strings, this.base);
  }

  private asBase(): BtfBase {
    return {
      count: this.types.length,
      stringSize: this.strings.size,
      stringAt: (offset) => this.stringAt(offset),
    };
  }

  /** @throws BtfError `ERR_BPF_BTF_STRING` */
  stringAt(offset: number): string {
    const below = this.base?.strings.size ?? 0;
    return offset < below ? this.base!.stringAt(offset) : this.strings.at(offset - below);
  }

  /** @throws BtfError `ERR_BPF_BTF_TYPE_ID` where there is no such type. */
  type(id: number): BtfType {
    const type = this.types[id];
    if (type === undefined) {
      throw new BtfError('ERR_BPF_BTF_TYPE_ID', `type id ${id}: the last one is ${this.types.length - 1}`);
    }
    return type;
  }

  /** All types of that name, in the order of their ids. */
  findAll(name: string): readonly BtfType[] {
    this.names ??= indexNames(this.types);
    return (this.names.get(name) ?? []).map((id) => this.types[id]);
  }

  /** The first type of that name and, where given, of one of those kinds. */
  find(name: string, ...kinds: BtfKind[]): BtfType | undefined {
    this.names ??= indexNames(this.types);
    for (const id of this.names.get(name) ?? []) {
      const type = this.types[id];
      if (kinds.length === 0 || kinds.includes(type.kind)) return type;
    }
    return undefined;
  }

  /** The type below typedefs, const, volatile, restrict and type tags. @throws BtfError on a cycle. */
  resolve(id: number): BtfType {
    let type = this.type(id);
    for (let depth = 0; depth < MAX_RESOLVE_DEPTH; depth++) {
      if (!isModifier(type.kind) && type.kind !== BtfKind.Typedef) return type;
      type = this.type((type as { readonly type: number }).type);
    }
    throw tooDeep(id);
  }

  /** The type below const, volatile, restrict and type tags; typedefs are kept. @throws BtfError on a cycle. */
  skipModifiers(id: number): BtfType {
    let type = this.type(id);
    for (let depth = 0; depth < MAX_RESOLVE_DEPTH; depth++) {
      if (!isModifier(type.kind)) return type;
      type = this.type((type as { readonly type: number }).type);
    }
    throw tooDeep(id);
  }

  /** Bytes of a value. @throws BtfError `ERR_BPF_BTF_SIZE` where the type has no size, or it exceeds 32 bits. */
  sizeOf(id: number): number {
    let elements = 1;
    let type = this.type(id);
    for (let depth = 0; depth < MAX_RESOLVE_DEPTH; depth++) {
      const size = ownSize(type);
      if (size !== undefined) return checkedSize(id, size * elements);
      if (type.kind === BtfKind.Array) elements *= type.count;
      else if (!hasTarget(type)) {
        throw new BtfError('ERR_BPF_BTF_SIZE', `type ${id} (${type.name || 'anonymous'}) has no size`);
      }
      type = this.type((type as { readonly type: number }).type);
    }
    throw tooDeep(id);
  }

  /** Natural alignment in bytes, as libbpf computes it: 1 for packed structures and types without size. */
  alignOf(id: number, depth = 0): number {
    if (depth >= MAX_RESOLVE_DEPTH) throw tooDeep(id);
    const type = this.type(id);
    switch (type.kind) {
      case BtfKind.Int:
      case BtfKind.Enum:
      case BtfKind.Enum64:
      case BtfKind.Float:
        return Math.min(POINTER_SIZE, type.size);
      case BtfKind.Ptr:
        return POINTER_SIZE;
      case BtfKind.Struct:
      case BtfKind.Union: {
        let align = 1;
        for (const member of type.members) align = Math.max(align, this.alignOf(member.type, depth + 1));
        return align;
      }
      case BtfKind.Array:
        return this.alignOf(type.type, depth + 1);
      default:
        return hasTarget(type) ? this.alignOf(type.type, depth + 1) : 1;
    }
  }
}

export function isModifier(kind: BtfKind): boolean {
  return (
    kind === BtfKind.Const ||
    kind === BtfKind.Volatile ||
    kind === BtfKind.Restrict ||
    kind === BtfKind.TypeTag
  );
}

function hasTarget(type: BtfType): type is BtfType & { readonly type: number } {
  return isModifier(type.kind) || type.kind === BtfKind.Typedef || type.kind === BtfKind.Var;
}

function ownSize(type: BtfType): number | undefined {
  switch (type.kind) {
    case BtfKind.Int:
    case BtfKind.Float:
    case BtfKind.Struct:
    case BtfKind.Union:
    case BtfKind.Enum:
    case BtfKind.Enum64:
    case BtfKind.Datasec:
      return type.size;
    case BtfKind.Ptr:
      return POINTER_SIZE;
    default:
      return undefined;
  }
}

function checkedSize(id: number, size: number): number {
  if (size > 0xffff_ffff) {
    throw new BtfError('ERR_BPF_BTF_SIZE', `type ${id} takes ${size} bytes, more than 32 bits count`);
  }
  return size;
}

function tooDeep(id: number): BtfError {
  return new BtfError(
    'ERR_BPF_BTF_DEPTH',
    `type ${id}: more than ${MAX_RESOLVE_DEPTH} steps to its base type`,
    { hint: 'a cycle of types?' },
  );
}

function indexNames(types: readonly BtfType[]): ReadonlyMap<string, number[]> {
  const names = new Map<string, number[]>();
  for (let id = 1; id < types.length; id++) {
    const { name } = types[id];
    if (name === '') continue;
    const ids = names.get(name);
    if (ids === undefined) names.set(name, [id]);
    else ids.push(id);
  }
  return names;
}
