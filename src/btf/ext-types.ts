/** Records of .BTF.ext as plain data. */

/** A source line; valid from `pc` until the next record. */
export interface LineInfo {
  /** Instruction slot, counted from the start of the program. */
  readonly pc: number;
  readonly file: string;
  /** Text of the line, as written in the source. */
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** Where a function starts, and its BTF FUNC. */
export interface FuncInfo {
  readonly pc: number;
  readonly typeId: number;
}

/** What a CO-RE relocation asks for (UAPI `enum bpf_core_relo_kind`). */
export const enum CoreReloKind {
  FieldByteOffset = 0,
  FieldByteSize = 1,
  FieldExists = 2,
  FieldSigned = 3,
  FieldLshiftU64 = 4,
  FieldRshiftU64 = 5,
  TypeIdLocal = 6,
  TypeIdTarget = 7,
  TypeExists = 8,
  TypeSize = 9,
  EnumvalExists = 10,
  EnumvalValue = 11,
  TypeMatches = 12,
}

/** libbpf's names, indexed by `CoreReloKind`. */
export const CORE_RELO_NAMES: readonly string[] = [
  'byte_off',
  'byte_sz',
  'field_exists',
  'signed',
  'lshift_u64',
  'rshift_u64',
  'local_type_id',
  'target_type_id',
  'type_exists',
  'type_size',
  'enumval_exists',
  'enumval_value',
  'type_matches',
];

export interface CoreRelo {
  readonly pc: number;
  /** Root type in the object's BTF. */
  readonly typeId: number;
  /** Path of member and array indices, `0:1:2`; the enumerator's index for enum values. */
  readonly access: string;
  readonly kind: CoreReloKind;
}
