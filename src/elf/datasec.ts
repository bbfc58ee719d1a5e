/** Fills in what clang leaves open in DATASEC types: sizes of sections and offsets of variables. */
import type { Btf } from '../btf/btf.js';
import type { BtfDatasec, BtfSecVar, BtfType, BtfVar } from '../btf/types.js';
import { BtfKind, BtfLinkage } from '../btf/types.js';
import { elfError } from './context.js';
import type { ElfFile } from './reader.js';
import type { SymbolTable } from './symbols.js';

/** Externs have no place in the file: theirs is decided later. */
const EXTERN_SECTIONS: readonly string[] = ['.kconfig', '.ksyms'];

/**
 * The same types with DATASECs completed from the symbols and ordered by offset, and hidden variables and functions made
 * static, as
 * libbpf does when it opens an object.
 * @throws ElfError where a section or a symbol that BTF speaks of is missing.
 */
export function fixDatasecs(elf: ElfFile, symbols: SymbolTable, btf: Btf): Btf {
  const changed = new Map<number, BtfType>();
  const sizes = new Map<string, number>();
  for (const { name, size } of elf.sections) if (!sizes.has(name)) sizes.set(name, size);
  for (const type of btf.types) {
    // A hidden function is verified with its callers, like a static one.
    if (
      type.kind === BtfKind.Func &&
      type.linkage === BtfLinkage.Global &&
      symbols.isHiddenFunction(type.name)
    ) {
      changed.set(type.id, { ...type, linkage: BtfLinkage.Static });
    }
    if (type.kind !== BtfKind.Datasec) continue;
    changed.set(type.id, fixDatasec(elf, symbols, btf, type, changed, sizes));
  }
  return changed.size === 0 ? btf : btf.withTypes(changed);
}

function fixDatasec(
  elf: ElfFile,
  symbols: SymbolTable,
  btf: Btf,
  datasec: BtfDatasec,
  changed: Map<number, BtfType>,
  sizes: ReadonlyMap<string, number>,
): BtfDatasec {
  const byOffset = (vars: readonly BtfSecVar[]): BtfSecVar[] => vars.toSorted((a, b) => a.offset - b.offset);
  if (EXTERN_SECTIONS.includes(datasec.name)) return { ...datasec, vars: byOffset(datasec.vars) };
  const place = datasec.size === 0;
  const size = place ? sectionSize(elf, sizes, datasec.name) : datasec.size;
  const vars = datasec.vars.map((entry) => {
    const variable = btf.type(entry.type);
    if (variable.kind !== BtfKind.Var) {
      throw elfError(elf, 'DATASEC', `section ${datasec.name}: type ${entry.type} is no variable`);
    }
    if (variable.linkage !== BtfLinkage.Global) return entry;
    const symbol = symbols.globalObject(variable.name);
    if (symbol === undefined) {
      throw elfError(elf, 'DATASEC', `section ${datasec.name}: no symbol for variable ${variable.name}`);
    }
    if (symbol.hidden) changed.set(variable.id, asStatic(variable));
    return place ? { ...entry, offset: symbol.value } : entry;
  });
  return { ...datasec, size, vars: byOffset(vars) };
}

function asStatic(variable: BtfVar): BtfVar {
  return { ...variable, linkage: BtfLinkage.Static };
}

function sectionSize(elf: ElfFile, sizes: ReadonlyMap<string, number>, name: string): number {
  const size = sizes.get(name) ?? 0;
  if (size === 0) throw elfError(elf, 'DATASEC', `BTF describes section ${name}, which is missing or empty`);
  return size;
}
