/** Global data: each section becomes an array map of one value (libbpf's internal maps), each variable a global. */
import type { Btf } from '../btf/btf.js';
import type { BtfDatasec } from '../btf/types.js';
import { BtfKind, BtfLinkage } from '../btf/types.js';
import type { MapSpec } from '../maps/map.js';
import { MapFlag } from '../maps/map.js';
import { MapType } from '../maps/map-types.js';
import type { DataKind, ObjectFile } from './context.js';
import { dataKind, elfError } from './context.js';
import type { GlobalSpec } from './object-spec.js';
import type { ElfSection } from './reader.js';
import { specialFields } from './special-fields.js';
import { SymbolBind, SymbolType } from './symbols.js';

export interface DataMap {
  readonly spec: MapSpec;
  /** Index of the section; the symbol table's for `.kconfig`. */
  readonly section: number;
}

const MAX_MAP_NAME = 15;
const MIN_SUFFIX = 7;
/** What a map value can have. */
const MAX_DATA = 0x7fff_ffff;

/**
 * libbpf's name of a data section's map: `prefix.bss`, of 15 characters at most, where the object's name gives way;
 * custom sections below .data and .rodata keep their own name.
 */
export function dataMapName(object: string, section: string): string {
  const isCustom = section.includes('.', 1);
  if (isCustom && !section.startsWith('.bss')) return section;
  const suffix = Math.min(Math.max(MIN_SUFFIX, section.length), MAX_MAP_NAME);
  const base = object
    .replace(/^.*[/\\]/, '')
    .slice(0, MAX_MAP_NAME)
    .replace(/\..*$/, '');
  const prefix = isCustom ? '' : base.slice(0, MAX_MAP_NAME - suffix);
  return (prefix + section.slice(0, suffix)).replace(/[^A-Za-z0-9_.]/g, '_');
}

/** A name that no other map has: truncated names may collide. */
function unusedName(wanted: string, section: ElfSection, taken: Set<string>): string {
  let name = wanted;
  for (let i = 0; taken.has(name); i++) name = i === 0 ? section.name : `${section.name}#${i}`;
  taken.add(name);
  return name;
}

export function readDataMaps(file: ObjectFile, taken: Set<string>): DataMap[] {
  const maps: DataMap[] = [];
  for (const section of file.elf.sections) {
    const kind = dataKind(section);
    if (kind === undefined) continue;
    if (section.size > MAX_DATA) {
      throw elfError(
        file.elf,
        'SECTION',
        `section ${section.name}: ${section.size} bytes`,
        `at most ${MAX_DATA}`,
      );
    }
    const name = unusedName(dataMapName(file.elf.name, section.name), section, taken);
    maps.push({ spec: dataMap(file.btf, section, kind, name), section: section.index });
  }
  return maps;
}

function dataMap(btf: Btf | undefined, section: ElfSection, kind: DataKind, name: string): MapSpec {
  const type = btf?.find(section.name);
  const datasec = type?.kind === BtfKind.Datasec ? type : undefined;
  const isVisible = datasec !== undefined && hasVisible(btf!, datasec);
  return {
    name,
    type: MapType.Array,
    keySize: 4,
    valueSize: section.size,
    maxEntries: 1,
    flags: (kind === 'rodata' ? MapFlag.RDONLY_PROG : 0) | (isVisible ? MapFlag.MMAPABLE : 0),
    keyTypeId: 0,
    valueTypeId: type?.id ?? 0,
    ...(kind === 'bss' ? {} : { initialValue: section.data }),
    ...(kind === 'rodata' ? { frozen: true } : {}),
    ...(btf === undefined ? {} : specialFields(btf, datasec?.id)),
  };
}

/** Whether user space may see one of its variables: libbpf makes the map mappable then. */
function hasVisible(btf: Btf, datasec: BtfDatasec): boolean {
  return datasec.vars.some((entry) => {
    const variable = btf.type(entry.type);
    return variable.kind === BtfKind.Var && variable.linkage !== BtfLinkage.Static;
  });
}

/** The map of kernel-config values; its contents are the loader's to fill. */
export function kconfigMap(file: ObjectFile, size: number, taken: Set<string>): DataMap | undefined {
  if (size === 0) return undefined;
  const name = dataMapName(file.elf.name, '.kconfig');
  taken.add(name);
  const type = file.btf?.find('.kconfig');
  return {
    section: file.symbols.section,
    spec: {
      name,
      type: MapType.Array,
      keySize: 4,
      valueSize: size,
      maxEntries: 1,
      flags: MapFlag.RDONLY_PROG | MapFlag.MMAPABLE,
      keyTypeId: 0,
      valueTypeId: type?.id ?? 0,
      frozen: true,
    },
  };
}

/** Variables of the data sections: from BTF where it describes the section, else from the symbols. */
export function readGlobals(file: ObjectFile, maps: readonly DataMap[]): GlobalSpec[] {
  return maps.flatMap(({ spec, section: index }) => {
    const section = file.elf.sections[index];
    const datasec = file.btf?.find(section.name, BtfKind.Datasec);
    if (datasec?.kind === BtfKind.Datasec) return fromBtf(file.btf!, datasec, spec, section);
    return file.symbols.symbols
      .filter((symbol) => symbol.section === index && symbol.type === SymbolType.Object)
      .map((symbol) => ({
        name: symbol.name,
        map: spec.name,
        section: section.name,
        offset: symbol.value,
        size: symbol.size,
        typeId: 0,
        isStatic: symbol.bind === SymbolBind.Local || symbol.hidden,
      }));
  });
}

function fromBtf(btf: Btf, datasec: BtfDatasec, spec: MapSpec, section: ElfSection): GlobalSpec[] {
  return datasec.vars.flatMap(({ type, offset, size }) => {
    const variable = btf.type(type);
    if (variable.kind !== BtfKind.Var) return [];
    const isStatic = variable.linkage === BtfLinkage.Static;
    return [
      {
        name: variable.name,
        map: spec.name,
        section: section.name,
        offset,
        size,
        typeId: variable.type,
        isStatic,
      },
    ];
  });
}
