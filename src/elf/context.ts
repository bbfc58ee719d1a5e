/** What the steps of reading an object share. */
import type { Btf } from '../btf/btf.js';
import type { CoreRelo, FuncInfo, LineInfo } from '../btf/ext-types.js';
import { ElfError, RelocationError } from '../errors.js';
import type { ElfFile, ElfSection } from './reader.js';
import { SectionFlag, SectionType } from './reader.js';
import type { SymbolTable } from './symbols.js';

/** Records of .BTF.ext for slots [from, to) of a section; their pc is counted from `from`, plus `base`. */
export interface ExtInfo {
  funcInfo(section: string, from: number, to: number, base: number): FuncInfo[];
  lineInfo(section: string, from: number, to: number, base: number): LineInfo[];
  coreRelos(section: string, from: number, to: number, base: number): CoreRelo[];
}

export interface ObjectFile {
  readonly elf: ElfFile;
  readonly symbols: SymbolTable;
  /** With the offsets of variables filled in, see `fixDatasecs`. */
  readonly btf: Btf | undefined;
  readonly ext: ExtInfo | undefined;
  /** Index of `.text` where it holds code, else 0. */
  readonly text: number;
  /** Index of `.maps`, of the legacy `maps`, of the arena's variables; 0 where there is none. */
  readonly mapsSection: number;
  readonly legacyMaps: number;
  readonly arena: number;
}

export const MAPS_SECTION = '.maps';
export const ARENA_SECTION = '.addr_space.1';

export function elfError(file: ElfFile, code: string, message: string, hint?: string): ElfError {
  return new ElfError(`ERR_BPF_ELF_${code}`, `${file.name}: ${message}`, hint === undefined ? {} : { hint });
}

/** `insn` counts from the start of the section. */
export function relocError(
  file: ElfFile,
  code: string,
  section: string,
  insn: number,
  message: string,
  hint?: string,
): RelocationError {
  return new RelocationError(
    `ERR_BPF_RELO_${code}`,
    `${file.name}: section ${section}: insn ${insn}: ${message}`,
    hint === undefined ? {} : { hint },
  );
}

/** Sections whose contents become maps. */
export type DataKind = 'data' | 'rodata' | 'bss';

const isOrUnder = (name: string, base: string): boolean => name === base || name.startsWith(`${base}.`);

/** Whether a section is global data, and of which kind, by libbpf's rules. */
export function dataKind(section: ElfSection): DataKind | undefined {
  if (section.size === 0) return undefined;
  if (section.type === SectionType.NOBITS) return isOrUnder(section.name, '.bss') ? 'bss' : undefined;
  if (section.type !== SectionType.PROGBITS || (section.flags & SectionFlag.EXECINSTR) !== 0)
    return undefined;
  if (isOrUnder(section.name, '.data')) return 'data';
  return isOrUnder(section.name, '.rodata') ? 'rodata' : undefined;
}

/** `.struct_ops` and `.struct_ops.link`, a leading `?` allowed. */
export function isStructOps(section: ElfSection): boolean {
  return (
    section.type === SectionType.PROGBITS &&
    section.size > 0 &&
    /^\??\.struct_ops(\.link)?$/.test(section.name)
  );
}
