/**
 * Several objects as one, as `bpftool gen object` links them: sections of the same name are joined, symbols resolved
 * across the objects, relocations and type information moved along. Nothing is written: the result is what reading
 * the linked file would give.
 */
import type { Btf } from '../btf/btf.js';
import { mergeTypes } from '../btf/merge.js';
import type { BtfType } from '../btf/types.js';
import { BtfKind, BtfLinkage } from '../btf/types.js';
import { ElfError } from '../errors.js';
import { INSN_SIZE } from '../isa/insn.js';
import type { ExtInfo } from './context.js';
import type { ParsedFile } from './open-file.js';
import type { ElfFile, ElfSection } from './reader.js';
import { SectionType } from './reader.js';
import type { ElfSymbol } from './symbols.js';
import { SHN_LORESERVE, SymbolBind, SymbolTable, isExtern, readRelocs } from './symbols.js';

/** Sections of which one copy is enough, where all say the same. */
const SHARED: readonly string[] = ['license', 'version'];
const REL_SIZE = 16;
const MAX_ALIGN = 4096;
const GROWTH = 16;

/** Where a section of an input lies in the result. */
interface Placement {
  readonly section: number;
  readonly offset: number;
}

interface Draft {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  align: number;
  size: number;
  readonly parts: { readonly offset: number; readonly data: Uint8Array }[];
}

/** @throws ElfError where a symbol is defined twice, or sections do not fit together. */
export function linkFiles(inputs: readonly ParsedFile[], name: string): ParsedFile {
  return new ObjectLinker(inputs, name).link();
}

class ObjectLinker {
  private readonly inputs: readonly ParsedFile[];
  private readonly name: string;
  private readonly drafts: Draft[] = [];
  /** By input, then section. */
  private readonly places: (Placement | undefined)[][] = [];
  private readonly symbols: ElfSymbol[] = [];
  /** Bytes that the sections may take. */
  private budget: number;
  private readonly bySymbol = new Map<ElfSymbol, ElfSymbol>();
  private readonly globals = new Map<string, { symbol: ElfSymbol; input: number }>();

  constructor(inputs: readonly ParsedFile[], name: string) {
    this.inputs = inputs;
    this.name = name;
    this.budget = GROWTH * inputs.reduce((sum, input) => sum + input.elf.size, 0);
  }

  link(): ParsedFile {
    for (const input of this.inputs) this.placeSections(input);
    for (const [index, input] of this.inputs.entries()) this.resolveSymbols(input, index);
    const sections = this.finishSections();
    this.addRelocs(sections);
    const size = this.inputs.reduce((sum, input) => sum + input.elf.size, 0);
    const elf: ElfFile = { name: this.name, size, sections };
    // The .kconfig map refers to the section of symbols: one behind the others.
    const symbols = new SymbolTable(this.symbols, sections.length);
    return { elf, symbols, ...this.mergeTypeInfo() };
  }

  private fail(message: string): ElfError {
    return new ElfError('ERR_BPF_ELF_LINK', `${this.name}: ${message}`);
  }

  private placeSections({ elf }: ParsedFile): void {
    const places: (Placement | undefined)[] = [];
    for (const section of elf.sections) {
      if (isLinked(section)) places[section.index] = this.placeSection(elf, section);
    }
    this.places.push(places);
  }

  private placeSection(elf: ElfFile, section: ElfSection): Placement {
    let draft = this.drafts.find((candidate) => candidate.name === section.name);
    if (draft === undefined) {
      const { name, type, flags } = section;
      draft = { index: this.drafts.length + 1, name, type, flags, align: 1, size: 0, parts: [] };
      this.drafts.push(draft);
    } else if (SHARED.includes(section.name)) {
      const [first] = draft.parts;
      if (!sameBytes(first.data, section.data)) {
        throw this.fail(`section ${section.name} of ${elf.name} differs from that of the objects before`);
      }
      return { section: draft.index, offset: 0 };
    } else if (draft.type !== section.type || draft.flags !== section.flags) {
      throw this.fail(
        `section ${section.name} of ${elf.name} is of another type or has other flags than before`,
      );
    }
    const align = Math.max(1, section.align);
    if (align > MAX_ALIGN || !Number.isInteger(Math.log2(align))) {
      throw this.fail(`section ${section.name} of ${elf.name} is aligned to ${align} bytes`);
    }
    const offset = Math.ceil(draft.size / align) * align;
    draft.align = Math.max(draft.align, align);
    draft.size = offset + section.size;
    draft.parts.push({ offset, data: section.data });
    if (section.type !== SectionType.NOBITS) this.spend(align + section.data.length);
    return { section: draft.index, offset };
  }

  /** Crafted sections may all lie over the same bytes. */
  private spend(bytes: number): void {
    this.budget -= bytes;
    if (this.budget < 0) throw this.fail(`the linked sections take more than ${GROWTH} times the objects`);
  }

  private finishSections(): ElfSection[] {
    const none: ElfSection = {
      index: 0,
      name: '',
      type: 0,
      flags: 0,
      size: 0,
      link: 0,
      info: 0,
      align: 0,
      entsize: 0,
      data: new Uint8Array(),
    };
    const sections = this.drafts.map(({ index, name, type, flags, align, size, parts }): ElfSection => {
      const data = new Uint8Array(type === SectionType.NOBITS ? 0 : size);
      if (type !== SectionType.NOBITS) for (const part of parts) data.set(part.data, part.offset);
      return { index, name, type, flags, size, link: 0, info: 0, align, entsize: 0, data };
    });
    return [none, ...sections];
  }

  /** Local symbols are kept; of global ones a definition stands for all mentions. */
  private resolveSymbols({ symbols, elf }: ParsedFile, input: number): void {
    for (const symbol of symbols.symbols) {
      const moved = this.move(symbol, input);
      if (moved === undefined) continue;
      if (symbol.bind === SymbolBind.Local || symbol.name === '') {
        this.bySymbol.set(symbol, this.add(moved));
        continue;
      }
      const known = this.globals.get(symbol.name);
      if (known === undefined) {
        const added = this.add(moved);
        this.globals.set(symbol.name, { symbol: added, input });
        this.bySymbol.set(symbol, added);
        continue;
      }
      this.bySymbol.set(symbol, this.choose(known, moved, input, elf));
    }
  }

  private add(symbol: ElfSymbol): ElfSymbol {
    const added = { ...symbol, index: this.symbols.length };
    this.symbols.push(added);
    return added;
  }

  /** The symbol with its place in the result; undefined where its section is not linked. */
  private move(symbol: ElfSymbol, input: number): ElfSymbol | undefined {
    if (symbol.section === 0 || symbol.section >= SHN_LORESERVE) return { ...symbol };
    const place = this.places[input][symbol.section];
    return place && { ...symbol, section: place.section, value: symbol.value + place.offset };
  }

  /** One of two global symbols of the same name; the object that stands for it stays the same. */
  private choose(
    known: { symbol: ElfSymbol; input: number },
    other: ElfSymbol,
    input: number,
    elf: ElfFile,
  ): ElfSymbol {
    const current = known.symbol;
    const hidden = current.hidden || other.hidden;
    const isStrong = (symbol: ElfSymbol): boolean => !isExtern(symbol) && symbol.bind === SymbolBind.Global;
    // One copy of a shared section is kept, and so its symbol.
    if (current.section === other.section && SHARED.includes(this.drafts[current.section - 1]?.name))
      return current;
    if (isStrong(current) && isStrong(other)) {
      const first = this.inputs[known.input].elf.name;
      throw this.fail(`symbol ${other.name} is defined in ${first} and in ${elf.name}`);
    }
    const wins = (isExtern(current) && !isExtern(other)) || (!isStrong(current) && isStrong(other));
    if (wins) {
      Object.assign(current, { ...other, index: current.index, hidden });
      known.input = input;
    } else if (isExtern(current) && other.bind === SymbolBind.Global) {
      Object.assign(current, { bind: SymbolBind.Global, hidden });
    } else Object.assign(current, { hidden });
    return current;
  }

  private addRelocs(sections: ElfSection[]): void {
    const entries = new Map<number, { offset: number; symbol: number; type: number }[]>();
    for (const [input, file] of this.inputs.entries()) {
      for (const section of file.elf.sections) {
        const place = section.type === SectionType.REL ? this.places[input][section.info] : undefined;
        if (place === undefined) continue;
        let list = entries.get(place.section);
        if (list === undefined) entries.set(place.section, (list = []));
        for (const { offset, symbol, type } of readRelocs(file.elf, section, file.symbols)) {
          const target = this.bySymbol.get(symbol);
          if (target === undefined)
            throw this.fail(`${file.elf.name}: relocation against ${symbol.name}, which is not linked`);
          list.push({ offset: offset + place.offset, symbol: target.index, type });
        }
      }
    }
    for (const [target, list] of entries) {
      const data = new Uint8Array(list.length * REL_SIZE);
      const view = new DataView(data.buffer);
      for (const [i, { offset, symbol, type }] of list.entries()) {
        view.setUint32(i * REL_SIZE, offset, true);
        view.setUint32(i * REL_SIZE + 4, Math.floor(offset / 0x1_0000_0000), true);
        view.setUint32(i * REL_SIZE + 8, type, true);
        view.setUint32(i * REL_SIZE + 12, symbol, true);
      }
      const name = `.rel${sections[target].name}`;
      const index = sections.length;
      sections.push({
        index,
        name,
        type: SectionType.REL,
        flags: 0,
        size: data.length,
        link: 0,
        info: target,
        align: 8,
        entsize: REL_SIZE,
        data,
      });
    }
  }

  private mergeTypeInfo(): { btf: Btf | undefined; ext: ExtInfo | undefined } {
    const tables = this.inputs.map((input) => input.btf);
    const missing = tables.findIndex((table) => table === undefined);
    if (missing >= 0) {
      if (tables.every((table) => table === undefined)) return { btf: undefined, ext: undefined };
      throw this.fail(`${this.inputs[missing].elf.name} has no BTF, others have`);
    }
    const seen = new Set<string>();
    const { btf, shifts } = mergeTypes(tables as Btf[], (input, section, entry, type) => {
      const isExternal = section.name === '.ksyms' || section.name === '.kconfig';
      if (isExternal) {
        if (seen.has(type.name)) return undefined;
        seen.add(type.name);
        return entry;
      }
      if (!this.isOwn(type, input)) return undefined;
      const index = this.inputs[input].elf.sections.find(
        (candidate) => candidate.name === section.name,
      )?.index;
      const place = index === undefined ? undefined : this.places[input][index];
      return { ...entry, offset: entry.offset + (place?.offset ?? 0) };
    });
    return { btf, ext: new LinkedExt(this.inputs, this.places, this.drafts, shifts) };
  }

  /** Whether this input's variable is the one that the name stands for: not an extern, not a weak one that lost. */
  private isOwn(type: BtfType, input: number): boolean {
    if (type.kind !== BtfKind.Var || type.linkage === BtfLinkage.Static) return true;
    if (type.linkage === BtfLinkage.Extern) return false;
    return this.globals.get(type.name)?.input === input;
  }
}

/** What ends up in a linked object: code, data, maps. Not debug information, symbols, types, which are merged apart. */
function isLinked(section: ElfSection): boolean {
  if (section.type !== SectionType.PROGBITS && section.type !== SectionType.NOBITS) return false;
  return section.size > 0 && !/^\.(debug_|BTF|eh_frame|comment)/.test(section.name);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Line, function and CO-RE records of the inputs, at their places in the result. */
class LinkedExt implements ExtInfo {
  private readonly inputs: readonly ParsedFile[];
  private readonly shifts: readonly number[];
  /** By section name: which slots come from which input. */
  private readonly pieces = new Map<string, { input: number; start: number; end: number }[]>();

  constructor(
    inputs: readonly ParsedFile[],
    places: readonly (readonly (Placement | undefined)[])[],
    drafts: readonly Draft[],
    shifts: readonly number[],
  ) {
    this.inputs = inputs;
    this.shifts = shifts;
    for (const [input, { elf }] of inputs.entries()) {
      for (const section of elf.sections) {
        const place = places[input][section.index];
        if (place === undefined) continue;
        const start = place.offset / INSN_SIZE;
        const piece = { input, start, end: start + section.size / INSN_SIZE };
        const name = drafts[place.section - 1].name;
        const list = this.pieces.get(name);
        if (list === undefined) this.pieces.set(name, [piece]);
        else list.push(piece);
      }
    }
  }

  private locate(section: string, from: number): { ext: ExtInfo; shift: number; start: number } | undefined {
    const piece = this.pieces.get(section)?.find(({ start, end }) => from >= start && from < end);
    const ext = piece && this.inputs[piece.input].ext;
    return ext && { ext, shift: this.shifts[piece.input], start: piece.start };
  }

  funcInfo(section: string, from: number, to: number, base: number): ReturnType<ExtInfo['funcInfo']> {
    const at = this.locate(section, from);
    if (at === undefined) return [];
    return at.ext
      .funcInfo(section, from - at.start, to - at.start, base)
      .map((info) => ({ ...info, typeId: info.typeId + at.shift }));
  }

  lineInfo(section: string, from: number, to: number, base: number): ReturnType<ExtInfo['lineInfo']> {
    const at = this.locate(section, from);
    return at === undefined ? [] : at.ext.lineInfo(section, from - at.start, to - at.start, base);
  }

  coreRelos(section: string, from: number, to: number, base: number): ReturnType<ExtInfo['coreRelos']> {
    const at = this.locate(section, from);
    if (at === undefined) return [];
    return at.ext
      .coreRelos(section, from - at.start, to - at.start, base)
      .map((relo) => ({ ...relo, typeId: relo.typeId + at.shift }));
  }
}
