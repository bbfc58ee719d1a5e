/** ELF sections to what the steps of reading an object share. */
import { Btf } from '../btf/btf.js';
import { BtfExt } from '../btf/ext.js';
import type { ExtInfo, ObjectFile } from './context.js';
import { ARENA_SECTION, MAPS_SECTION } from './context.js';
import { fixDatasecs } from './datasec.js';
import { isCode } from './functions.js';
import type { ElfFile, ElfSection } from './reader.js';
import { SectionType } from './reader.js';
import type { SymbolTable } from './symbols.js';
import { readSymbols } from './symbols.js';

/** What is parsed of an object before anything is made of it. */
export interface ParsedFile {
  readonly elf: ElfFile;
  readonly symbols: SymbolTable;
  /** As it is in the file. */
  readonly btf: Btf | undefined;
  readonly ext: ExtInfo | undefined;
}

const isBits = (section: ElfSection): boolean => section.type === SectionType.PROGBITS;

/** Index of the first section of that name that is `ok`, or 0. */
function indexOf(elf: ElfFile, name: string, ok: (section: ElfSection) => boolean): number {
  return elf.sections.find((section) => section.name === name && ok(section))?.index ?? 0;
}

/** @throws ElfError, BtfError */
export function parseFile(elf: ElfFile): ParsedFile {
  const symbols = readSymbols(elf);
  const btfSection = elf.sections[indexOf(elf, '.BTF', isBits)];
  const extSection = elf.sections[indexOf(elf, '.BTF.ext', isBits)];
  const btf = btfSection.index === 0 ? undefined : Btf.parse(btfSection.data, `${elf.name}: .BTF`);
  const ext =
    btf === undefined || extSection.index === 0
      ? undefined
      : new BtfExt(extSection.data, btf, `${elf.name}: .BTF.ext`);
  return { elf, symbols, btf, ext };
}

/** @throws ElfError where BTF and symbols disagree. */
export function openFile({ elf, symbols, btf, ext }: ParsedFile): ObjectFile {
  return {
    elf,
    symbols,
    btf: btf === undefined ? undefined : fixDatasecs(elf, symbols, btf),
    ext,
    text: indexOf(elf, '.text', isCode),
    mapsSection: indexOf(elf, MAPS_SECTION, (section) => section.size > 0),
    legacyMaps: indexOf(elf, 'maps', isBits),
    arena: indexOf(elf, ARENA_SECTION, isBits),
  };
}
