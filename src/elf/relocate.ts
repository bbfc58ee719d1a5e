/**
 * The instructions of a program with everything resolved: CO-RE applied, maps, data, externs and kfuncs written in.
 * What cannot be resolved but may be dead code is poisoned as libbpf does it: replaced by a call of a helper that does
 * not exist, whose number says what was missing.
 */
import type { CoreTarget, Poisoned } from '../btf/core.js';
import { CoreRelocator } from '../btf/core.js';
import { BtfError, RelocationError } from '../errors.js';
import { INSN_SIZE } from '../isa/insn.js';
import { builtinTarget } from './builtin-target.js';
import type { ExternSpec, ObjectSpec, ProgramSpec, Relocation } from './object-spec.js';

/** Helper numbers of poisoned instructions: plus the index of the map, or of the extern. */
export const POISON_MAP = 2_001_000_000;
export const POISON_KFUNC = 2_002_000_000;

const PSEUDO_MAP_FD = 1;
const PSEUDO_MAP_VALUE = 2;
const PSEUDO_BTF_ID = 3;
const PSEUDO_KFUNC_CALL = 2;
const CALL = 0x85;

/** What an extern is, where the loader runs. */
export type ResolvedExtern =
  /** lddw of a 64-bit constant: a kernel symbol's address. */
  | { readonly address: bigint }
  /** lddw of a typed kernel variable, or call of a kernel function. `module` is the index of its BTF, 0 = kernel. */
  | { readonly btfId: number; readonly module?: number };

export interface RelocationTargets {
  /** Number that stands for a map in the instructions; undefined: the map was not created. */
  mapId(name: string): number | undefined;
  /** Undefined: there is no such thing. Not asked about kernel-config values. */
  extern?(extern: ExternSpec): ResolvedExtern | undefined;
  /** Types to relocate against; default: those that bpfvm describes itself, see `builtinTarget`. */
  readonly core?: CoreTarget;
}

export interface RelocatedProgram {
  readonly insns: Uint8Array;
  /** What was replaced by an invalid call: instruction, number of the helper, and what it stood for. */
  readonly poisoned: readonly PoisonedInsn[];
}

export interface PoisonedInsn {
  readonly pc: number;
  readonly what: string;
}

/** Relocates programs of one object. CO-RE decisions are made once. */
export class Relocator {
  private readonly spec: ObjectSpec;
  private readonly targets: RelocationTargets;
  private readonly core: CoreRelocator | undefined;
  private readonly externs: ReadonlyMap<string, { readonly extern: ExternSpec; readonly index: number }>;
  private readonly mapIndex: ReadonlyMap<string, number>;
  private readonly kconfigMap: string | undefined;

  constructor(spec: ObjectSpec, targets: RelocationTargets) {
    this.spec = spec;
    this.targets = targets;
    const needsCore = spec.programs.some((program) => program.coreRelos.length > 0);
    this.core =
      spec.btf === undefined || !needsCore
        ? undefined
        : new CoreRelocator(spec.btf, targets.core ?? builtinTarget());
    this.externs = new Map(spec.externs.map((extern, index) => [extern.name, { extern, index }]));
    this.mapIndex = new Map(spec.maps.map((map, index) => [map.name, index]));
    this.kconfigMap = spec.maps.find((map) => map.name.endsWith('.kconfig'))?.name;
  }

  /**
   * A copy of the program's instructions, relocated.
   * @throws RelocationError where something is missing that must be there.
   */
  relocate(program: ProgramSpec): RelocatedProgram {
    const insns = program.insns.slice();
    const poisoned = this.applyCore(program, insns).map(({ pc, relo }) => ({ pc, what: `CO-RE ${relo}` }));
    const writer = new InsnWriter(insns);
    for (const relocation of program.relocations) {
      const what = this.apply(program, relocation, writer);
      if (what !== undefined) poisoned.push({ pc: relocation.pc, what });
    }
    return { insns, poisoned };
  }

  private refuse(program: ProgramSpec, pc: number, fact: string, hint?: string): RelocationError {
    return new RelocationError(
      'ERR_BPF_RELO_UNRESOLVED',
      `${this.spec.name}: program ${program.name}: insn ${pc}: ${fact}`,
      hint === undefined ? {} : { hint },
    );
  }

  private applyCore(program: ProgramSpec, insns: Uint8Array): Poisoned[] {
    if (this.core === undefined || program.coreRelos.length === 0) return [];
    try {
      return this.core.apply(insns, program.coreRelos);
    } catch (cause) {
      if (!(cause instanceof BtfError)) throw cause;
      const message = `${this.spec.name}: program ${program.name}: ${cause.message}`;
      throw new RelocationError('ERR_BPF_RELO_CORE', message, { cause });
    }
  }

  /** Applies one relocation; returns what was poisoned. */
  private apply(program: ProgramSpec, relocation: Relocation, writer: InsnWriter): string | undefined {
    const { pc } = relocation;
    switch (relocation.kind) {
      case 'map':
        return this.applyMap(pc, relocation.map, PSEUDO_MAP_FD, undefined, writer);
      case 'data':
        return this.applyMap(pc, relocation.map, PSEUDO_MAP_VALUE, relocation.offset, writer);
      case 'extern':
        return this.applyExtern(program, pc, relocation.extern, writer);
      case 'kfunc':
        return this.applyKfunc(pc, relocation.extern, writer);
    }
  }

  private applyMap(
    pc: number,
    map: string,
    pseudo: number,
    offset: number | undefined,
    writer: InsnWriter,
  ): string | undefined {
    const id = this.targets.mapId(map);
    if (id === undefined) {
      writer.poison(pc, 2, POISON_MAP + (this.mapIndex.get(map) ?? 0));
      return `map ${map}, which was not created`;
    }
    writer.load(pc, pseudo, id, offset);
    return undefined;
  }

  private applyExtern(
    program: ProgramSpec,
    pc: number,
    name: string,
    writer: InsnWriter,
  ): string | undefined {
    const { extern } = this.externs.get(name)!;
    if (extern.kconfig !== undefined) {
      const map = this.kconfigMap;
      const id = map === undefined ? undefined : this.targets.mapId(map);
      if (id === undefined) throw this.refuse(program, pc, `extern ${name}: no map of kernel-config values`);
      writer.load(pc, PSEUDO_MAP_VALUE, id, extern.kconfig.offset);
      return undefined;
    }
    const resolved = this.targets.extern?.(extern);
    if (resolved === undefined) {
      if (!extern.weak) {
        throw this.refuse(
          program,
          pc,
          `kernel symbol ${name} does not exist here`,
          'declare it __weak to get 0',
        );
      }
      writer.load(pc, undefined, 0, 0);
    } else if ('address' in resolved) {
      const address = BigInt.asUintN(64, resolved.address);
      writer.load(pc, undefined, Number(address & 0xffff_ffffn), Number(address >> 32n));
    } else {
      writer.load(pc, PSEUDO_BTF_ID, resolved.btfId, resolved.module ?? 0);
    }
    return undefined;
  }

  private applyKfunc(pc: number, name: string, writer: InsnWriter): string | undefined {
    const { extern, index } = this.externs.get(name)!;
    const resolved = this.targets.extern?.(extern);
    if (resolved === undefined || !('btfId' in resolved)) {
      writer.poison(pc, 1, POISON_KFUNC + index);
      return `kernel function ${name}, which does not exist here`;
    }
    writer.call(pc, resolved.btfId, resolved.module ?? 0);
    return undefined;
  }
}

class InsnWriter {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** imm and next imm of a lddw; `pseudo` undefined keeps src as it is, `next` undefined the next imm. */
  load(pc: number, pseudo: number | undefined, imm: number, next: number | undefined): void {
    const at = pc * INSN_SIZE;
    if (pseudo !== undefined) this.bytes[at + 1] = (this.bytes[at + 1] & 15) | (pseudo << 4);
    this.view.setInt32(at + 4, imm, true);
    if (next !== undefined) this.view.setInt32(at + INSN_SIZE + 4, next, true);
  }

  call(pc: number, id: number, module: number): void {
    const at = pc * INSN_SIZE;
    this.bytes[at + 1] = (this.bytes[at + 1] & 15) | (PSEUDO_KFUNC_CALL << 4);
    this.view.setInt16(at + 2, module, true);
    this.view.setInt32(at + 4, id, true);
  }

  poison(pc: number, slots: number, helper: number): void {
    for (let at = pc * INSN_SIZE; at < (pc + slots) * INSN_SIZE; at += INSN_SIZE) {
      this.bytes.fill(0, at, at + INSN_SIZE);
      this.bytes[at] = CALL;
      this.view.setInt32(at + 4, helper, true);
    }
  }
}

/** What the helper number of a poisoned call says was missing; undefined for other numbers. */
export function describePoison(spec: ObjectSpec, helper: number): string | undefined {
  if (helper >= POISON_KFUNC && helper < POISON_KFUNC + spec.externs.length) {
    return `kernel function ${spec.externs[helper - POISON_KFUNC].name}`;
  }
  if (helper >= POISON_MAP && helper < POISON_MAP + spec.maps.length) {
    return `map ${spec.maps[helper - POISON_MAP].name}`;
  }
  return undefined;
}
