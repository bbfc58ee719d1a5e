/**
 * Programs from functions: each program gets copies of the `.text` functions that it calls or points to, appended in
 * the order in which libbpf meets them (depth first, at each function's first mention), and its calls fixed.
 */
import type { CoreRelo, FuncInfo, LineInfo } from '../btf/ext-types.js';
import { BtfKind } from '../btf/types.js';
import { INSN_SIZE } from '../isa/insn.js';
import { lookupSecName } from '../progs/sec-names.js';
import { ProgType } from '../progs/prog-types.js';
import type { ObjectFile } from './context.js';
import { elfError, relocError } from './context.js';
import type { FuncReloc, FunctionTable, RawFunction } from './functions.js';
import type { ProgramSpec, Relocation, SubprogSpec } from './object-spec.js';

const LDDW = 0x18;
const CALL = 0x85;
const PSEUDO_CALL = 1;
const PSEUDO_FUNC = 4;

/** Copies of subprograms may take this many times the object, and so much more, before the object is refused. */
const GROWTH = 16;
const GROWTH_BASE = 8 << 20;
/** The kernel refuses longer programs. */
const MAX_PROGRAM = 1_000_000;

/** Links all programs. @throws RelocationError, ElfError */
export function linkPrograms(file: ObjectFile, table: FunctionTable): ProgramSpec[] {
  const callbacks = exceptionCallbacks(file, table);
  const budget = { left: GROWTH * file.elf.size + GROWTH_BASE };
  const programs: ProgramSpec[] = [];
  for (const fn of table.functions) {
    if (fn.section.index === file.text) continue;
    programs.push(new ProgramLinker(file, table, fn, budget).link(callbacks.get(fn)));
  }
  return programs;
}

/** A function as part of a program; `next` is where linking goes on. */
interface Placed {
  readonly fn: RawFunction;
  /** First slot in the program. */
  readonly start: number;
  next: number;
  nextReloc: number;
}

class ProgramLinker {
  private readonly file: ObjectFile;
  private readonly table: FunctionTable;
  private readonly main: RawFunction;
  private readonly budget: { left: number };
  private readonly placed: Placed[] = [];
  private readonly byFunction = new Map<RawFunction, Placed>();
  private bytes: Uint8Array = new Uint8Array();
  private length = 0;

  constructor(file: ObjectFile, table: FunctionTable, main: RawFunction, budget: { left: number }) {
    this.file = file;
    this.table = table;
    this.main = main;
    this.budget = budget;
  }

  link(callback: RawFunction | undefined): ProgramSpec {
    this.follow(this.place(this.main));
    if (callback !== undefined && !this.byFunction.has(callback)) this.follow(this.place(callback));
    return this.spec();
  }

  /** Appends a function's slots. */
  private place(fn: RawFunction): Placed {
    const start = this.length;
    this.length += fn.length;
    this.budget.left -= fn.length * INSN_SIZE;
    if (this.budget.left < 0 || this.length > MAX_PROGRAM) {
      const fact = `program ${this.main.name}: ${this.length} slots with its subprograms`;
      throw elfError(
        this.file.elf,
        'SIZE',
        fact,
        `programs may take ${GROWTH} times the object, 1000000 slots each`,
      );
    }
    this.reserve(this.length * INSN_SIZE);
    const from = fn.start * INSN_SIZE;
    this.bytes.set(fn.section.data.subarray(from, from + fn.length * INSN_SIZE), start * INSN_SIZE);
    const placed = { fn, start, next: 0, nextReloc: 0 };
    this.placed.push(placed);
    this.byFunction.set(fn, placed);
    return placed;
  }

  private reserve(size: number): void {
    if (size <= this.bytes.length) return;
    const bytes = new Uint8Array(this.bytes.length === 0 ? size : Math.max(size, this.bytes.length * 2));
    bytes.set(this.bytes);
    this.bytes = bytes;
  }

  /** Depth first without recursion: a chain of calls may be as long as the object. */
  private follow(first: Placed): void {
    const stack = [first];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const callee = this.advance(top);
      if (callee === undefined) stack.pop();
      else stack.push(callee);
    }
  }

  /** Fixes calls from `at.next` on until one needs a function that is not placed yet: places and returns that. */
  private advance(at: Placed): Placed | undefined {
    const { fn } = at;
    for (; at.next < fn.length; at.next++) {
      const { bytes } = this;
      const pos = (at.start + at.next) * INSN_SIZE;
      const reloc = this.relocAt(at);
      const isAddress = reloc?.kind === 'address';
      if (
        !isAddress &&
        (bytes[pos] !== CALL ||
          bytes[pos + 1] !== PSEUDO_CALL << 4 ||
          (bytes[pos + 2] | bytes[pos + 3]) !== 0)
      ) {
        if (bytes[pos] === LDDW && bytes[pos + 1] >> 4 === PSEUDO_FUNC)
          throw this.refuse(at, 'lddw of a function without relocation');
        continue;
      }
      if (reloc?.kind === 'kfunc') continue;
      if (reloc !== undefined && reloc.kind !== 'call' && reloc.kind !== 'address') {
        throw this.refuse(at, `a call with a relocation for ${reloc.kind}`);
      }
      const callee = this.callee(at, reloc, readImm(bytes, pos));
      const known = this.byFunction.get(callee);
      const placed = known ?? this.place(callee);
      if (isAddress) this.bytes[pos + 1] = (this.bytes[pos + 1] & 15) | (PSEUDO_FUNC << 4);
      writeImm(this.bytes, pos, placed.start - (at.start + at.next) - 1);
      if (known === undefined) {
        at.next++;
        return placed;
      }
    }
    return undefined;
  }

  /** The relocation of slot `at.next`, if it has one. */
  private relocAt(at: Placed): FuncReloc | undefined {
    const { relocs } = at.fn;
    while (at.nextReloc < relocs.length && relocs[at.nextReloc].slot < at.next) at.nextReloc++;
    const reloc = relocs[at.nextReloc];
    return reloc?.slot === at.next ? reloc : undefined;
  }

  private callee(at: Placed, reloc: FuncReloc | undefined, imm: number): RawFunction {
    const { fn } = at;
    let slot = fn.start + at.next + imm + 1;
    if (reloc?.kind === 'call') slot = reloc.target / INSN_SIZE + imm + 1;
    else if (reloc?.kind === 'address') slot = (reloc.target + imm) / INSN_SIZE;
    const callee = this.file.text === 0 ? undefined : this.table.find(this.file.text, slot);
    if (callee === undefined) throw this.refuse(at, `no function at slot ${slot} of .text`);
    return callee;
  }

  private refuse(at: Placed, fact: string): Error {
    return relocError(this.file.elf, 'CALL', at.fn.section.name, at.fn.start + at.next, fact);
  }

  private spec(): ProgramSpec {
    const { main, file } = this;
    const section = main.section.name.replace(/^\?/, '');
    const type = lookupSecName(section);
    const subprogs: SubprogSpec[] = [];
    const relocations: Relocation[] = [];
    for (const { fn, start } of this.placed) {
      subprogs.push({ name: fn.name, start, length: fn.length });
      for (const reloc of fn.relocs) pushRelocation(relocations, reloc, start);
    }
    return {
      name: main.name,
      section,
      progType: type?.progType ?? ProgType.Unspec,
      attachType: type?.attachType ?? 0,
      ...(type?.target === undefined ? {} : { attachTarget: type.target }),
      autoload: !main.section.name.startsWith('?'),
      flags: type?.flags ?? 0,
      insns: this.bytes.slice(0, this.length * INSN_SIZE),
      subprogs,
      relocations,
      ...extInfo(file, this.placed),
    };
  }
}

function pushRelocation(into: Relocation[], reloc: FuncReloc, start: number): void {
  const pc = reloc.slot + start;
  switch (reloc.kind) {
    case 'map':
      into.push({ kind: 'map', pc, map: reloc.map });
      return;
    case 'data':
      into.push({ kind: 'data', pc, map: reloc.map, offset: reloc.offset });
      return;
    case 'extern':
    case 'kfunc':
      into.push({ kind: reloc.kind, pc, extern: reloc.extern });
      return;
    default:
      return;
  }
}

interface ExtInfo {
  readonly lineInfo: LineInfo[];
  readonly funcInfo: FuncInfo[];
  readonly coreRelos: CoreRelo[];
}

function extInfo({ ext }: ObjectFile, placed: readonly Placed[]): ExtInfo {
  const info: ExtInfo = { lineInfo: [], funcInfo: [], coreRelos: [] };
  if (ext === undefined) return info;
  for (const { fn, start } of placed) {
    const where = [fn.section.name, fn.start, fn.start + fn.length, start] as const;
    append(info.lineInfo, ext.lineInfo(...where));
    append(info.funcInfo, ext.funcInfo(...where));
    append(info.coreRelos, ext.coreRelos(...where));
  }
  return info;
}

/** Not `push(...items)`, which a long list would overflow the stack with. */
function append<T>(into: T[], items: readonly T[]): void {
  for (const item of items) into.push(item);
}

function readImm(bytes: Uint8Array, pos: number): number {
  return bytes[pos + 4] | (bytes[pos + 5] << 8) | (bytes[pos + 6] << 16) | (bytes[pos + 7] << 24);
}

function writeImm(bytes: Uint8Array, pos: number, imm: number): void {
  bytes[pos + 4] = imm;
  bytes[pos + 5] = imm >> 8;
  bytes[pos + 6] = imm >> 16;
  bytes[pos + 7] = imm >> 24;
}

const CALLBACK_TAG = 'exception_callback:';

/** Programs with `__exception_cb(name)`: the function is appended though nothing calls it. */
function exceptionCallbacks(file: ObjectFile, table: FunctionTable): ReadonlyMap<RawFunction, RawFunction> {
  const found = new Map<RawFunction, RawFunction>();
  const { btf } = file;
  const tags = btf?.types.filter(
    (type) => type.kind === BtfKind.DeclTag && type.name.startsWith(CALLBACK_TAG),
  );
  if (btf === undefined || tags === undefined || tags.length === 0) return found;
  const repeated = new Set<RawFunction>();
  const [programs, subprogs] = [new Map<string, RawFunction>(), new Map<string, RawFunction>()];
  for (const fn of table.functions) {
    const names = fn.section.index === file.text ? subprogs : programs;
    if (!names.has(fn.name)) names.set(fn.name, fn);
  }
  for (const tag of tags) {
    if (tag.kind !== BtfKind.DeclTag || tag.component !== -1) continue;
    const program = btf.type(tag.type).name;
    const fn = programs.get(program);
    if (fn === undefined) continue;
    const name = tag.name.slice(CALLBACK_TAG.length);
    const callback = subprogs.get(name);
    if (callback === undefined || !callback.isGlobal || callback.isHidden) {
      throw elfError(
        file.elf,
        'FUNCTION',
        `program ${program}: exception callback ${name} is no global function in .text`,
      );
    }
    if (found.has(fn)) repeated.add(fn);
    found.set(fn, callback);
  }
  // The kernel refuses a program with several; libbpf appends none then.
  for (const fn of repeated) found.delete(fn);
  return found;
}
