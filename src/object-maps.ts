/** The maps of an object: created, filled with what the object says, frozen where it says so. */
import type { ExternSpec, KconfigField, ObjectSpec } from './elf/object-spec.js';
import type { GlobalValue } from './globals.js';
import { findGlobal, placeGlobal } from './globals.js';
import { Errno, MapError, RelocationError } from './errors.js';
import type { BpfMap, MapSpec } from './maps/map.js';
import { MapType } from './maps/map-types.js';
import { MapInMap } from './maps/map-in-map.js';
import { ProgArrayMap } from './maps/prog-array-map.js';
import { u32 } from './bytes.js';
import type { BpfProgram } from './program.js';

/** Value of a kernel-config variable: a number, `y`, `n` or `m`, or the text of a string. */
export type KconfigValue = number | bigint | string;

/** The part of the load options that concerns maps. */
export interface MapOptions {
  readonly maps?: Readonly<Record<string, BpfMap>>;
  readonly globals?: Readonly<Record<string, GlobalValue>>;
  readonly kconfig?: Readonly<Record<string, KconfigValue>>;
}

/** What libbpf provides itself: the version of the kernel, and features of it. */
const VIRTUAL: Readonly<Record<string, KconfigValue>> = {
  LINUX_KERNEL_VERSION: (6 << 16) | (12 << 8),
  LINUX_HAS_BPF_COOKIE: 1,
  LINUX_HAS_SYSCALL_WRAPPER: 1,
};

const TRISTATE: Readonly<Record<string, bigint>> = { n: 0n, y: 1n, m: 2n };

/**
 * A map in the place of the object's may have other sizes: programs are verified with those. But locks, timers and
 * kernel pointers must lie where the object has them, or a program could overwrite what is there.
 * @throws MapError EINVAL
 */
function checkGiven(declared: MapSpec, given: BpfMap, host: MapHost): void {
  if (host.mapById((given as Partial<BpfMap>).id ?? 0) !== given) {
    throw new MapError(
      'ERR_BPF_MAP_REUSE',
      Errno.EINVAL,
      `map ${declared.name}: what is given is no map of this VM`,
    );
  }
  if (specialLayout(declared) === specialLayout(given.spec)) return;
  throw new MapError(
    'ERR_BPF_MAP_REUSE',
    Errno.EINVAL,
    `map ${declared.name}: locks, timers or kernel pointers of the given map ${given.name} lie elsewhere`,
  );
}

/** Where the parts of a value lie that belong to the kernel, those of inner maps included. */
function specialLayout(spec: MapSpec): string {
  const { spinLockOffset = -1, timerOffset = -1, specialFields = [] } = spec;
  const own = [spinLockOffset, timerOffset, ...specialFields.flatMap(({ offset, size }) => [offset, size])];
  return spec.inner === undefined ? own.join() : `${own.join()};${specialLayout(spec.inner)}`;
}

interface MapHost {
  readonly cpus: number;
  createMap(map: MapSpec): BpfMap;
  mapById(id: number): BpfMap | undefined;
}

/** Creates the maps that the options do not replace, into `maps`, so that a caller can undo what was made before a failure. */
export function createMaps(
  spec: ObjectSpec,
  host: MapHost,
  options: MapOptions,
  maps: Map<string, BpfMap>,
): void {
  const initial = globalSections(spec, options.globals ?? {});
  for (const map of spec.maps) {
    const section = map.name.endsWith('.kconfig')
      ? kconfigBytes(spec, map, options.kconfig ?? {})
      : initial.get(map.name);
    const own = section === undefined ? map : { ...map, initialValue: section };
    const given = options.maps?.[map.name];
    if (given !== undefined) checkGiven(map, given, host);
    maps.set(map.name, given ?? host.createMap(completed(own, host.cpus)));
  }
}

/** Contents of the data sections in which a caller sets variables, by map. */
function globalSections(
  spec: ObjectSpec,
  values: Readonly<Record<string, GlobalValue>>,
): Map<string, Uint8Array> {
  const sections = new Map<string, Uint8Array>();
  for (const [name, value] of Object.entries(values)) {
    const global = findGlobal(spec, name);
    const map = spec.maps.find((candidate) => candidate.name === global.map)!;
    const bytes = sections.get(map.name) ?? map.initialValue?.slice() ?? new Uint8Array(map.valueSize);
    placeGlobal(global, bytes, value);
    sections.set(map.name, bytes);
  }
  return sections;
}

const PAGE_SIZE = 4096;

/** What libbpf sets where the object leaves it open: slots of a perf event array, and the size of a ring buffer. */
function completed(map: MapSpec, cpus: number): MapSpec {
  if (map.type === MapType.PerfEventArray && map.maxEntries === 0) return { ...map, maxEntries: cpus };
  if (map.type === MapType.Ringbuf || map.type === MapType.UserRingbuf) {
    return { ...map, maxEntries: ringSize(map.maxEntries) };
  }
  return map;
}

/** A power of two times the page size, at least `bytes`; 0 stays, for the kernel to refuse. */
function ringSize(bytes: number): number {
  if (bytes === 0) return 0;
  let size = PAGE_SIZE;
  while (size < bytes) size *= 2;
  return size;
}

/** Puts maps and programs into the slots that the object fills, and freezes its read-only data. */
export function fillMaps(
  spec: ObjectSpec,
  maps: ReadonlyMap<string, BpfMap>,
  programs: ReadonlyMap<string, BpfProgram>,
): void {
  for (const { name, initialSlots, frozen } of spec.maps) {
    const map = maps.get(name)!;
    for (const [slot, target] of initialSlots ?? []) fillSlot(map, slot, target, maps, programs);
    if (frozen === true && !map.frozen) map.freeze();
  }
}

function fillSlot(
  map: BpfMap,
  slot: number,
  target: string,
  maps: ReadonlyMap<string, BpfMap>,
  programs: ReadonlyMap<string, BpfProgram>,
): void {
  if (map instanceof MapInMap) map.setMap(u32(slot), maps.get(target)!);
  // A program that was not loaded leaves its slot empty, as in libbpf.
  else if (map instanceof ProgArrayMap && programs.has(target)) map.setProgram(slot, programs.get(target)!);
}

function kconfigBytes(
  spec: ObjectSpec,
  map: MapSpec,
  values: Readonly<Record<string, KconfigValue>>,
): Uint8Array {
  const bytes = new Uint8Array(map.valueSize);
  for (const extern of spec.externs) {
    if (extern.kconfig === undefined) continue;
    const value = values[extern.name] ?? VIRTUAL[extern.name];
    if (value !== undefined) writeKconfig(spec, extern, extern.kconfig, value, bytes);
    else if (!extern.weak) {
      throw new RelocationError(
        'ERR_BPF_RELO_KCONFIG',
        `${spec.name}: kernel-config value ${extern.name} is not given`,
        {
          hint: 'give it with the option "kconfig", or declare it __weak to get 0',
        },
      );
    }
  }
  return bytes;
}

function writeKconfig(
  spec: ObjectSpec,
  extern: ExternSpec,
  field: KconfigField,
  value: KconfigValue,
  bytes: Uint8Array,
): void {
  if (field.type === 'char_arr') {
    const text = new TextEncoder().encode(String(value)).subarray(0, field.size - 1);
    bytes.set(text, field.offset);
    return;
  }
  const number = typeof value === 'string' ? TRISTATE[value] : BigInt(value);
  if (number === undefined) {
    throw new RelocationError(
      'ERR_BPF_RELO_KCONFIG',
      `${spec.name}: ${extern.name} = "${String(value)}" is no number`,
    );
  }
  let rest = BigInt.asUintN(64, number);
  for (let i = 0; i < field.size; i++, rest >>= 8n) bytes[field.offset + i] = Number(rest & 0xffn);
}
