/** Object bytes to `ObjectSpec`: the order of the steps, and of what they find, is libbpf's. */
import { ElfError } from '../errors.js';
import { MapType } from '../maps/map-types.js';
import { compilerOf } from './compiler.js';
import type { ObjectFile } from './context.js';
import { elfError } from './context.js';
import type { DataMap } from './data-sections.js';
import { kconfigMap, readDataMaps, readGlobals } from './data-sections.js';
import { collectExterns } from './externs.js';
import type { MapFinder } from './functions.js';
import { collectFunctions, collectRelocs } from './functions.js';
import { fillInitialSlots } from './initial-slots.js';
import { readLegacyMaps } from './legacy-maps.js';
import { linkFiles } from './link.js';
import { linkPrograms } from './linker.js';
import type { DeclaredMap } from './maps-section.js';
import { readDeclaredMaps } from './maps-section.js';
import type { ObjectSpec } from './object-spec.js';
import { openFile, parseFile } from './open-file.js';
import type { ElfFile } from './reader.js';
import { readElf } from './reader.js';
import { readStructOps } from './struct-ops.js';

/**
 * Reads an object as clang makes it. Views into `bytes` are kept: do not change them afterwards.
 * @param name what messages start with, and what the names of data maps derive from: the file's name.
 * @throws ElfError, BtfError, RelocationError; nothing else, whatever the bytes are.
 */
export function readObject(bytes: Uint8Array, name: string): ObjectSpec {
  return specOf(openFile(parseFile(readElf(bytes, name))));
}

/** An object's bytes, and what messages about it start with. */
export interface NamedObject {
  readonly bytes: Uint8Array;
  readonly name: string;
}

/**
 * Links objects that use each other's functions, maps and variables, and reads the result.
 * @param name of the result.
 * @throws ElfError `ERR_BPF_ELF_LINK` where a symbol is defined twice or sections do not fit; else as `readObject`.
 */
export function linkObjects(objects: readonly NamedObject[], name: string): ObjectSpec {
  if (objects.length === 0) throw new ElfError('ERR_BPF_ELF_LINK', `${name}: nothing to link`);
  const files = objects.map((object) => parseFile(readElf(object.bytes, object.name)));
  return specOf(openFile(linkFiles(files, name)));
}

function specOf(file: ObjectFile): ObjectSpec {
  const { name } = file.elf;
  const externs = collectExterns(file.elf, file.symbols, file.btf);
  const declared = [...readLegacyMaps(file), ...readDeclaredMaps(file)];
  const taken = new Set(declared.map((map) => map.spec.name));
  const data = readDataMaps(file, taken);
  const kconfig = kconfigMap(file, externs.kconfigSize, taken);
  const functions = collectFunctions(file);
  collectRelocs(file, functions, finder(declared, data), externs);
  const structOps = readStructOps(file, functions);
  const compiler = compilerOf(file.elf);
  return {
    name,
    license: license(file.elf),
    kernelVersion: kernelVersion(file.elf),
    programs: linkPrograms(file, functions),
    maps: [
      ...fillInitialSlots(file, functions, declared),
      ...data.map((map) => map.spec),
      ...(kconfig === undefined ? [] : [kconfig.spec]),
      ...structOps.maps,
    ],
    globals: readGlobals(file, data),
    externs: externs.list,
    structOps: structOps.specs,
    ...(file.btf === undefined ? {} : { btf: file.btf }),
    ...(compiler === undefined ? {} : { compiler }),
  };
}

function finder(declared: readonly DeclaredMap[], data: readonly DataMap[]): MapFinder {
  const places = new Map(declared.map((map) => [`${map.section}:${map.offset}`, map.spec.name]));
  const sections = new Map(data.map((map) => [map.section, map.spec.name]));
  return {
    declared: (section, offset) => places.get(`${section}:${offset}`),
    data: (section) => sections.get(section),
    arena: declared.find((map) => map.spec.type === MapType.Arena)?.spec.name,
  };
}

const MAX_LICENSE = 63;

function license(elf: ElfFile): string {
  const section = elf.sections.find((candidate) => candidate.name === 'license');
  if (section === undefined) return '';
  const end = section.data.indexOf(0);
  const bytes = section.data.subarray(0, Math.min(end < 0 ? section.data.length : end, MAX_LICENSE));
  return new TextDecoder().decode(bytes);
}

function kernelVersion(elf: ElfFile): number {
  const section = elf.sections.find((candidate) => candidate.name === 'version');
  if (section === undefined) return 0;
  if (section.data.length !== 4) {
    throw elfError(elf, 'SECTION', `section version: ${section.data.length} bytes, not 4`);
  }
  return new DataView(section.data.buffer, section.data.byteOffset).getUint32(0, true);
}
