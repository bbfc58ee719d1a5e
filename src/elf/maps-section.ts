/** Maps declared in SEC(".maps"): each is a variable whose type spells the definition (libbpf's conventions). */
import type { Btf } from '../btf/btf.js';
import type { BtfComposite, BtfMember, BtfSecVar } from '../btf/types.js';
import { BTF_KIND_NAMES, BtfKind, BtfLinkage } from '../btf/types.js';
import type { ElfError } from '../errors.js';
import type { MapSpec } from '../maps/map.js';
import { MapType } from '../maps/map-types.js';
import type { ObjectFile } from './context.js';
import { MAPS_SECTION, elfError } from './context.js';
import { specialFields } from './special-fields.js';

/** A declared map and where it lies in its section. */
export interface DeclaredMap {
  readonly spec: MapSpec;
  readonly section: number;
  readonly offset: number;
  readonly size: number;
  /** Byte offset of the member `values` in the variable, where it has one. */
  readonly valuesOffset: number | undefined;
}

type Draft = { -readonly [K in keyof MapSpec]: MapSpec[K] };

/** @throws ElfError */
export function readDeclaredMaps(file: ObjectFile): DeclaredMap[] {
  const { elf, btf } = file;
  if (file.mapsSection === 0) return [];
  const datasec = btf?.find(MAPS_SECTION, BtfKind.Datasec);
  if (btf === undefined || datasec?.kind !== BtfKind.Datasec) {
    throw elfError(
      elf,
      'MAPS',
      `BTF does not describe section ${MAPS_SECTION}`,
      'compile with -g; was BTF stripped?',
    );
  }
  const maps: DeclaredMap[] = [];
  const names = new Set<string>();
  for (const entry of datasec.vars) {
    const map = readMap(file, btf, entry);
    if (names.has(map.spec.name)) throw elfError(elf, 'MAPS', `map ${map.spec.name}: declared twice`);
    names.add(map.spec.name);
    maps.push(map);
  }
  return maps;
}

function readMap(file: ObjectFile, btf: Btf, entry: BtfSecVar): DeclaredMap {
  const { elf } = file;
  const variable = btf.type(entry.type);
  const { name } = variable;
  if (variable.kind !== BtfKind.Var || name === '') {
    throw elfError(elf, 'MAPS', `section ${MAPS_SECTION}: type ${entry.type} is no named variable`);
  }
  const refuse = (fact: string, hint?: string): ElfError =>
    elfError(elf, 'MAPS', `map ${name}: ${fact}`, hint);
  const end = entry.offset + entry.size;
  const sectionSize = elf.sections[file.mapsSection].size;
  if (end > sectionSize) throw refuse(`ends at ${end}, section ${MAPS_SECTION} has ${sectionSize} bytes`);
  if (variable.linkage !== BtfLinkage.Global)
    throw refuse('not global', 'declare it without static and extern');
  const type = btf.resolve(variable.type);
  if (type.kind !== BtfKind.Struct) throw refuse(`its type is ${kindOf(btf, type.id)}, not a structure`);
  if (type.size > entry.size) throw refuse(`${entry.size} bytes for a definition of ${type.size}`);
  const reader = new DefinitionReader(btf, name, refuse);
  return {
    spec: reader.read(type),
    section: file.mapsSection,
    offset: entry.offset,
    size: entry.size,
    valuesOffset: reader.valuesOffset,
  };
}

function kindOf(btf: Btf, id: number): string {
  return BTF_KIND_NAMES[btf.type(id).kind];
}

/** `int (*max_entries)[64]` says 64; `struct key *key` says the type of the key. */
class DefinitionReader {
  private readonly btf: Btf;
  private readonly name: string;
  private readonly refuse: (fact: string, hint?: string) => ElfError;
  private readonly isInner: boolean;
  private readonly draft: Draft;
  /** Set once a size or type was given, to find contradictions. */
  private keySize: number | undefined;
  private valueSize: number | undefined;
  valuesOffset: number | undefined;

  constructor(btf: Btf, name: string, refuse: (fact: string, hint?: string) => ElfError, isInner = false) {
    this.btf = btf;
    this.name = name;
    this.refuse = refuse;
    this.isInner = isInner;
    this.draft = { name, type: MapType.Unspec, keySize: 0, valueSize: 0, maxEntries: 0, flags: 0 };
  }

  read(definition: BtfComposite): MapSpec {
    for (const [index, member] of definition.members.entries()) {
      this.member(member, index === definition.members.length - 1);
    }
    const { draft } = this;
    if (draft.type === MapType.Unspec) throw this.refuse('no type', 'add __uint(type, BPF_MAP_TYPE_...)');
    if (draft.type === MapType.Ringbuf || draft.type === MapType.UserRingbuf) {
      draft.maxEntries = ringbufSize(draft.maxEntries);
    }
    draft.keySize = this.keySize ?? 0;
    draft.valueSize = this.valueSize ?? 0;
    Object.assign(draft, specialFields(this.btf, draft.valueTypeId));
    return draft;
  }

  private member(member: BtfMember, isLast: boolean): void {
    const { draft } = this;
    switch (member.name) {
      case 'type':
        draft.type = this.number(member) as MapType;
        return;
      case 'max_entries':
        draft.maxEntries = this.number(member);
        return;
      case 'map_flags':
        draft.flags = this.number(member);
        return;
      case 'numa_node':
        draft.numaNode = this.number(member);
        return;
      case 'map_extra':
        draft.mapExtra = this.long(member);
        return;
      case 'pinning':
        draft.pinning = this.pinning(member);
        return;
      case 'key_size':
        this.setKeySize(this.number(member));
        return;
      case 'value_size':
        this.setValueSize(this.number(member));
        return;
      case 'key':
        draft.keyTypeId = this.pointee(member);
        this.setKeySize(this.btf.sizeOf(draft.keyTypeId));
        return;
      case 'value':
        draft.valueTypeId = this.pointee(member);
        this.setValueSize(this.btf.sizeOf(draft.valueTypeId));
        return;
      case 'values':
        this.values(member, isLast);
        return;
      default:
        throw this.refuse(`unknown field ${member.name}`);
    }
  }

  private setKeySize(size: number): void {
    if (this.keySize !== undefined && this.keySize !== 0 && this.keySize !== size) {
      throw this.refuse(`key of ${this.keySize} and of ${size} bytes`);
    }
    this.keySize = size;
  }

  private setValueSize(size: number): void {
    if (this.valueSize !== undefined && this.valueSize !== 0 && this.valueSize !== size) {
      throw this.refuse(`value of ${this.valueSize} and of ${size} bytes`);
    }
    this.valueSize = size;
  }

  /** Id of what the member points to. */
  private pointee(member: BtfMember): number {
    const type = this.btf.type(member.type);
    if (type.kind !== BtfKind.Ptr) {
      throw this.refuse(`${member.name} is ${kindOf(this.btf, type.id)}, not a pointer`, 'use __type()');
    }
    return type.type;
  }

  private number(member: BtfMember): number {
    const pointer = this.btf.resolve(member.type);
    const array = pointer.kind === BtfKind.Ptr ? this.btf.type(pointer.type) : undefined;
    if (array?.kind !== BtfKind.Array) {
      throw this.refuse(`${member.name} is no pointer to an array`, 'use __uint()');
    }
    return array.count;
  }

  /** `__ulong()`: an enumeration of one value. */
  private long(member: BtfMember): bigint {
    const type = this.btf.resolve(member.type);
    if (type.kind !== BtfKind.Enum && type.kind !== BtfKind.Enum64) return BigInt(this.number(member));
    if (type.values.length !== 1) throw this.refuse(`${member.name} has ${type.values.length} values`);
    return BigInt.asUintN(64, type.values[0].value);
  }

  private pinning(member: BtfMember): number {
    if (this.isInner) throw this.refuse('an inner map cannot be pinned');
    const value = this.number(member);
    if (value > 1) throw this.refuse(`pinning ${value}`, '0 (none) or 1 (by name)');
    return value;
  }

  private values(member: BtfMember, isLast: boolean): void {
    const { btf, draft } = this;
    const isProgArray = draft.type === MapType.ProgArray;
    if (this.isInner) throw this.refuse('inner maps of inner maps are not supported');
    if (!isLast) throw this.refuse('values is not the last member');
    if (!isProgArray && draft.type !== MapType.ArrayOfMaps && draft.type !== MapType.HashOfMaps) {
      throw this.refuse('values are for maps of maps and arrays of programs');
    }
    this.setValueSize(4);
    this.valuesOffset = member.bitOffset / 8;
    const array = btf.type(member.type);
    if (array.kind !== BtfKind.Array || array.count !== 0) throw this.refuse('values is no array of size 0');
    const pointer = btf.resolve(array.type);
    if (pointer.kind !== BtfKind.Ptr) throw this.refuse('values holds no pointers');
    const target = btf.resolve(pointer.type);
    if (isProgArray) {
      if (target.kind !== BtfKind.FuncProto) throw this.refuse('values of a program array are functions');
      return;
    }
    if (target.kind !== BtfKind.Struct) throw this.refuse('values of a map of maps are map definitions');
    const inner = `${this.name}.inner`;
    draft.inner = new DefinitionReader(btf, inner, this.refuse, true).read(target);
  }
}

const RINGBUF_PAGE = 4096;

/** As libbpf: the next power of two of pages, where the size is not one already. */
function ringbufSize(size: number): number {
  const isPower = (n: number): boolean => n >= 1 && Number.isInteger(Math.log2(n));
  if (size === 0 || isPower(size / RINGBUF_PAGE)) return size;
  for (let pages = 1; pages * RINGBUF_PAGE <= 0xffff_ffff; pages *= 2) {
    if (pages * RINGBUF_PAGE > size) return pages * RINGBUF_PAGE;
  }
  return size;
}
