/**
 * What an object file says, as plain data: nothing created, nothing that depends on the run. `readObject` makes it;
 * the loader creates maps from it, applies CO-RE, resolves the relocations, and checks and runs the instructions.
 */
import type { Btf } from '../btf/btf.js';
import type { CoreRelo, FuncInfo, LineInfo } from '../btf/ext-types.js';
import type { MapSpec } from '../maps/map.js';
import type { AttachType, ProgType } from '../progs/prog-types.js';

/** Something that is left to resolve in an instruction. `pc` is the slot in the linked program. */
export type Relocation =
  /** lddw: imm = the map. `map` names an entry of `ObjectSpec.maps`. */
  | { readonly kind: 'map'; readonly pc: number; readonly map: string }
  /** lddw: imm = the map of a data section, next imm = `offset` into its value. */
  | { readonly kind: 'data'; readonly pc: number; readonly map: string; readonly offset: number }
  /** lddw of an extern: a kernel-config value (in the `.kconfig` map), or a kernel symbol's address or BTF id. */
  | { readonly kind: 'extern'; readonly pc: number; readonly extern: string }
  /** call of a kernel function, an extern too. */
  | { readonly kind: 'kfunc'; readonly pc: number; readonly extern: string };

/** A function inside a linked program; the first one is the program itself. */
export interface SubprogSpec {
  readonly name: string;
  /** First slot. */
  readonly start: number;
  /** Slots. */
  readonly length: number;
}

export interface ProgramSpec {
  /** The function's name. */
  readonly name: string;
  /** Section without a leading `?`. */
  readonly section: string;
  /** `Unspec` where the section name says nothing: the caller gives the type. */
  readonly progType: ProgType;
  /** 0 where the section name implies none, as in libbpf. */
  readonly attachType: AttachType;
  /** What follows the slash of the section name, e.g. a kernel function. */
  readonly attachTarget?: string;
  /** False for `SEC("?...")`: loaded on request only. */
  readonly autoload: boolean;
  /** BPF_PROG_LOAD flags that the section name implies, see `ProgFlag`. */
  readonly flags: number;
  /** The program with the subprograms it calls appended, in libbpf's order; 8 bytes a slot. */
  readonly insns: Uint8Array;
  readonly subprogs: readonly SubprogSpec[];
  readonly relocations: readonly Relocation[];
  readonly lineInfo: readonly LineInfo[];
  readonly funcInfo: readonly FuncInfo[];
  readonly coreRelos: readonly CoreRelo[];
}

/** An undefined symbol that is to be resolved when the object is loaded. */
export interface ExternSpec {
  readonly name: string;
  /** `kconfig`: value in the `.kconfig` map; `ksym`: kernel variable; `kfunc`: kernel function. */
  readonly kind: 'kconfig' | 'ksym' | 'kfunc';
  readonly weak: boolean;
  /** BTF id of its type (FUNC_PROTO for functions) in the object; 0 for a typeless ksym (`extern const void`). */
  readonly typeId: number;
  /** kconfig: place of the value in the `.kconfig` map. */
  readonly kconfig?: KconfigField;
}

export interface KconfigField {
  readonly offset: number;
  readonly size: number;
  readonly type: 'char' | 'bool' | 'int' | 'tristate' | 'char_arr';
  readonly signed: boolean;
}

/** A struct_ops variable: a map whose value is a table of programs. */
export interface StructOpsSpec {
  /** The variable, which is also the map's name. */
  readonly name: string;
  /** Name of the kernel's structure, `___suffix` left out. */
  readonly type: string;
  readonly typeId: number;
  /** `SEC(".struct_ops.link")`: attached through a link. */
  readonly link: boolean;
  /** `SEC("?.struct_ops")`: not created by default. */
  readonly autocreate: boolean;
  readonly data: Uint8Array;
  /** Member -> program. */
  readonly programs: ReadonlyMap<string, string>;
}

/** A variable in one of the data sections. */
export interface GlobalSpec {
  readonly name: string;
  /** Entry of `ObjectSpec.maps`. */
  readonly map: string;
  readonly section: string;
  readonly offset: number;
  readonly size: number;
  /** BTF id of its type; 0 where the object has no BTF. */
  readonly typeId: number;
  readonly isStatic: boolean;
}

export interface ObjectSpec {
  /** As the caller named it, e.g. the file's name without its directory. */
  readonly name: string;
  /** Empty where the object has no license section. */
  readonly license: string;
  /** Value of the `version` section, 0 where there is none. */
  readonly kernelVersion: number;
  readonly programs: readonly ProgramSpec[];
  /** In libbpf's order: declared maps, data sections, `.kconfig`, struct_ops. Names are unique. */
  readonly maps: readonly MapSpec[];
  readonly globals: readonly GlobalSpec[];
  readonly externs: readonly ExternSpec[];
  readonly structOps: readonly StructOpsSpec[];
  readonly btf?: Btf;
  /** Producer of the debug information, e.g. `Debian clang version 19.1.7`, where the object says so. */
  readonly compiler?: string;
}
