/** Writes .BTF sections: for types that bpfvm describes itself, and for tests. */
import { BtfKind } from './types.js';

/** A member of a structure; `bits` makes it a bit field. Offsets count bits. */
export interface MemberInit {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  readonly bits?: number;
}

const HEADER_SIZE = 24;
const MAGIC = 0xeb9f;

/** Each method adds a type and returns its id. */
export class BtfBuilder {
  private readonly words: number[] = [];
  private readonly strings: number[] = [0];
  private readonly offsets = new Map<string, number>([['', 0]]);
  private lastId = 0;

  private string(text: string): number {
    let offset = this.offsets.get(text);
    if (offset === undefined) {
      offset = this.strings.length;
      this.offsets.set(text, offset);
      this.strings.push(...new TextEncoder().encode(text), 0);
    }
    return offset;
  }

  /** Any kind: the three words that all types have, and what follows them. */
  add(
    kind: BtfKind,
    name: string,
    length: number,
    sizeOrType: number,
    tail: readonly number[] = [],
    flag = false,
  ): number {
    const info = ((flag ? 0x8000_0000 : 0) | (kind << 24) | length) >>> 0;
    this.words.push(this.string(name), info, sizeOrType, ...tail);
    return ++this.lastId;
  }

  int(name: string, size: number, signed = false): number {
    return this.add(BtfKind.Int, name, 0, size, [((signed ? 1 : 0) << 24) | (size * 8)]);
  }

  ptr(type: number): number {
    return this.add(BtfKind.Ptr, '', 0, type);
  }

  typedef(name: string, type: number): number {
    return this.add(BtfKind.Typedef, name, 0, type);
  }

  array(type: number, indexType: number, count: number): number {
    return this.add(BtfKind.Array, '', 0, 0, [type, indexType, count]);
  }

  struct(name: string, size: number, members: readonly MemberInit[]): number {
    return this.composite(BtfKind.Struct, name, size, members);
  }

  union(name: string, size: number, members: readonly MemberInit[]): number {
    return this.composite(BtfKind.Union, name, size, members);
  }

  private composite(kind: BtfKind, name: string, size: number, members: readonly MemberInit[]): number {
    const flag = members.some((member) => member.bits !== undefined);
    const tail = members.flatMap((member) => [
      this.string(member.name),
      member.type,
      flag ? ((member.bits ?? 0) << 24) | member.bitOffset : member.bitOffset,
    ]);
    return this.add(kind, name, members.length, size, tail, flag);
  }

  enum(name: string, values: Readonly<Record<string, number>>, signed = false): number {
    const tail = Object.entries(values).flatMap(([label, value]) => [this.string(label), value >>> 0]);
    return this.add(BtfKind.Enum, name, Object.keys(values).length, 4, tail, signed);
  }

  bytes(): Uint8Array {
    const typeBytes = this.words.length * 4;
    const bytes = new Uint8Array(HEADER_SIZE + typeBytes + this.strings.length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, MAGIC, true);
    bytes[2] = 1;
    view.setUint32(4, HEADER_SIZE, true);
    view.setUint32(12, typeBytes, true);
    view.setUint32(16, typeBytes, true);
    view.setUint32(20, this.strings.length, true);
    for (const [i, word] of this.words.entries()) view.setUint32(HEADER_SIZE + i * 4, word, true);
    bytes.set(this.strings, HEADER_SIZE + typeBytes);
    return bytes;
  }
}
