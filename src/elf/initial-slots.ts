/** Initialisers of `values` in maps of maps and program arrays: relocations against `.maps`. */
import type { ElfError } from '../errors.js';
import { INSN_SIZE } from '../isa/insn.js';
import type { MapSpec } from '../maps/map.js';
import { MapType } from '../maps/map-types.js';
import type { ObjectFile } from './context.js';
import { elfError } from './context.js';
import type { FunctionTable } from './functions.js';
import type { DeclaredMap } from './maps-section.js';
import { SectionType } from './reader.js';
import type { ElfSymbol } from './symbols.js';
import { readRelocs } from './symbols.js';

const POINTER_SIZE = 8;

/** The specs of the declared maps, with `initialSlots` where the object fills some. @throws ElfError */
export function fillInitialSlots(
  file: ObjectFile,
  table: FunctionTable,
  declared: readonly DeclaredMap[],
): MapSpec[] {
  const slots = new Map<DeclaredMap, Map<number, string>>();
  for (const relocs of file.elf.sections) {
    if (relocs.type !== SectionType.REL || file.mapsSection === 0 || relocs.info !== file.mapsSection)
      continue;
    for (const { offset, symbol } of readRelocs(file.elf, relocs, file.symbols)) {
      const refuse = (fact: string): ElfError =>
        elfError(file.elf, 'MAPS', `section .maps: relocation at ${offset}: ${fact}`);
      const map = declared.find((m) => m.offset <= offset && offset + POINTER_SIZE <= m.offset + m.size);
      if (map === undefined) throw refuse('in no map');
      const slot = (offset - map.offset - (map.valuesOffset ?? Number.NaN)) / POINTER_SIZE;
      if (!Number.isInteger(slot) || slot < 0)
        throw refuse(`not an element of values of map ${map.spec.name}`);
      let filled = slots.get(map);
      if (filled === undefined) slots.set(map, (filled = new Map()));
      filled.set(slot, targetOf(file, table, declared, map.spec, symbol, refuse));
    }
  }
  return declared.map((map) => {
    const initialSlots = slots.get(map);
    return initialSlots === undefined ? map.spec : { ...map.spec, initialSlots };
  });
}

function targetOf(
  file: ObjectFile,
  table: FunctionTable,
  declared: readonly DeclaredMap[],
  map: MapSpec,
  symbol: ElfSymbol,
  refuse: (fact: string) => ElfError,
): string {
  if (map.type === MapType.ProgArray) {
    const fn = table.find(symbol.section, symbol.value / INSN_SIZE);
    if (fn?.name !== symbol.name || fn.section.index === file.text) {
      throw refuse(`"${symbol.name}" is no program (map ${map.name})`);
    }
    return fn.name;
  }
  if (map.type === MapType.HashOfMaps && map.keySize !== 4) {
    throw refuse(`map ${map.name} has keys of ${map.keySize} bytes, 4 are needed`);
  }
  const target = declared.find((m) => m.section === symbol.section && m.spec.name === symbol.name);
  if (target === undefined) throw refuse(`"${symbol.name}" is no declared map (map ${map.name})`);
  return target.spec.name;
}
