/** What the verifier is given: plain data and look-ups, no loader and no engine. */
import type { DecodedProgram } from '../isa/insn.js';
import type { MapType } from '../maps/map-types.js';
import type { AttachType, ProgType } from '../progs/prog-types.js';

/** The special fields of a map value or an allocated object: those that programs may not touch directly. */
export type SpecialFieldKind =
  | 'spin_lock'
  | 'res_spin_lock'
  | 'timer'
  | 'wq'
  | 'kptr_unref'
  | 'kptr_ref'
  | 'kptr_percpu'
  | 'uptr'
  | 'list_head'
  | 'list_node'
  | 'rb_root'
  | 'rb_node'
  | 'refcount'
  | 'task_work';

export interface SpecialField {
  readonly kind: SpecialFieldKind;
  readonly offset: number;
  readonly size: number;
  /** Struct that a kptr points to, or that the list or tree holds. */
  readonly target?: string;
}

export interface VerifierMap {
  /** What lddw_map_fd's imm names. */
  readonly id: number;
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly fields: readonly SpecialField[];
  readonly inner?: VerifierMap;
  /** The constant contents of a frozen read-only map's single value. */
  readonly constant?: Uint8Array;
}

/** What a global function's argument is declared to be. */
export type SubprogArg =
  | { readonly kind: 'scalar' }
  | { readonly kind: 'ctx' }
  | { readonly kind: 'mem'; readonly size: number; readonly nullable: boolean }
  | { readonly kind: 'dynptr' }
  | { readonly kind: 'arena' }
  | { readonly kind: 'btf'; readonly struct: string; readonly nullable: boolean; readonly trusted: boolean }
  | { readonly kind: 'unsupported'; readonly message: string };

export interface VerifierSubprog {
  readonly start: number;
  readonly name: string;
  /** Verified on its own, for any arguments of its declared types. */
  readonly isGlobal: boolean;
  readonly args?: readonly SubprogArg[];
  readonly returnsVoid?: boolean;
  /** The return type is an integer or void, as LD_ABS and tail calls in subprograms need. */
  readonly returnsScalar?: boolean;
  readonly isExceptionCallback?: boolean;
}

/** Loading flags of the system call (UAPI), by name. */
export interface VerifierFlags {
  readonly strictAlignment?: boolean;
  readonly anyAlignment?: boolean;
  /** A checkpoint at every instruction where one is possible. */
  readonly stateFrequency?: boolean;
  readonly regInvariants?: boolean;
  readonly sleepable?: boolean;
}

export interface LocalType {
  readonly name: string;
  readonly size: number;
  readonly fields: readonly SpecialField[];
}

export interface SourceLine {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

export interface VerifierInput {
  readonly name: string;
  readonly progType: ProgType;
  readonly attachType: AttachType;
  /** Name after the section's slash that an attach point is found by, e.g. an LSM hook or a traced function. */
  readonly attachTo?: string;
  readonly flags: VerifierFlags;
  readonly isGpl: boolean;
  readonly insns: DecodedProgram;
  /** Ascending by start; the main program first. Absent where the object has no BTF: call targets delimit them. */
  readonly subprogs?: readonly VerifierSubprog[];
  readonly maps: ReadonlyMap<number, VerifierMap>;
  /** Possible CPUs, default 1. */
  readonly cpus?: number;
  /** Name of the kernel function that the call_kfunc at this slot names. */
  kfuncName?(pc: number): string | undefined;
  /** Name and size of the kernel variable that a lddw_btf_id names. */
  ksym?(pc: number): { readonly name: string; readonly size: number } | undefined;
  /** A struct of the object's own BTF, for objects that programs allocate. */
  localType?(typeId: number): LocalType | undefined;
  /** Name of a struct of the kernel's types, which casts name by id. */
  kernelStruct?(typeId: number): string | undefined;
  sourceLine?(pc: number): SourceLine | undefined;
}
