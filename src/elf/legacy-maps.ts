/**
 * Maps declared the old ways, in SEC("maps") without BTF. Which layout a definition has shows in its size:
 *
 *     struct bpf_map_def   type | key_size | value_size | max_entries | map_flags                        20 bytes
 *     struct bpf_elf_map   type | size_key | size_value | max_elem | flags | id | pinning | ...          36 bytes
 *
 * all u32. libbpf refuses such objects since 1.0; iproute2 and older loaders take them.
 */
import type { MapSpec } from '../maps/map.js';
import type { MapType } from '../maps/map-types.js';
import type { ObjectFile } from './context.js';
import { elfError } from './context.js';
import type { DeclaredMap } from './maps-section.js';
import { SymbolType } from './symbols.js';

const MIN_SIZE = 16;
const ELF_MAP_SIZE = 28;

/** @throws ElfError */
export function readLegacyMaps(file: ObjectFile): DeclaredMap[] {
  if (file.legacyMaps === 0) return [];
  const section = file.elf.sections[file.legacyMaps];
  const symbols = file.symbols.symbols
    .filter(
      (symbol) =>
        symbol.section === section.index &&
        symbol.name !== '' &&
        (symbol.type === SymbolType.Object || symbol.type === SymbolType.NoType),
    )
    .sort((a, b) => a.value - b.value);
  return symbols.map((symbol, index) => {
    const next = symbols[index + 1]?.value ?? section.data.length;
    const size = symbol.size === 0 ? next - symbol.value : symbol.size;
    if (size < MIN_SIZE || symbol.value + size > section.data.length) {
      throw elfError(
        file.elf,
        'MAPS',
        `map ${symbol.name}: ${size} bytes at ${symbol.value} of section ${section.name}`,
        `a definition has at least ${MIN_SIZE} bytes`,
      );
    }
    const bytes = section.data.subarray(symbol.value, symbol.value + size);
    const spec = legacySpec(symbol.name, bytes);
    return { spec, section: section.index, offset: symbol.value, size, valuesOffset: undefined };
  });
}

function legacySpec(name: string, bytes: Uint8Array): MapSpec {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (index: number): number =>
    index * 4 + 4 <= bytes.length ? view.getUint32(index * 4, true) : 0;
  return {
    name,
    type: word(0) as MapType,
    keySize: word(1),
    valueSize: word(2),
    maxEntries: word(3),
    flags: word(4),
    ...(bytes.length >= ELF_MAP_SIZE ? { pinning: word(6) } : {}),
  };
}
