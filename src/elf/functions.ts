/** Functions of an object, as the symbols delimit them, and the relocations inside each. */
import type { ElfError, RelocationError } from '../errors.js';
import { INSN_SIZE } from '../isa/insn.js';
import type { ObjectFile } from './context.js';
import { dataKind, elfError, isStructOps, relocError } from './context.js';
import type { Externs } from './externs.js';
import type { ElfSection } from './reader.js';
import { SectionFlag, SectionType } from './reader.js';
import type { ElfReloc, ElfSymbol } from './symbols.js';
import { SHN_LORESERVE, SymbolBind, SymbolType, isExtern, readRelocs } from './symbols.js';

/** A relocation as a function holds it; `slot` counts from the function's start. */
export type FuncReloc =
  | { readonly kind: 'map'; readonly slot: number; readonly map: string }
  | { readonly kind: 'data'; readonly slot: number; readonly map: string; readonly offset: number }
  | { readonly kind: 'extern' | 'kfunc'; readonly slot: number; readonly extern: string }
  /** call of, or address of, a function: `target` is a byte offset in `.text`, to which imm adds. */
  | { readonly kind: 'call' | 'address'; readonly slot: number; readonly target: number };

export interface RawFunction {
  readonly name: string;
  readonly section: ElfSection;
  /** First slot in the section. */
  readonly start: number;
  /** Slots. */
  readonly length: number;
  readonly isGlobal: boolean;
  readonly isHidden: boolean;
  /** By ascending slot, one a slot. */
  readonly relocs: FuncReloc[];
}

/** Where a symbol's section and offset lead. */
export interface MapFinder {
  /** Name of the map declared at this place. */
  declared(section: number, offset: number): string | undefined;
  /** Name of the map of a data section. */
  data(section: number): string | undefined;
  /** Name of the arena, for variables in its section. */
  readonly arena: string | undefined;
}

export class FunctionTable {
  /** By section, then start. */
  readonly functions: readonly RawFunction[];

  constructor(functions: readonly RawFunction[]) {
    this.functions = functions;
  }

  /** The function that holds slot `slot` of section `section`. */
  find(section: number, slot: number): RawFunction | undefined {
    const { functions } = this;
    let low = 0;
    let high = functions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const fn = functions[middle];
      if (fn.section.index < section || (fn.section.index === section && fn.start <= slot)) low = middle + 1;
      else high = middle;
    }
    const fn = functions[low - 1];
    return fn?.section.index === section && slot < fn.start + fn.length ? fn : undefined;
  }
}

const LDDW = 0x18;
const CALL = 0x85;
const PSEUDO_CALL = 1;

/** @throws ElfError where a function is malformed or static outside `.text`. */
export function collectFunctions(file: ObjectFile): FunctionTable {
  const functions: RawFunction[] = [];
  for (const symbol of file.symbols.symbols) {
    const section = file.elf.sections[symbol.section];
    if (symbol.type !== SymbolType.Func || section === undefined || !isCode(section)) continue;
    functions.push(rawFunction(file, section, symbol));
  }
  functions.sort((a, b) => a.section.index - b.section.index || a.start - b.start);
  return new FunctionTable(functions);
}

export function isCode(section: ElfSection): boolean {
  return (
    section.type === SectionType.PROGBITS && section.size > 0 && (section.flags & SectionFlag.EXECINSTR) !== 0
  );
}

function rawFunction(file: ObjectFile, section: ElfSection, symbol: ElfSymbol): RawFunction {
  const refuse = (fact: string, hint?: string): ElfError =>
    elfError(file.elf, 'FUNCTION', `section ${section.name}: function ${symbol.name}: ${fact}`, hint);
  if (symbol.size === 0 || symbol.size % INSN_SIZE !== 0 || symbol.value % INSN_SIZE !== 0) {
    throw refuse(`${symbol.size} bytes at ${symbol.value}, not whole instructions of ${INSN_SIZE} bytes`);
  }
  if (symbol.value + symbol.size > section.size) {
    throw refuse(`ends at ${symbol.value + symbol.size}, the section has ${section.size} bytes`);
  }
  if (section.index !== file.text && symbol.bind === SymbolBind.Local) {
    throw refuse('a static program', 'remove static, or the SEC() from a function that is only called');
  }
  return {
    name: symbol.name,
    section,
    start: symbol.value / INSN_SIZE,
    length: symbol.size / INSN_SIZE,
    isGlobal: symbol.bind !== SymbolBind.Local,
    isHidden: symbol.hidden,
    relocs: [],
  };
}

/** Fills in the relocations of all functions. @throws ElfError, RelocationError */
export function collectRelocs(
  file: ObjectFile,
  table: FunctionTable,
  maps: MapFinder,
  externs: Externs,
): void {
  for (const section of file.elf.sections) {
    if (section.type === SectionType.RELA && isCodeIndex(file, section.info)) {
      throw elfError(
        file.elf,
        'RELOCS',
        `section ${section.name}: relocations with addends (RELA)`,
        'only REL is read',
      );
    }
    if (section.type !== SectionType.REL || !isCodeIndex(file, section.info)) continue;
    const target = file.elf.sections[section.info];
    for (const reloc of readRelocs(file.elf, section, file.symbols)) {
      collectReloc(file, table, maps, externs, target, reloc);
    }
  }
  for (const fn of table.functions) {
    fn.relocs.sort((a, b) => a.slot - b.slot);
    refuseDoubles(file, fn);
  }
}

function isCodeIndex(file: ObjectFile, index: number): boolean {
  const section = file.elf.sections[index];
  return section !== undefined && (section.flags & SectionFlag.EXECINSTR) !== 0;
}

function refuseDoubles(file: ObjectFile, fn: RawFunction): void {
  for (let i = 1; i < fn.relocs.length; i++) {
    const { slot } = fn.relocs[i];
    if (slot === fn.relocs[i - 1].slot) {
      throw relocError(
        file.elf,
        'DOUBLE',
        fn.section.name,
        fn.start + slot,
        'two relocations for one instruction',
      );
    }
  }
}

function collectReloc(
  file: ObjectFile,
  table: FunctionTable,
  maps: MapFinder,
  externs: Externs,
  section: ElfSection,
  reloc: ElfReloc,
): void {
  if (reloc.offset % INSN_SIZE !== 0 || reloc.offset >= section.data.length) {
    throw elfError(file.elf, 'RELOCS', `section ${section.name}: relocation at byte ${reloc.offset}`);
  }
  const slot = reloc.offset / INSN_SIZE;
  const fn = table.find(section.index, slot);
  // No function there: a weak one that another object's replaced when they were linked.
  if (fn === undefined) return;
  fn.relocs.push(
    new RelocResolver(file, maps, externs, section, slot, slot - fn.start, fn).resolve(reloc.symbol),
  );
}

/** Decides what one relocation means, by libbpf's rules. */
class RelocResolver {
  private readonly file: ObjectFile;
  private readonly maps: MapFinder;
  private readonly externs: Externs;
  private readonly section: ElfSection;
  /** Slot in the section. */
  private readonly at: number;
  /** Slot in the function. */
  private readonly slot: number;
  private readonly fn: RawFunction;

  constructor(
    file: ObjectFile,
    maps: MapFinder,
    externs: Externs,
    section: ElfSection,
    at: number,
    slot: number,
    fn: RawFunction,
  ) {
    this.file = file;
    this.maps = maps;
    this.externs = externs;
    this.section = section;
    this.at = at;
    this.slot = slot;
    this.fn = fn;
  }

  private refuse(code: string, fact: string, hint?: string): RelocationError {
    return relocError(this.file.elf, code, this.section.name, this.at, fact, hint);
  }

  resolve(symbol: ElfSymbol): FuncReloc {
    const opcode = this.section.data[this.at * INSN_SIZE];
    const label = `symbol "${this.labelOf(symbol)}"`;
    if (opcode === CALL) return this.call(symbol, label);
    if (opcode !== LDDW) {
      const hex = opcode.toString(16).padStart(2, '0');
      throw this.refuse('INSN', `${label}: opcode 0x${hex} is neither lddw nor call`);
    }
    if (this.slot + 1 >= this.fn.length) throw this.refuse('INSN', `${label}: lddw lacks its second slot`);
    return this.load(symbol, label);
  }

  private labelOf(symbol: ElfSymbol): string {
    if (symbol.name !== '') return symbol.name;
    return this.file.elf.sections[symbol.section]?.name ?? `#${symbol.index}`;
  }

  private imm(): number {
    const { data } = this.section;
    return new DataView(data.buffer, data.byteOffset).getInt32(this.at * INSN_SIZE + 4, true);
  }

  private call(symbol: ElfSymbol, label: string): FuncReloc {
    const { slot, file } = this;
    const extern = this.externs.bySymbol.get(symbol);
    if (extern !== undefined) return { kind: 'kfunc', slot, extern };
    if (isExtern(symbol)) throw this.refuse('SYMBOL', `${label}: undefined`);
    if (this.section.data[this.at * INSN_SIZE + 1] >> 4 !== PSEUDO_CALL) {
      throw this.refuse('CALL', `${label}: not a call of a function`);
    }
    if (symbol.section === 0 || symbol.section !== file.text) {
      const where = file.elf.sections[symbol.section]?.name ?? 'no section';
      throw this.refuse(
        'CALL',
        `${label}: called function is in ${where}`,
        'only functions in .text can be called',
      );
    }
    if (symbol.value % INSN_SIZE !== 0) throw this.refuse('CALL', `${label}: at byte ${symbol.value}`);
    return { kind: 'call', slot, target: symbol.value };
  }

  private load(symbol: ElfSymbol, label: string): FuncReloc {
    const { slot, file, maps } = this;
    const extern = this.externs.bySymbol.get(symbol);
    if (extern !== undefined) return { kind: 'extern', slot, extern };
    if (symbol.section === 0 || symbol.section >= SHN_LORESERVE) {
      throw this.refuse('SYMBOL', `${label}: in no section`, 'is a global variable without initial value?');
    }
    if (this.isFunction(symbol)) {
      if (symbol.value % INSN_SIZE !== 0 || this.imm() % INSN_SIZE !== 0) {
        throw this.refuse('CALL', `${label}: address inside an instruction`);
      }
      return { kind: 'address', slot, target: symbol.value };
    }
    const section = file.elf.sections[symbol.section];
    if (symbol.section === file.arena) {
      if (maps.arena === undefined)
        throw this.refuse('MAP', `${label}: no arena map`, 'declare one in SEC(".maps")');
      return { kind: 'data', slot, map: maps.arena, offset: this.imm() + symbol.value };
    }
    if (dataKind(section) !== undefined) {
      const map = maps.data(symbol.section)!;
      return { kind: 'data', slot, map, offset: this.imm() + symbol.value };
    }
    const map = maps.declared(symbol.section, symbol.value);
    if (map === undefined) throw this.noMap(section, label);
    return { kind: 'map', slot, map };
  }

  private noMap(section: ElfSection, label: string): RelocationError {
    const hint = isStructOps(section)
      ? 'struct_ops variables cannot be used by programs'
      : 'is it declared in SEC(".maps")?';
    return this.refuse('MAP', `${label}: no such map in section ${section.name}`, hint);
  }

  /** Functions that may be pointed to: global ones in `.text`, or the section itself for static ones. */
  private isFunction(symbol: ElfSymbol): boolean {
    if (symbol.section !== this.file.text) return false;
    if (symbol.bind === SymbolBind.Local) return symbol.type === SymbolType.Section;
    return symbol.type === SymbolType.Func;
  }
}
