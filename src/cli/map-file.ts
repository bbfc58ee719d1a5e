/** Maps of a run in a file: what they hold, and the types to print it by. One JSON document. */
import { Btf } from '../btf/btf.js';
import { BpfVm } from '../bpf-vm.js';
import { BpfError, UsageError } from '../errors.js';
import type { BpfMap, MapSpec } from '../maps/map.js';
import { BPF_ANY } from '../maps/map.js';
import type { MapType } from '../maps/map-types.js';
import { mapTypeName } from '../maps/map-types.js';
import type { BpfObject } from '../object.js';

const VERSION = 1;

/** A map as it is written; keys and values are hex. */
interface SavedMap {
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly keyTypeId?: number;
  readonly valueTypeId?: number;
  readonly frozen?: boolean;
  readonly entries: readonly (readonly [key: string, value: string])[];
}

interface Saved {
  readonly bpfvmMaps: number;
  readonly cpus: number;
  /** The object's .BTF section, base64. */
  readonly btf?: string;
  readonly maps: readonly SavedMap[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

/** Keys and values in the map's order; a map that cannot be read by key has none. */
export function* entriesOf(map: BpfMap): Generator<readonly [Uint8Array, Uint8Array]> {
  let key: Uint8Array | null = null;
  for (;;) {
    try {
      key = map.getNextKey(key);
    } catch {
      return;
    }
    let value: Uint8Array;
    try {
      value = map.lookupElem(key);
    } catch (error) {
      if (error instanceof BpfError) continue;
      throw error;
    }
    yield [key, value];
  }
}

/** The document for the maps of an object. */
export function saveMaps(object: BpfObject): string {
  const maps = [...object.maps.values()].map((map): SavedMap => {
    const { name, type, keySize, valueSize, maxEntries, flags, keyTypeId, valueTypeId } = map.spec;
    const types = {
      ...(keyTypeId === undefined ? {} : { keyTypeId }),
      ...(valueTypeId === undefined ? {} : { valueTypeId }),
    };
    const entries = [...entriesOf(map)].map(([key, value]) => [hex(key), hex(value)] as const);
    return { name, type, keySize, valueSize, maxEntries, flags, ...types, frozen: map.frozen, entries };
  });
  const { btf } = object.spec;
  const bytes = btf === undefined ? {} : { btf: Buffer.from(btf.bytes).toString('base64') };
  const cpus = Math.max(1, ...[...object.maps.values()].map(({ cpuCount }) => cpuCount));
  return `${JSON.stringify({ bpfvmMaps: VERSION, cpus, ...bytes, maps } satisfies Saved)}\n`;
}

/** Maps that were read from a file, alive in a VM of their own. */
export interface LoadedMaps {
  readonly vm: BpfVm;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly btf: Btf | undefined;
  readonly saved: Saved;
}

/** @throws UsageError `ERR_BPF_USAGE_MAP_FILE` for what saveMaps has not written. */
export function loadMaps(text: string, file: string): LoadedMaps {
  const saved = parse(text, file);
  const vm = new BpfVm({ cpus: saved.cpus });
  const maps = new Map<string, BpfMap>();
  try {
    for (const entry of saved.maps) maps.set(entry.name, restore(vm, entry));
    const btf =
      saved.btf === undefined ? undefined : Btf.parse(new Uint8Array(Buffer.from(saved.btf, 'base64')));
    return { vm, maps, btf, saved };
  } catch (cause) {
    if (!(cause instanceof BpfError)) throw cause;
    throw new UsageError('ERR_BPF_USAGE_MAP_FILE', `${file}: ${cause.message}`, { cause });
  }
}

function parse(text: string, file: string): Saved {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UsageError('ERR_BPF_USAGE_MAP_FILE', `${file}: no JSON`, { cause, hint: HINT });
  }
  const saved = value as Partial<Saved> | null;
  const isOurs = saved?.bpfvmMaps === VERSION && Array.isArray(saved.maps) && Number.isInteger(saved.cpus);
  if (!isOurs || !saved.maps.every(isSavedMap)) {
    throw new UsageError('ERR_BPF_USAGE_MAP_FILE', `${file}: not a file of maps`, { hint: HINT });
  }
  return saved as Saved;
}

const HINT = 'bpfvm exec --save-maps writes one';

function isSavedMap(value: unknown): boolean {
  const map = value as Partial<SavedMap> | null;
  const numbers = [map?.type, map?.keySize, map?.valueSize, map?.maxEntries, map?.flags];
  const pairs = map?.entries;
  return (
    typeof map?.name === 'string' &&
    numbers.every((number) => Number.isInteger(number) && (number ?? -1) >= 0) &&
    Array.isArray(pairs) &&
    pairs.every((pair: unknown) => Array.isArray(pair) && pair.length === 2 && pair.every(isHex))
  );
}

const isHex = (text: unknown): boolean => typeof text === 'string' && /^([0-9a-f]{2})*$/.test(text);

function restore(vm: BpfVm, entry: SavedMap): BpfMap {
  const { entries, frozen, ...spec } = entry;
  const map = vm.createMap(spec as MapSpec);
  for (const [key, value] of entries) {
    try {
      map.updateElem(unhex(key), unhex(value), BPF_ANY);
    } catch (error) {
      // Slots that hold programs, maps or sockets are shown but cannot be filled again.
      if (!(error instanceof BpfError)) throw error;
    }
  }
  if (frozen === true) map.freeze();
  return map;
}

/** The document after changes of `maps`. */
export function saveLoaded(loaded: LoadedMaps): string {
  const maps = loaded.saved.maps.map((entry): SavedMap => {
    const map = loaded.maps.get(entry.name)!;
    const entries = [...entriesOf(map)].map(([key, value]) => [hex(key), hex(value)] as const);
    return { ...entry, entries };
  });
  return `${JSON.stringify({ ...loaded.saved, maps })}\n`;
}

export const describeMap = (map: BpfMap): string =>
  `${mapTypeName(map.type)}  name ${map.name}  key ${map.spec.keySize}B  value ${map.spec.valueSize}B  max_entries ${map.spec.maxEntries}  flags 0x${map.spec.flags.toString(16)}`;
