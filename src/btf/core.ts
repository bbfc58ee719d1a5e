/**
 * CO-RE: rewrites instructions so that they fit the types of a target kernel. Which candidates there are, when they
 * agree, what is patched and what is poisoned follows libbpf.
 */
import { BtfError } from '../errors.js';
import { INSN_SIZE } from '../isa/insn.js';
import type { Btf } from './btf.js';
import { essentialName, kindsCompatible } from './core-match.js';
import type { CoreSpec } from './core-spec.js';
import { describeRelo, matchSpec, parseSpec } from './core-spec.js';
import type { CoreValue } from './core-value.js';
import { coreValue } from './core-value.js';
import type { CoreRelo } from './ext-types.js';
import { CoreReloKind } from './ext-types.js';
import type { BtfType } from './types.js';
import { BtfKind } from './types.js';

/** imm of the call that replaces an instruction whose relocation failed: an unknown helper, legal in dead code. */
export const POISONED_RELO = 0xbad2310;

interface Candidate {
  readonly btf: Btf;
  readonly id: number;
}

/** The types of a kernel, and of its modules, to relocate against. Reusable for any number of objects. */
export class CoreTarget {
  private readonly tables: readonly Btf[];
  private readonly indexes = new Map<Btf, ReadonlyMap<string, readonly number[]>>();

  /** @param modules are asked, in this order, for what the kernel does not have. */
  constructor(kernel: Btf, modules: readonly Btf[] = []) {
    this.tables = [kernel, ...modules];
  }

  /** The kernel's own types. */
  get kernel(): Btf {
    return this.tables[0];
  }

  /** Types that may be meant by a local one: same kind, same name but for flavours. */
  candidates(local: BtfType): Candidate[] {
    const wanted = essentialName(local.name);
    const found: Candidate[] = [];
    for (const [i, btf] of this.tables.entries()) {
      if (i === 1 && found.length > 0) break;
      for (const id of this.index(btf).get(wanted) ?? []) {
        if (kindsCompatible(btf.type(id), local)) found.push({ btf, id });
      }
    }
    return found;
  }

  private index(btf: Btf): ReadonlyMap<string, readonly number[]> {
    let index = this.indexes.get(btf);
    if (index === undefined) this.indexes.set(btf, (index = indexEssential(btf)));
    return index;
  }
}

function indexEssential(btf: Btf): ReadonlyMap<string, number[]> {
  const index = new Map<string, number[]>();
  for (let id = btf.firstId; id < btf.types.length; id++) {
    const { name } = btf.types[id];
    if (name === '') continue;
    const key = name.includes('___') ? essentialName(name) : name;
    const ids = index.get(key);
    if (ids === undefined) index.set(key, [id]);
    else ids.push(id);
  }
  return index;
}

/** What is to be done to an instruction. */
interface Decision {
  readonly original: CoreValue;
  /** Undefined: poison. */
  readonly wanted: CoreValue | undefined;
  /** A load or store of the field cannot be resized without changing what it reads. */
  readonly badResize: boolean;
}

/** An instruction that was poisoned because the target lacks what it refers to. */
export interface Poisoned {
  readonly pc: number;
  /** `<byte_off> [12] struct sock.sk_gone (0:3)` */
  readonly relo: string;
}

/** Relocates programs of one object; remembers decisions and narrowed candidates between them, as libbpf does. */
export class CoreRelocator {
  private readonly local: Btf;
  private readonly target: CoreTarget;
  private readonly candidates = new Map<number, Candidate[]>();
  private readonly decisions = new Map<string, Decision>();

  constructor(local: Btf, target: CoreTarget) {
    this.local = local;
    this.target = target;
  }

  /**
   * Patches `insns` in place.
   * @throws BtfError `ERR_BPF_BTF_CORE` where a relocation is malformed or ambiguous.
   */
  apply(insns: Uint8Array, relos: readonly CoreRelo[]): Poisoned[] {
    const poisoned: Poisoned[] = [];
    for (const relo of relos) {
      const label = (): string => `insn ${relo.pc}: ${describeRelo(this.local, relo, this.specOf(relo))}`;
      try {
        const patcher = new Patcher(insns, relo.pc);
        if (patcher.patch(this.decide(relo))) continue;
        poisoned.push({ pc: relo.pc, relo: describeRelo(this.local, relo, this.specOf(relo)) });
      } catch (error) {
        if (!(error instanceof BtfError)) throw error;
        throw new BtfError(error.code, `${label()}: ${error.message}`, { cause: error });
      }
    }
    return poisoned;
  }

  private specOf(relo: CoreRelo): CoreSpec | undefined {
    try {
      return parseSpec(this.local, relo);
    } catch {
      return undefined;
    }
  }

  private decide(relo: CoreRelo): Decision {
    const key = `${relo.kind}/${relo.typeId}/${relo.access}`;
    let decision = this.decisions.get(key);
    if (decision === undefined) this.decisions.set(key, (decision = this.calculate(relo)));
    return decision;
  }

  private calculate(relo: CoreRelo): Decision {
    const spec = parseSpec(this.local, relo);
    if (relo.kind === CoreReloKind.TypeIdLocal) {
      const value = { value: BigInt(relo.typeId), exact: false, size: 0, typeId: 0 };
      return { original: value, wanted: value, badResize: false };
    }
    const type = this.local.type(relo.typeId);
    if (type.name === '') throw new BtfError('ERR_BPF_BTF_CORE', 'the type is anonymous');
    const original = coreValue(relo.kind, spec)!;
    let chosen: Decision | undefined;
    let offset = 0;
    const kept: Candidate[] = [];
    for (const candidate of this.candidatesOf(type)) {
      const match = matchSpec(spec, candidate.btf, candidate.id);
      if (match === undefined) continue;
      const decision = this.compare(original, coreValue(relo.kind, match), candidate.btf);
      if (chosen === undefined) {
        chosen = decision;
        offset = match.bitOffset;
      } else if (match.bitOffset !== offset) {
        throw ambiguous(`field at bit ${match.bitOffset} and at bit ${offset}`);
      } else if (decision.wanted?.value !== chosen.wanted?.value) {
        throw ambiguous(`value ${decision.wanted?.value ?? 'none'} and ${chosen.wanted?.value ?? 'none'}`);
      }
      kept.push(candidate);
    }
    if (kept.length > 0) this.candidates.set(relo.typeId, kept);
    return chosen ?? { original, wanted: coreValue(relo.kind, undefined), badResize: false };
  }

  private candidatesOf(type: BtfType): Candidate[] {
    if (this.target === undefined) {
      throw new BtfError('ERR_BPF_BTF_NO_TARGET', 'no target BTF', {
        hint: 'give one, e.g. with --btf FILE',
      });
    }
    let found = this.candidates.get(type.id);
    if (found === undefined) this.candidates.set(type.id, (found = this.target.candidates(type)));
    return found;
  }

  /** Loads may be resized where zero-extension keeps the value: pointers, and unsigned integers. */
  private compare(original: CoreValue, wanted: CoreValue | undefined, target: Btf): Decision {
    if (wanted === undefined || wanted.size === original.size) return { original, wanted, badResize: false };
    const from = this.local.type(original.typeId);
    const to = target.type(wanted.typeId);
    const bothPointers = from.kind === BtfKind.Ptr && to.kind === BtfKind.Ptr;
    const bothUnsigned = isUnsigned(from) && isUnsigned(to);
    return { original, wanted, badResize: !bothPointers && !bothUnsigned };
  }
}

/** As libbpf: all integers but those that are signed and nothing else. */
function isUnsigned(type: BtfType): boolean {
  return type.kind === BtfKind.Int && (!type.signed || type.isChar || type.isBool);
}

function ambiguous(fact: string): BtfError {
  return new BtfError(
    'ERR_BPF_BTF_CORE',
    `the target has several types of that name, which disagree: ${fact}`,
  );
}

const CLASS_MASK = 7;
const LDDW = 0x18;
const CALL = 0x85;
const SIZE_MASK = 0x18;
const SIZE_BITS: Readonly<Record<number, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };

/** One instruction under relocation. */
class Patcher {
  private readonly insns: Uint8Array;
  private readonly view: DataView;
  private readonly at: number;
  private readonly opcode: number;

  constructor(insns: Uint8Array, pc: number) {
    this.insns = insns;
    this.view = new DataView(insns.buffer, insns.byteOffset, insns.byteLength);
    this.at = pc * INSN_SIZE;
    this.opcode = insns[this.at];
    if (this.opcode === LDDW && this.at + 2 * INSN_SIZE > insns.length)
      this.refuse('lddw lacks its second slot');
  }

  private refuse(fact: string): never {
    throw new BtfError('ERR_BPF_BTF_CORE', fact);
  }

  /** False where the instruction was poisoned. */
  patch(decision: Decision): boolean {
    switch (this.opcode & CLASS_MASK) {
      case 0x04: // ALU
      case 0x07: // ALU64
        if ((this.opcode & 0x08) !== 0) break;
        return this.patchImm(decision);
      case 0x01: // LDX
      case 0x02: // ST
      case 0x03: // STX
        return this.patchOffset(decision);
      case 0x00: // LD
        if (this.opcode !== LDDW) break;
        return this.patchWide(decision);
    }
    return this.refuse(`opcode 0x${this.opcode.toString(16)} cannot be relocated`);
  }

  private expect(decision: Decision, held: bigint): void {
    const { original } = decision;
    if (original.exact && BigInt.asUintN(64, held) !== original.value) {
      this.refuse(`the instruction holds ${held}, expected ${original.value}`);
    }
  }

  private patchImm(decision: Decision): boolean {
    const { wanted } = decision;
    if (wanted === undefined) return this.poison();
    this.expect(decision, BigInt(this.view.getInt32(this.at + 4, true)));
    this.view.setInt32(this.at + 4, Number(BigInt.asIntN(32, wanted.value)), true);
    return true;
  }

  private patchWide(decision: Decision): boolean {
    const { view, at } = this;
    const regs = view.getUint8(at + 1) >> 4;
    const rest = view.getInt16(at + 2, true) | view.getUint32(at + INSN_SIZE, true);
    if ((regs | rest) !== 0) this.refuse('lddw with fields that must be 0');
    const { wanted } = decision;
    if (wanted === undefined) return this.poison();
    const high = BigInt(view.getUint32(at + INSN_SIZE + 4, true)) << 32n;
    this.expect(decision, high | BigInt(view.getUint32(at + 4, true)));
    view.setUint32(at + 4, Number(wanted.value & 0xffff_ffffn), true);
    view.setUint32(at + INSN_SIZE + 4, Number(wanted.value >> 32n), true);
    return true;
  }

  private patchOffset(decision: Decision): boolean {
    const { wanted, original } = decision;
    if (wanted === undefined) return this.poison();
    const held = this.view.getInt16(this.at + 2, true);
    this.expect(decision, BigInt(held));
    if (wanted.value > 0x7fffn) this.refuse(`offset ${wanted.value} does not fit 16 bits`);
    if (decision.badResize) return this.poison();
    this.view.setInt16(this.at + 2, Number(wanted.value), true);
    if (wanted.size !== original.size) this.resize(original.size, wanted.size);
    return true;
  }

  private resize(from: number, to: number): void {
    if ((this.opcode & SIZE_MASK) !== SIZE_BITS[from]) {
      this.refuse(`the access has another size than the field, ${from} bytes`);
    }
    const bits = SIZE_BITS[to];
    if (bits === undefined) this.refuse(`no access has ${to} bytes`);
    this.insns[this.at] = (this.opcode & ~SIZE_MASK) | bits;
  }

  private poison(): false {
    const slots = this.opcode === LDDW ? 2 : 1;
    for (let i = 0; i < slots; i++) {
      const at = this.at + i * INSN_SIZE;
      this.insns.fill(0, at, at + INSN_SIZE);
      this.insns[at] = CALL;
      this.view.setInt32(at + 4, POISONED_RELO, true);
    }
    return false;
  }
}
