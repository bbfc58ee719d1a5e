/** BTF types as plain data (Documentation/bpf/btf.rst describes the format; numbers are the UAPI's). */

export const enum BtfKind {
  Void = 0,
  Int = 1,
  Ptr = 2,
  Array = 3,
  Struct = 4,
  Union = 5,
  Enum = 6,
  Fwd = 7,
  Typedef = 8,
  Volatile = 9,
  Const = 10,
  Restrict = 11,
  Func = 12,
  FuncProto = 13,
  Var = 14,
  Datasec = 15,
  Float = 16,
  DeclTag = 17,
  TypeTag = 18,
  Enum64 = 19,
}

/** Names of the kinds as bpftool prints them, indexed by `BtfKind`. */
export const BTF_KIND_NAMES: readonly string[] = [
  'UNKNOWN',
  'INT',
  'PTR',
  'ARRAY',
  'STRUCT',
  'UNION',
  'ENUM',
  'FWD',
  'TYPEDEF',
  'VOLATILE',
  'CONST',
  'RESTRICT',
  'FUNC',
  'FUNC_PROTO',
  'VAR',
  'DATASEC',
  'FLOAT',
  'DECL_TAG',
  'TYPE_TAG',
  'ENUM64',
];

interface Named {
  /** Index in the table of types; 0 is void. */
  readonly id: number;
  /** Empty where anonymous. */
  readonly name: string;
}

export interface BtfVoid extends Named {
  readonly kind: BtfKind.Void;
}

export interface BtfInt extends Named {
  readonly kind: BtfKind.Int;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  readonly isChar: boolean;
  readonly isBool: boolean;
  /** Of the value inside `size` bytes. */
  readonly bits: number;
  readonly bitOffset: number;
}

export interface BtfFloat extends Named {
  readonly kind: BtfKind.Float;
  readonly size: number;
}

/** Kinds that only refer to another type. */
export interface BtfRef extends Named {
  readonly kind:
    BtfKind.Ptr | BtfKind.Typedef | BtfKind.Volatile | BtfKind.Const | BtfKind.Restrict | BtfKind.TypeTag;
  readonly type: number;
}

export interface BtfArray extends Named {
  readonly kind: BtfKind.Array;
  /** Element type. */
  readonly type: number;
  readonly indexType: number;
  readonly count: number;
}

export interface BtfMember {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  /** 0 where the member is no bit field. */
  readonly bitSize: number;
}

export interface BtfComposite extends Named {
  readonly kind: BtfKind.Struct | BtfKind.Union;
  readonly size: number;
  readonly members: readonly BtfMember[];
}

export interface BtfEnumerator {
  readonly name: string;
  /** Sign-extended where the enumeration is signed. */
  readonly value: bigint;
}

export interface BtfEnum extends Named {
  readonly kind: BtfKind.Enum | BtfKind.Enum64;
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly BtfEnumerator[];
}

export interface BtfFwd extends Named {
  readonly kind: BtfKind.Fwd;
  readonly isUnion: boolean;
}

/** Static, global or extern: of functions and variables (UAPI numbers). */
export const enum BtfLinkage {
  Static = 0,
  Global = 1,
  Extern = 2,
}

export interface BtfFunc extends Named {
  readonly kind: BtfKind.Func;
  /** Id of its FUNC_PROTO. */
  readonly type: number;
  readonly linkage: BtfLinkage;
}

export interface BtfParam {
  readonly name: string;
  /** 0 as the last one: the function is variadic. */
  readonly type: number;
}

export interface BtfFuncProto extends Named {
  readonly kind: BtfKind.FuncProto;
  /** Return type. */
  readonly type: number;
  readonly params: readonly BtfParam[];
}

export interface BtfVar extends Named {
  readonly kind: BtfKind.Var;
  readonly type: number;
  readonly linkage: BtfLinkage;
}

export interface BtfSecVar {
  /** Id of a VAR or, for `.ksyms`, a FUNC. */
  readonly type: number;
  /** Bytes from the start of the section. clang leaves 0 for the linker to fill in. */
  readonly offset: number;
  readonly size: number;
}

export interface BtfDatasec extends Named {
  readonly kind: BtfKind.Datasec;
  readonly size: number;
  readonly vars: readonly BtfSecVar[];
}

export interface BtfDeclTag extends Named {
  readonly kind: BtfKind.DeclTag;
  readonly type: number;
  /** -1: the tag is on the type itself; else the index of the member or parameter. */
  readonly component: number;
}

export type BtfType =
  | BtfVoid
  | BtfInt
  | BtfFloat
  | BtfRef
  | BtfArray
  | BtfComposite
  | BtfEnum
  | BtfFwd
  | BtfFunc
  | BtfFuncProto
  | BtfVar
  | BtfDatasec
  | BtfDeclTag;
