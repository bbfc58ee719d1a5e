/** Symbols and relocation entries of an object. */
import { StringTable } from '../btf/strings.js';
import { ElfError } from '../errors.js';
import type { ElfFile, ElfSection } from './reader.js';
import { SectionType } from './reader.js';

export const enum SymbolBind {
  Local = 0,
  Global = 1,
  Weak = 2,
}

export const enum SymbolType {
  NoType = 0,
  Object = 1,
  Func = 2,
  Section = 3,
}

/** Sections from here on are special: absolute, common, ... */
export const SHN_LORESERVE = 0xff00;

const STV_INTERNAL = 1;
const STV_HIDDEN = 2;

export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  /** Byte offset in its section. */
  readonly value: number;
  readonly size: number;
  readonly type: SymbolType;
  readonly bind: SymbolBind;
  /** Internal or hidden visibility: as good as static for everybody outside the object. */
  readonly hidden: boolean;
  /** Index of its section; 0: undefined. */
  readonly section: number;
}

/** `st_name u32 | st_info u8 (bind:4, type:4) | st_other u8 | st_shndx u16 | st_value u64 | st_size u64` */
const SYMBOL_SIZE = 24;
/** `r_offset u64 | r_info u64 (symbol:32, type:32)` */
const REL_SIZE = 16;

export class SymbolTable {
  readonly symbols: readonly ElfSymbol[];
  /** Index of the section it comes from. */
  readonly section: number;
  private globals: ReadonlyMap<string, ElfSymbol> | undefined;
  private hiddenFunctions: ReadonlySet<string> | undefined;

  constructor(symbols: readonly ElfSymbol[], section: number) {
    this.symbols = symbols;
    this.section = section;
  }

  /** The global or weak data object of that name. */
  isHiddenFunction(name: string): boolean {
    this.hiddenFunctions ??= new Set(
      this.symbols
        .filter(
          (symbol) => symbol.type === SymbolType.Func && symbol.hidden && symbol.bind !== SymbolBind.Local,
        )
        .map((symbol) => symbol.name),
    );
    return this.hiddenFunctions.has(name);
  }

  globalObject(name: string): ElfSymbol | undefined {
    this.globals ??= new Map(
      this.symbols
        .filter((symbol) => symbol.type === SymbolType.Object && symbol.bind !== SymbolBind.Local)
        .map((symbol): [string, ElfSymbol] => [symbol.name, symbol])
        .reverse(),
    );
    return this.globals.get(name);
  }
}

function fail(elf: ElfFile, code: string, message: string, hint?: string): never {
  throw new ElfError(`ERR_BPF_ELF_${code}`, `${elf.name}: ${message}`, hint === undefined ? {} : { hint });
}

/** @throws ElfError where there is no symbol table, or several, or a malformed one. */
export function readSymbols(elf: ElfFile): SymbolTable {
  const tables = elf.sections.filter((section) => section.type === SectionType.SYMTAB);
  if (tables.length === 0) fail(elf, 'SYMBOLS', 'no symbol table', 'stripped? llvm-strip -g keeps it');
  if (tables.length > 1) fail(elf, 'SYMBOLS', `${tables.length} symbol tables`);
  const [table] = tables;
  if (table.entsize !== SYMBOL_SIZE) {
    fail(elf, 'SYMBOLS', `symbols of ${table.entsize} bytes, not ${SYMBOL_SIZE}`);
  }
  const names = elf.sections[table.link];
  if (names?.type !== SectionType.STRTAB) fail(elf, 'SYMBOLS', `section ${table.link} holds no symbol names`);
  const strings = new StringTable(
    names.data,
    (message) => new ElfError('ERR_BPF_ELF_SYMBOLS', `${elf.name}: symbol names: ${message}`),
  );
  const view = viewOf(table.data);
  const symbols: ElfSymbol[] = [];
  for (let at = 0; at + SYMBOL_SIZE <= table.data.length; at += SYMBOL_SIZE) {
    const info = view.getUint8(at + 4);
    const visibility = view.getUint8(at + 5) & 3;
    symbols.push({
      index: symbols.length,
      name: strings.at(view.getUint32(at, true)),
      value: u64(view, at + 8),
      size: u64(view, at + 16),
      type: info & 15,
      bind: info >> 4,
      hidden: visibility === STV_HIDDEN || visibility === STV_INTERNAL,
      section: view.getUint16(at + 6, true),
    });
  }
  return new SymbolTable(symbols, table.index);
}

export interface ElfReloc {
  /** Byte offset in the section that it applies to. */
  readonly offset: number;
  readonly symbol: ElfSymbol;
  /** R_BPF_*: 1 = 64_64, 2 = ABS64, 3 = ABS32, 4 = NODYLD32, 10 = 64_32. */
  readonly type: number;
}

/** Entries of a SHT_REL section. @throws ElfError */
export function readRelocs(elf: ElfFile, section: ElfSection, table: SymbolTable): ElfReloc[] {
  if (section.entsize !== REL_SIZE) {
    fail(elf, 'RELOCS', `section ${section.name}: relocations of ${section.entsize} bytes, not ${REL_SIZE}`);
  }
  const view = viewOf(section.data);
  const relocs: ElfReloc[] = [];
  for (let at = 0; at + REL_SIZE <= section.data.length; at += REL_SIZE) {
    const index = view.getUint32(at + 12, true);
    const symbol = table.symbols[index];
    if (symbol === undefined) {
      fail(elf, 'RELOCS', `section ${section.name}: relocation ${relocs.length}: no symbol ${index}`);
    }
    if (symbol.section >= elf.sections.length && symbol.section < SHN_LORESERVE) {
      fail(elf, 'SYMBOLS', `symbol ${index} (${symbol.name}): no section ${symbol.section}`);
    }
    relocs.push({ offset: u64(view, at), symbol, type: view.getUint32(at + 8, true) });
  }
  return relocs;
}

/** Undefined, global or weak, without type: to be resolved when the object is loaded. */
export function isExtern(symbol: ElfSymbol): boolean {
  return (
    symbol.section === 0 &&
    (symbol.bind === SymbolBind.Global || symbol.bind === SymbolBind.Weak) &&
    symbol.type === SymbolType.NoType
  );
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Inexact above 2^53, where every range check fails anyway. */
function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}
