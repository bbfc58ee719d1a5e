/** Undefined symbols: kernel-config values, kernel variables and kernel functions, in libbpf's order. */
import type { Btf } from '../btf/btf.js';
import type { BtfFunc, BtfType, BtfVar } from '../btf/types.js';
import { BtfKind, BtfLinkage } from '../btf/types.js';
import type { ElfError } from '../errors.js';
import { elfError } from './context.js';
import type { ExternSpec, KconfigField } from './object-spec.js';
import type { ElfFile } from './reader.js';
import type { ElfSymbol, SymbolTable } from './symbols.js';
import { SymbolBind, isExtern } from './symbols.js';

const KCONFIG_SECTION = '.kconfig';
const KSYMS_SECTION = '.ksyms';

export interface Externs {
  readonly list: readonly ExternSpec[];
  readonly bySymbol: ReadonlyMap<ElfSymbol, string>;
  /** Bytes of the `.kconfig` map; 0 where no extern needs one. */
  readonly kconfigSize: number;
}

interface Draft {
  readonly symbol: ElfSymbol;
  readonly type: BtfVar | BtfFunc;
  readonly section: string;
  /** kconfig only. */
  readonly size: number;
  readonly align: number;
}

/** @throws ElfError where BTF does not describe an extern, or in a way that libbpf does not support. */
export function collectExterns(elf: ElfFile, symbols: SymbolTable, btf: Btf | undefined): Externs {
  const drafts = new Map<string, Draft>();
  const bySymbol = new Map<ElfSymbol, string>();
  const undefinedSymbols = symbols.symbols.filter((symbol) => isExtern(symbol) && symbol.name !== '');
  if (undefinedSymbols.length === 0) return { list: [], bySymbol, kconfigSize: 0 };
  const declared = declaredExterns(btf);
  for (const symbol of undefinedSymbols) {
    if (!drafts.has(symbol.name)) drafts.set(symbol.name, draft(elf, symbol, btf, declared));
    bySymbol.set(symbol, symbol.name);
  }
  const ordered = [...drafts.values()].sort(compareDrafts);
  const list: ExternSpec[] = [];
  let end = 0;
  for (const item of ordered) {
    if (item.section === KSYMS_SECTION) {
      list.push(ksymSpec(btf!, item));
      continue;
    }
    const offset = Math.ceil(end / item.align) * item.align;
    end = offset + item.size;
    list.push(kconfigSpec(elf, btf!, item, offset));
  }
  return { list, bySymbol, kconfigSize: end };
}

interface Declared {
  /** The first VAR or FUNC of each name that is an extern's. */
  readonly types: ReadonlyMap<string, BtfVar | BtfFunc>;
  /** DATASEC that lists a type. */
  readonly sections: ReadonlyMap<number, string>;
}

function declaredExterns(btf: Btf | undefined): Declared {
  const types = new Map<string, BtfVar | BtfFunc>();
  const sections = new Map<number, string>();
  for (const type of btf?.types ?? []) {
    if ((type.kind === BtfKind.Var || type.kind === BtfKind.Func) && !types.has(type.name)) {
      types.set(type.name, type);
    } else if (type.kind === BtfKind.Datasec) {
      for (const entry of type.vars) if (!sections.has(entry.type)) sections.set(entry.type, type.name);
    }
  }
  return { types, sections };
}

function draft(elf: ElfFile, symbol: ElfSymbol, btf: Btf | undefined, declared: Declared): Draft {
  const refuse = (fact: string, hint?: string): ElfError =>
    elfError(elf, 'EXTERN', `extern ${symbol.name}: ${fact}`, hint);
  const type = declared.types.get(symbol.name);
  if (btf === undefined || type === undefined) {
    throw refuse('not described by BTF', 'compile with -g; is the function or variable defined anywhere?');
  }
  if (type.linkage !== BtfLinkage.Extern) throw refuse('BTF says that it is defined here');
  const section = declared.sections.get(type.id);
  if (section === undefined)
    throw refuse('in no section', 'declare it with __ksym or __kconfig, or link the object that defines it');
  if (section === KSYMS_SECTION) return { symbol, type, section, size: 0, align: 0 };
  if (section !== KCONFIG_SECTION) throw refuse(`in section ${section}, which is not for externs`);
  if (type.kind === BtfKind.Func) throw refuse(`a function in ${KCONFIG_SECTION}`);
  return { symbol, type, section, size: btf.sizeOf(type.type), align: btf.alignOf(type.type) };
}

/** kconfig first: by alignment descending, then size, then name; kernel symbols by name. */
function compareDrafts(a: Draft, b: Draft): number {
  if (a.section !== b.section) return a.section === KCONFIG_SECTION ? -1 : 1;
  if (a.align !== b.align) return b.align - a.align;
  if (a.size !== b.size) return a.size - b.size;
  return a.symbol.name < b.symbol.name ? -1 : 1;
}

function ksymSpec(btf: Btf, { symbol, type }: Draft): ExternSpec {
  return {
    name: symbol.name,
    kind: type.kind === BtfKind.Func ? 'kfunc' : 'ksym',
    weak: symbol.bind === SymbolBind.Weak,
    typeId: btf.resolve(type.type).id,
  };
}

function kconfigSpec(elf: ElfFile, btf: Btf, item: Draft, offset: number): ExternSpec {
  const target = btf.resolve(item.type.type);
  const type = kconfigType(btf, target);
  if (type === undefined) {
    throw elfError(elf, 'EXTERN', `extern ${item.symbol.name}: no type that a kernel-config value can have`);
  }
  return {
    name: item.symbol.name,
    kind: 'kconfig',
    weak: item.symbol.bind === SymbolBind.Weak,
    typeId: target.id,
    kconfig: {
      offset,
      size: item.size,
      type,
      signed: target.kind === BtfKind.Int && target.signed && !target.isBool,
    },
  };
}

function kconfigType(btf: Btf, type: BtfType): KconfigField['type'] | undefined {
  switch (type.kind) {
    case BtfKind.Int:
      if (type.isBool) return type.size === 1 ? 'bool' : undefined;
      if (type.size === 1) return 'char';
      return type.size <= 8 ? 'int' : undefined;
    case BtfKind.Enum:
      return type.size === 4 && type.name === 'libbpf_tristate' ? 'tristate' : undefined;
    case BtfKind.Enum64:
      return type.name === 'libbpf_tristate' ? 'tristate' : undefined;
    case BtfKind.Array:
      return type.count > 0 && kconfigType(btf, btf.resolve(type.type)) === 'char' ? 'char_arr' : undefined;
    default:
      return undefined;
  }
}
