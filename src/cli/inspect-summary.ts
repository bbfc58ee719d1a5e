/** What `bpfvm inspect` says of an object, as one plain document. */
import type { Btf } from '../btf/btf.js';
import { CORE_RELO_NAMES } from '../btf/ext-types.js';
import { declareC, typeName } from '../btf/dump-c.js';
import type { FormattedValue } from '../btf/format.js';
import { formatText, formatValue } from '../btf/format.js';
import type { ExternSpec, GlobalSpec, ObjectSpec, ProgramSpec } from '../elf/object-spec.js';
import { BpfError } from '../errors.js';
import { INSN_SIZE } from '../isa/insn.js';
import { mapTypeName } from '../maps/map-types.js';
import type { MapSpec } from '../maps/map.js';
import { MapFlag } from '../maps/map.js';
import { attachTypeName, progTypeName } from '../progs/prog-types.js';

export interface ElfSummary {
  readonly object: string;
  readonly license: string;
  readonly compiler?: string;
  readonly btf: boolean;
  readonly btfTypes: number;
  readonly programs: readonly ProgramSummary[];
  readonly maps: readonly MapSummary[];
  readonly globals: readonly GlobalSummary[];
  readonly externs: readonly ExternSummary[];
  readonly structOps: readonly StructOpsSummary[];
}

interface ProgramSummary {
  readonly name: string;
  readonly section: string;
  readonly progType: string;
  readonly attachType: string;
  readonly attachTarget?: string;
  readonly autoload: boolean;
  /** Slots, with those of the functions that it calls. */
  readonly insns: number;
  /** The functions that it calls, in the order in which they are linked. */
  readonly subprogs: readonly string[];
  readonly relocations: readonly { readonly kind: string; readonly count: number }[];
}

interface MapSummary {
  readonly name: string;
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly flagNames: readonly string[];
  readonly pinned: boolean;
  readonly mapExtra?: bigint;
  readonly numaNode?: number;
  /** As C would write them. */
  readonly keyType?: string;
  readonly valueType?: string;
  readonly inner?: MapSummary;
  readonly initialSlots?: Readonly<Record<number, string>>;
}

interface GlobalSummary {
  readonly name: string;
  readonly section: string;
  readonly map: string;
  readonly offset: number;
  readonly size: number;
  readonly declaration: string;
  /** As data, or as C for people. Absent where BTF does not describe it, or it is too large to be looked at. */
  readonly value?: FormattedValue;
}

interface ExternSummary {
  readonly name: string;
  readonly kind: string;
  readonly weak: boolean;
  readonly declaration: string;
}

interface StructOpsSummary {
  readonly name: string;
  readonly type: string;
  readonly link: boolean;
  readonly autocreate: boolean;
  readonly programs: Readonly<Record<string, string>>;
}

/** @param forPeople values of variables as C, on one line, not as data. */
export function summarize(spec: ObjectSpec, forPeople = false): ElfSummary {
  return {
    object: spec.name,
    license: spec.license,
    ...(spec.compiler === undefined ? {} : { compiler: spec.compiler }),
    btf: spec.btf !== undefined,
    btfTypes: spec.btf === undefined ? 0 : spec.btf.types.length - 1,
    programs: spec.programs.map(programSummary),
    maps: spec.maps.map((map) => mapSummary(map, spec.btf)),
    globals: globalSummaries(spec, forPeople),
    externs: spec.externs.map((extern) => externSummary(extern, spec.btf)),
    structOps: spec.structOps.map(({ name, type, link, autocreate, programs }) => ({
      name,
      type,
      link,
      autocreate,
      programs: Object.fromEntries(programs),
    })),
  };
}

function programSummary(program: ProgramSpec): ProgramSummary {
  const counts = new Map<string, number>();
  const count = (kind: string): void => void counts.set(kind, (counts.get(kind) ?? 0) + 1);
  for (const { kind } of program.relocations) count(kind);
  for (const { kind } of program.coreRelos) count(`CO-RE ${CORE_RELO_NAMES[kind] ?? kind}`);
  return {
    name: program.name,
    section: program.section,
    progType: progTypeName(program.progType),
    attachType: attachTypeName(program.attachType),
    ...(program.attachTarget === undefined ? {} : { attachTarget: program.attachTarget }),
    autoload: program.autoload,
    insns: program.insns.length / INSN_SIZE,
    subprogs: program.subprogs.slice(1).map((subprog) => subprog.name),
    relocations: [...counts].map(([kind, number]) => ({ kind, count: number })),
  };
}

function flagNames(flags: number): string[] {
  const names = Object.entries(MapFlag).filter(([, bit]) => (flags & bit) !== 0);
  const known = names.reduce((bits, [, bit]) => bits | bit, 0);
  const rest = flags & ~known;
  return [
    ...names.map(([name]) => name.toLowerCase()),
    ...(rest === 0 ? [] : [`0x${(rest >>> 0).toString(16)}`]),
  ];
}

function nameOfType(btf: Btf | undefined, id: number | undefined): string | undefined {
  if (btf === undefined || id === undefined || id === 0) return undefined;
  return orUndefined(() => typeName(btf, id));
}

/** Types that cannot be shown do not keep the rest from being shown. */
function orUndefined<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof BpfError) return undefined;
    throw error;
  }
}

function mapSummary(map: MapSpec, btf: Btf | undefined): MapSummary {
  const keyType = nameOfType(btf, map.keyTypeId);
  const valueType = nameOfType(btf, map.valueTypeId);
  return {
    name: map.name,
    type: mapTypeName(map.type),
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    flags: map.flags,
    flagNames: flagNames(map.flags),
    pinned: map.pinning !== undefined && map.pinning !== 0,
    ...(map.mapExtra === undefined ? {} : { mapExtra: map.mapExtra }),
    ...(map.numaNode === undefined ? {} : { numaNode: map.numaNode }),
    ...(keyType === undefined ? {} : { keyType }),
    ...(valueType === undefined ? {} : { valueType }),
    ...(map.inner === undefined ? {} : { inner: mapSummary(map.inner, btf) }),
    ...(map.initialSlots === undefined ? {} : { initialSlots: Object.fromEntries(map.initialSlots) }),
  };
}

/** Bytes of variables whose values are printed; crafted variables may overlap without end. */
const MAX_PRINTED = 1 << 16;
const MAX_ZEROS = 1024;

function globalSummaries(spec: ObjectSpec, forPeople: boolean): GlobalSummary[] {
  let left = MAX_PRINTED;
  const format = forPeople ? formatText : formatValue;
  const contents = new Map(spec.maps.map((map) => [map.name, map.initialValue]));
  return spec.globals.map((global) => {
    const { name, section, map, offset, size, typeId } = global;
    const base = { name, section, map, offset, size };
    const { btf } = spec;
    if (btf === undefined || typeId === 0) return { ...base, declaration: name };
    const declaration = orUndefined(() => declareC(btf, typeId, name)) ?? name;
    const bytes = initialBytes(global, contents.get(map));
    left -= bytes?.length ?? 0;
    const value = bytes && left >= 0 ? orUndefined(() => format(btf, typeId, bytes)) : undefined;
    return { ...base, declaration, ...(value === undefined ? {} : { value }) };
  });
}

/** What a variable holds at first; of sections without contents, zeros, of which large ones are not worth a look. */
function initialBytes(
  { offset, size }: GlobalSpec,
  contents: Uint8Array | undefined,
): Uint8Array | undefined {
  if (contents !== undefined) return contents.subarray(offset, offset + size);
  return size <= MAX_ZEROS ? new Uint8Array(size) : undefined;
}

function externSummary(extern: ExternSpec, btf: Btf | undefined): ExternSummary {
  const { name, kind, weak, typeId } = extern;
  const declaration = btf === undefined ? undefined : orUndefined(() => declareC(btf, typeId, name));
  return { name, kind, weak, declaration: declaration ?? name };
}
