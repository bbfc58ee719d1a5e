/**
 * Bytes to ELF sections: the only importer of elfy, behind a fence. Everything that elfy reads is checked before it
 * sees it, and what it reads wrongly (type, flags, alignment and entry size of sections, contents of NOBITS) is read
 * here from the section header.
 */
import { Buffer } from 'node:buffer';
import elfy from 'elfy';
import { ElfError } from '../errors.js';

/** Section types (gABI, figure 4-9). */
export const SectionType = {
  PROGBITS: 1,
  SYMTAB: 2,
  STRTAB: 3,
  RELA: 4,
  NOBITS: 8,
  REL: 9,
} as const;

/** Section flags (gABI, figure 4-11). */
export const SectionFlag = { WRITE: 1, ALLOC: 2, EXECINSTR: 4 } as const;

export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  /** Low 32 bits of sh_flags. */
  readonly flags: number;
  /** Bytes in memory; of a NOBITS section nothing is in the file. */
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entsize: number;
  /** View into the file; empty for NOBITS. */
  readonly data: Uint8Array;
}

export interface ElfFile {
  /** What messages start with. */
  readonly name: string;
  /** Size of the file in bytes. */
  readonly size: number;
  /** By index; 0 is the undefined section. */
  readonly sections: readonly ElfSection[];
}

/*
 * ELF64 header: ident 16 (magic 4, class, data, version, osabi, ...) | type u16 @16 | machine u16 | version u32 |
 * entry u64 | phoff u64 | shoff u64 @40 | flags u32 | ehsize u16 @52 | phentsize | phnum @56 | shentsize | shnum |
 * shstrndx @62
 * Section header: name u32 | type u32 | flags u64 | addr u64 | off u64 @24 | size u64 @32 | link u32 | info u32 |
 * addralign u64 @48 | entsize u64 @56
 */
const EHDR_SIZE = 64;
const SHDR_SIZE = 64;
const EM_BPF = 247;
const ET_REL = 1;
const SHN_LORESERVE = 0xff00;
/** Names of sections are at most this long, which bounds what overlapping crafted names can cost. */
const MAX_SECTION_NAME = 512;

const MACHINES: Readonly<Record<number, string>> = {
  3: 'x86',
  40: 'ARM',
  62: 'x86-64',
  183: 'AArch64',
  243: 'RISC-V',
};

const elfTypes: readonly string[] = ['none', 'relocatable', 'executable', 'shared object', 'core dump'];

class Fence {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly name: string;
  shoff = 0;
  shnum = 0;
  private shstrndx = 0;

  constructor(bytes: Uint8Array, name: string) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.name = name;
  }

  fail(code: string, message: string, hint?: string): never {
    throw new ElfError(`ERR_BPF_ELF_${code}`, `${this.name}: ${message}`, hint === undefined ? {} : { hint });
  }

  /** An unsigned 64-bit field; above 2^53 it is inexact, which no check below minds. */
  private u64(at: number): number {
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 0x1_0000_0000;
  }

  check(): void {
    this.checkIdent();
    this.checkHeader();
    for (let i = 0; i < this.shnum; i++) this.checkSection(i);
    this.checkNames();
  }

  private checkIdent(): void {
    const { bytes } = this;
    if (
      bytes.length < 4 ||
      bytes[0] !== 0x7f ||
      bytes[1] !== 0x45 ||
      bytes[2] !== 0x4c ||
      bytes[3] !== 0x46
    ) {
      const what = bytes.length === 0 ? 'the file is empty' : 'not an ELF file';
      this.fail('MAGIC', what, 'expected an object made with clang -target bpf -c');
    }
    if (bytes.length < EHDR_SIZE) {
      this.fail('TRUNCATED', `${bytes.length} bytes, an ELF header has ${EHDR_SIZE}`);
    }
    if (bytes[4] !== 2) this.fail('CLASS', `ELF class ${bytes[4]}, not 64-bit`);
    if (bytes[5] === 2) this.fail('ENDIAN', 'big-endian object', 'compile with -target bpfel');
    if (bytes[5] !== 1) this.fail('ENDIAN', `unknown data encoding ${bytes[5]}`);
    if (bytes[6] !== 1) this.fail('VERSION', `ELF version ${bytes[6]}, only 1 is known`);
  }

  private checkHeader(): void {
    const { view } = this;
    const machine = view.getUint16(18, true);
    // Old LLVM left the machine 0, which libbpf accepts too.
    if (machine !== EM_BPF && machine !== 0) {
      const what = MACHINES[machine] ?? 'unknown';
      this.fail('MACHINE', `machine ${machine} (${what}), not BPF`, 'compile with clang -target bpf');
    }
    const type = view.getUint16(16, true);
    if (type !== ET_REL) {
      this.fail(
        'TYPE',
        `ELF type ${type} (${elfTypes[type] ?? 'unknown'}), not relocatable`,
        'compile with -c',
      );
    }
    if (view.getUint16(56, true) !== 0) this.fail('HEADER', 'a relocatable object with program headers');
    this.shoff = this.u64(40);
    this.shnum = view.getUint16(60, true);
    this.shstrndx = view.getUint16(62, true);
    if (this.shoff === 0 || this.shnum === 0) this.fail('HEADER', 'no section headers');
    const entry = view.getUint16(58, true);
    if (entry !== SHDR_SIZE) this.fail('HEADER', `section headers of ${entry} bytes, not ${SHDR_SIZE}`);
    if (this.shnum >= SHN_LORESERVE)
      this.fail('HEADER', `${this.shnum} sections`, 'fewer than 65280 are read');
    const end = this.shoff + this.shnum * SHDR_SIZE;
    if (end > this.bytes.length) {
      this.fail('TRUNCATED', `section headers end at ${end}, the file has ${this.bytes.length} bytes`);
    }
    if (this.shstrndx >= this.shnum) {
      this.fail('HEADER', `section names in section ${this.shstrndx} of ${this.shnum}`);
    }
  }

  private header(index: number): number {
    return this.shoff + index * SHDR_SIZE;
  }

  private checkSection(index: number): void {
    const at = this.header(index);
    const type = this.view.getUint32(at + 4, true);
    if (type === SectionType.NOBITS || type === 0) return;
    const end = this.u64(at + 24) + this.u64(at + 32);
    if (end > this.bytes.length) {
      this.fail('TRUNCATED', `section ${index} ends at ${end}, the file has ${this.bytes.length} bytes`);
    }
  }

  private checkNames(): void {
    const { view, bytes } = this;
    const at = this.header(this.shstrndx);
    if (view.getUint32(at + 4, true) !== SectionType.STRTAB) {
      this.fail('HEADER', `section ${this.shstrndx} holds the names of sections and is no string table`);
    }
    const start = this.u64(at + 24);
    const end = start + this.u64(at + 32);
    for (let i = 0; i < this.shnum; i++) {
      const from = start + view.getUint32(this.header(i), true);
      const limit = Math.min(end, from + MAX_SECTION_NAME);
      let stop = from;
      while (stop < limit && bytes[stop] !== 0) stop++;
      if (stop >= limit) this.fail('SECTION', `name of section ${i} is not terminated or too long`);
    }
  }

  section(index: number, parsed: { name: string; link: number; info: number; data: Uint8Array }): ElfSection {
    const at = this.header(index);
    const type = this.view.getUint32(at + 4, true);
    const empty = type === SectionType.NOBITS || type === 0;
    return {
      index,
      name: parsed.name,
      type,
      flags: this.view.getUint32(at + 8, true),
      size: this.u64(at + 32),
      link: parsed.link,
      info: parsed.info,
      align: this.u64(at + 48),
      entsize: this.u64(at + 56),
      data: empty ? new Uint8Array() : withoutBuffer(parsed.data),
    };
  }
}

/**
 * Reads the sections of a little-endian 64-bit BPF object.
 * @param name what messages start with, e.g. the file's name.
 * @throws ElfError
 */
export function readElf(bytes: Uint8Array, name: string): ElfFile {
  const fence = new Fence(bytes, name);
  fence.check();
  try {
    const parsed = elfy.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    const sections = parsed.body.sections.map((section, index) => fence.section(index, section));
    return { name, size: bytes.length, sections };
  } catch (cause) {
    throw new ElfError('ERR_BPF_ELF_HEADER', `${name}: not readable as ELF`, { cause });
  }
}

/** elfy's sections are Buffers, whose slice() is a view: what is copied later must be a copy. */
function withoutBuffer(data: Uint8Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
