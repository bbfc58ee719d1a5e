/** The number that a CO-RE relocation writes into an instruction, from a path in one BTF. */
import { BtfError } from '../errors.js';
import type { CoreSpec } from './core-spec.js';
import { familyOf } from './core-spec.js';
import { CoreReloKind } from './ext-types.js';
import type { BtfComposite, BtfEnum, BtfMember } from './types.js';
import { BtfKind } from './types.js';

export interface CoreValue {
  readonly value: bigint;
  /** Whether the instruction must have held the local value: false where the compiler may differ. */
  readonly exact: boolean;
  /** Size and type of the field, for adjusting loads and stores; 0 where there is nothing to adjust. */
  readonly size: number;
  readonly typeId: number;
}

const plain = (value: bigint | number | boolean, exact = true): CoreValue => ({
  value: BigInt(value),
  exact,
  size: 0,
  typeId: 0,
});

/** Undefined where nothing was found and the instruction is to be poisoned. */
export function coreValue(kind: CoreReloKind, spec: CoreSpec | undefined): CoreValue | undefined {
  switch (familyOf(kind)) {
    case 'type':
      return typeValue(kind, spec);
    case 'enumval':
      if (kind === CoreReloKind.EnumvalExists) return plain(spec !== undefined);
      return spec === undefined ? undefined : enumValue(spec);
    default:
      if (kind === CoreReloKind.FieldExists) return plain(spec !== undefined);
      return spec === undefined ? undefined : fieldValue(kind, spec);
  }
}

function typeValue(kind: CoreReloKind, spec: CoreSpec | undefined): CoreValue {
  if (spec === undefined) return plain(0);
  if (kind === CoreReloKind.TypeIdTarget) return plain(spec.rootId, false);
  return kind === CoreReloKind.TypeSize ? plain(spec.btf.sizeOf(spec.rootId)) : plain(1);
}

function enumValue(spec: CoreSpec): CoreValue {
  const [{ typeId, index }] = spec.path;
  const type = spec.btf.type(typeId) as BtfEnum;
  const { value } = type.values[index];
  // 32-bit enumerators count as signed whatever the enumeration says.
  return plain(BigInt.asUintN(64, type.kind === BtfKind.Enum ? BigInt.asIntN(32, value) : value));
}

function fieldValue(kind: CoreReloKind, spec: CoreSpec): CoreValue {
  const { btf } = spec;
  const last = spec.path.at(-1)!;
  if (last.name === undefined) return elementValue(kind, spec);
  const member = (btf.type(last.typeId) as BtfComposite).members[last.index];
  const type = btf.resolve(member.type);
  const place = member.bitSize > 0 ? bitFieldPlace(spec, member) : undefined;
  const size = place?.size ?? btf.sizeOf(type.id);
  const offset = place?.offset ?? Math.floor(spec.bitOffset / 8);
  const bits = place === undefined ? size * 8 : member.bitSize;
  const exact = place === undefined;
  switch (kind) {
    case CoreReloKind.FieldByteOffset:
      return { value: BigInt(offset), exact, size: exact ? size : 0, typeId: exact ? type.id : 0 };
    case CoreReloKind.FieldByteSize:
      return plain(size, exact);
    case CoreReloKind.FieldSigned: {
      const isNumber =
        type.kind === BtfKind.Int || type.kind === BtfKind.Enum || type.kind === BtfKind.Enum64;
      return plain(isNumber && type.signed);
    }
    case CoreReloKind.FieldLshiftU64:
      return plain(64 - (spec.bitOffset + bits - offset * 8), exact);
    default:
      return plain(64 - bits);
  }
}

function elementValue(kind: CoreReloKind, spec: CoreSpec): CoreValue {
  const { typeId } = spec.path.at(-1)!;
  const size = spec.btf.sizeOf(typeId);
  if (kind === CoreReloKind.FieldByteOffset) {
    return { value: BigInt(Math.floor(spec.bitOffset / 8)), exact: true, size, typeId };
  }
  if (kind === CoreReloKind.FieldByteSize) return plain(size);
  throw new BtfError('ERR_BPF_BTF_CORE', 'this relocation cannot be applied to an array element');
}

/** The smallest aligned integer that holds a bit field. */
function bitFieldPlace(spec: CoreSpec, member: BtfMember): { size: number; offset: number } {
  const bits = spec.bitOffset;
  let size = spec.btf.sizeOf(member.type);
  for (; size > 0 && size <= 8; size *= 2) {
    const offset = Math.floor(bits / 8 / size) * size;
    if (bits + member.bitSize - offset * 8 <= size * 8) return { size, offset };
  }
  throw new BtfError('ERR_BPF_BTF_CORE', `bit field ${member.name} does not fit any load`);
}
