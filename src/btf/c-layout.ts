/**
 * Whether a C compiler would lay a structure out as BTF says, by the rules of the System V ABI: members at the next
 * multiple of their alignment, bit fields not across a unit of their declared type.
 */
import type { Btf } from './btf.js';
import type { BtfComposite, BtfMember } from './types.js';
import { BtfKind } from './types.js';

const roundUp = (value: number, to: number): number => (to === 0 ? value : Math.ceil(value / to) * to);

/** Alignments of types as the dumped C gives them to each other, in bytes. */
export class CLayout {
  private readonly btf: Btf;
  private readonly aligns = new Map<number, number>();

  constructor(btf: Btf) {
    this.btf = btf;
  }

  /** Of a structure whose size is no multiple of its members' alignment it is 1: such a one must be packed. */
  alignOf(id: number, depth = 0): number {
    const known = this.aligns.get(id);
    if (known !== undefined) return known;
    const align = this.computeAlign(id, depth);
    this.aligns.set(id, align);
    return align;
  }

  private computeAlign(id: number, depth: number): number {
    if (depth > 64) return 1;
    const type = this.btf.resolve(id);
    switch (type.kind) {
      case BtfKind.Int:
      case BtfKind.Float:
        return Math.min(16, largestPower(type.size));
      case BtfKind.Enum:
      case BtfKind.Enum64:
        return Math.max(1, type.size);
      case BtfKind.Ptr:
        return 8;
      case BtfKind.Array:
        return this.alignOf(type.type, depth + 1);
      case BtfKind.Struct:
      case BtfKind.Union: {
        let align = 1;
        for (const member of type.members) align = Math.max(align, this.alignOf(member.type, depth + 1));
        return type.size % align === 0 ? align : 1;
      }
      default:
        return 1;
    }
  }

  /** The bit at which a compiler puts a member that comes at bit `at` at the earliest. */
  place(member: BtfMember, at: number): number {
    const align = this.alignOf(member.type) * 8;
    if (member.bitSize === 0) return roundUp(at, align);
    const unit = this.btf.sizeOf(member.type) * 8;
    const crosses = Math.floor(at / unit) !== Math.floor((at + member.bitSize - 1) / unit);
    return crosses ? roundUp(at, unit) : at;
  }

  /** Bits that a member takes. */
  width(member: BtfMember): number {
    return member.bitSize === 0 ? this.btf.sizeOf(member.type) * 8 : member.bitSize;
  }

  /** Whether nothing has to be said about layout. */
  isNatural(type: BtfComposite): boolean {
    let end = 0;
    for (const member of type.members) {
      const at = type.kind === BtfKind.Union ? 0 : this.place(member, end);
      if (at !== member.bitOffset) return false;
      end = type.kind === BtfKind.Union ? Math.max(end, this.width(member)) : at + this.width(member);
    }
    let align = 1;
    for (const member of type.members) align = Math.max(align, this.alignOf(member.type));
    return roundUp(end, align * 8) === type.size * 8;
  }
}

function largestPower(size: number): number {
  let power = 1;
  while (power * 2 <= size) power *= 2;
  return power;
}
