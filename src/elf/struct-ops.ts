/** Variables of `.struct_ops` sections: tables of programs that the kernel calls. */
import type { Btf } from '../btf/btf.js';
import type { BtfComposite } from '../btf/types.js';
import { BtfKind } from '../btf/types.js';
import type { ElfError } from '../errors.js';
import { INSN_SIZE } from '../isa/insn.js';
import type { MapSpec } from '../maps/map.js';
import { MapType } from '../maps/map-types.js';
import type { ObjectFile } from './context.js';
import { elfError, isStructOps } from './context.js';
import type { FunctionTable } from './functions.js';
import type { StructOpsSpec } from './object-spec.js';
import type { ElfSection } from './reader.js';
import { SectionType } from './reader.js';
import { readRelocs } from './symbols.js';

/** BPF_F_LINK: the map is attached through a link. */
const F_LINK = 1 << 13;

interface Variable extends StructOpsSpec {
  readonly section: number;
  readonly offset: number;
  readonly struct: BtfComposite;
  readonly programs: Map<string, string>;
}

export interface StructOps {
  readonly specs: readonly StructOpsSpec[];
  readonly maps: readonly MapSpec[];
}

/** @throws ElfError */
export function readStructOps(file: ObjectFile, table: FunctionTable): StructOps {
  const sections = file.elf.sections.filter(isStructOps);
  if (sections.length === 0) return { specs: [], maps: [] };
  const variables = sections.flatMap((section) => readSection(file, section));
  for (const relocs of file.elf.sections) {
    if (relocs.type !== SectionType.REL) continue;
    const target = file.elf.sections[relocs.info];
    if (target !== undefined && isStructOps(target)) fillPrograms(file, table, variables, relocs);
  }
  const specs = variables.map(({ name, type, typeId, link, autocreate, data, programs }): StructOpsSpec => ({
    name,
    type,
    typeId,
    link,
    autocreate,
    data,
    programs,
  }));
  return { specs, maps: specs.map(mapOf) };
}

function mapOf(spec: StructOpsSpec): MapSpec {
  return {
    name: spec.name,
    type: MapType.StructOps,
    keySize: 4,
    valueSize: spec.data.length,
    maxEntries: 1,
    flags: spec.link ? F_LINK : 0,
    keyTypeId: 0,
    valueTypeId: spec.typeId,
  };
}

function readSection(file: ObjectFile, section: ElfSection): Variable[] {
  const { btf } = file;
  const refuse = (fact: string): ElfError =>
    elfError(file.elf, 'STRUCT_OPS', `section ${section.name}: ${fact}`);
  const datasec = btf?.find(section.name, BtfKind.Datasec);
  if (btf === undefined || datasec?.kind !== BtfKind.Datasec) throw refuse('not described by BTF');
  return datasec.vars.map((entry) => {
    const variable = btf.type(entry.type);
    if (variable.kind !== BtfKind.Var) throw refuse(`type ${entry.type} is no variable`);
    const struct = btf.resolve(variable.type);
    if (struct.kind !== BtfKind.Struct || struct.name === '') {
      throw refuse(`variable ${variable.name} is no named structure`);
    }
    const end = entry.offset + struct.size;
    if (end > section.data.length)
      throw refuse(`variable ${variable.name} ends at ${end}, behind the section`);
    return {
      name: variable.name,
      type: struct.name.replace(/___.*$/, ''),
      typeId: struct.id,
      link: section.name.endsWith('.link'),
      autocreate: !section.name.startsWith('?'),
      data: section.data.subarray(entry.offset, end),
      programs: new Map<string, string>(),
      section: section.index,
      offset: entry.offset,
      struct,
    };
  });
}

function fillPrograms(
  file: ObjectFile,
  table: FunctionTable,
  variables: readonly Variable[],
  relocs: ElfSection,
): void {
  for (const { offset, symbol } of readRelocs(file.elf, relocs, file.symbols)) {
    const refuse = (fact: string): ElfError =>
      elfError(file.elf, 'STRUCT_OPS', `section ${relocs.name}: relocation at ${offset}: ${fact}`);
    const variable = variables.find(
      (v) => v.section === relocs.info && v.offset <= offset && offset < v.offset + v.struct.size,
    );
    if (variable === undefined) throw refuse('in no variable');
    const bit = (offset - variable.offset) * 8;
    const member = variable.struct.members.find((m) => m.bitOffset === bit);
    if (member === undefined) throw refuse(`${variable.name} has no member at ${offset - variable.offset}`);
    if (!isFunctionPointer(file.btf!, member.type)) {
      throw refuse(`member ${member.name} of ${variable.name} is no pointer to a function`);
    }
    const fn =
      symbol.value % INSN_SIZE === 0 ? table.find(symbol.section, symbol.value / INSN_SIZE) : undefined;
    if (fn === undefined) throw refuse(`no program for member ${member.name} of ${variable.name}`);
    if (!/^\??struct_ops(\.s)?(\/.+)?$/.test(fn.section.name)) {
      throw refuse(`program ${fn.name} in section ${fn.section.name} is no struct_ops program`);
    }
    variable.programs.set(member.name, fn.name);
  }
}

function isFunctionPointer(btf: Btf, id: number): boolean {
  const pointer = btf.resolve(id);
  return pointer.kind === BtfKind.Ptr && btf.resolve(pointer.type).kind === BtfKind.FuncProto;
}
