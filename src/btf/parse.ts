/** Bytes of a .BTF section to types. Layout and limits: Documentation/bpf/btf.rst, checks as the kernel's. */
import { BtfError } from '../errors.js';
import { StringTable } from './strings.js';
import type { BtfEnumerator, BtfLinkage, BtfMember, BtfParam, BtfSecVar, BtfType } from './types.js';
import { BtfKind } from './types.js';

/*
 * Header:  magic u16 | version u8 | flags u8 | hdr_len u32 | type_off u32 | type_len u32 | str_off u32 | str_len u32
 * Type:    name_off u32 | info u32 (kind_flag:1, unused:2, kind:5, unused:8, vlen:16) | size or type u32 | tail
 */
const MAGIC = 0xeb9f;
const HEADER_SIZE = 24;
const TYPE_SIZE = 12;

export interface ParsedBtf {
  /** Types of this section alone; the id of the first is `firstId`. */
  readonly types: readonly BtfType[];
  readonly strings: StringTable;
}

/** The types that this section builds upon (split BTF of a kernel module). */
export interface BtfBase {
  /** Number of types, void included. */
  readonly count: number;
  /** Bytes of strings. */
  readonly stringSize: number;
  stringAt(offset: number): string;
}

function fail(code: string, message: string): never {
  throw new BtfError(`ERR_BPF_BTF_${code}`, message);
}

interface Ranges {
  readonly types: Uint8Array;
  readonly strings: Uint8Array;
}

function readHeader(bytes: Uint8Array, what: string): Ranges {
  if (bytes.length < HEADER_SIZE) {
    fail('TRUNCATED', `${what}: ${bytes.length} bytes, its header has ${HEADER_SIZE}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint16(0, true);
  if (magic === 0x9feb) fail('ENDIAN', `${what}: big-endian`);
  if (magic !== MAGIC) fail('MAGIC', `${what}: magic 0x${magic.toString(16)}, not 0x${MAGIC.toString(16)}`);
  if (bytes[2] !== 1) fail('VERSION', `${what}: version ${bytes[2]}, only 1 is known`);
  const headerSize = view.getUint32(4, true);
  if (headerSize < HEADER_SIZE || headerSize > bytes.length) {
    fail('HEADER', `${what}: header of ${headerSize} bytes in a section of ${bytes.length}`);
  }
  const range = (name: string, at: number): Uint8Array => {
    const start = headerSize + view.getUint32(at, true);
    const end = start + view.getUint32(at + 4, true);
    if (end > bytes.length) fail('TRUNCATED', `${what}: ${name} [${start}, ${end}) of ${bytes.length} bytes`);
    return bytes.subarray(start, end);
  };
  const types = range('types', 8);
  const strings = range('strings', 16);
  if (types.length % 4 !== 0) fail('HEADER', `${what}: ${types.length} bytes of types, not a multiple of 4`);
  if (strings.length > 0 && (strings[0] !== 0 || strings[strings.length - 1] !== 0)) {
    fail('STRING', `${what}: strings do not start and end with NUL`);
  }
  return { types, strings };
}

/** Parses a section. @throws BtfError */
export function parseBtf(bytes: Uint8Array, what: string, base?: BtfBase): ParsedBtf {
  const ranges = readHeader(bytes, what);
  const strings = new StringTable(
    ranges.strings,
    (message) => new BtfError('ERR_BPF_BTF_STRING', `${what}: ${message}`),
  );
  const types = new TypeReader(ranges.types, strings, what, base).all();
  return { types, strings };
}

/** One pass over the types; references are checked at the end, when their number is known. */
class TypeReader {
  private readonly view: DataView;
  private readonly strings: StringTable;
  private readonly what: string;
  private readonly base: BtfBase | undefined;
  private at = 0;
  private id: number;
  private highestRef = 0;

  constructor(bytes: Uint8Array, strings: StringTable, what: string, base: BtfBase | undefined) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.strings = strings;
    this.what = what;
    this.base = base;
    this.id = base?.count ?? 1;
  }

  all(): BtfType[] {
    const types: BtfType[] = [];
    while (this.at < this.view.byteLength) {
      types.push(this.next());
      this.id++;
    }
    if (this.highestRef >= this.id) {
      fail(
        'TYPE_ID',
        `${this.what}: type id ${this.highestRef} is referred to, the last one is ${this.id - 1}`,
      );
    }
    return types;
  }

  private where(): string {
    return `${this.what}: type ${this.id}`;
  }

  private need(size: number): void {
    const left = this.view.byteLength - this.at;
    if (size > left) fail('TRUNCATED', `${this.where()}: ${size} bytes needed, ${left} left`);
  }

  private u32(): number {
    const value = this.view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }

  private i32(): number {
    return this.u32() | 0;
  }

  private string(offset: number): string {
    const { base } = this;
    if (base === undefined) return this.strings.at(offset);
    return offset < base.stringSize ? base.stringAt(offset) : this.strings.at(offset - base.stringSize);
  }

  private name(): string {
    return this.string(this.u32());
  }

  private ref(): number {
    const id = this.u32();
    if (id > this.highestRef) this.highestRef = id;
    return id;
  }

  private list<T>(count: number, size: number, read: () => T): T[] {
    this.need(count * size);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  private next(): BtfType {
    this.need(TYPE_SIZE);
    const name = this.name();
    const info = this.u32();
    const kind = ((info >>> 24) & 31) as BtfKind;
    const flag = info >>> 31 === 1;
    const count = info & 0xffff;
    const { id } = this;
    switch (kind) {
      case BtfKind.Int:
        return this.int(name);
      case BtfKind.Ptr:
      case BtfKind.Typedef:
      case BtfKind.Volatile:
      case BtfKind.Const:
      case BtfKind.Restrict:
      case BtfKind.TypeTag:
        return { kind, id, name, type: this.ref() };
      case BtfKind.Array:
        return this.array(name);
      case BtfKind.Struct:
      case BtfKind.Union: {
        const size = this.u32();
        return { kind, id, name, size, members: this.list(count, 12, () => this.member(flag)) };
      }
      case BtfKind.Enum: {
        const size = this.enumSize();
        return { kind, id, name, size, signed: flag, values: this.list(count, 8, () => this.value32(flag)) };
      }
      case BtfKind.Enum64: {
        const size = this.enumSize();
        return { kind, id, name, size, signed: flag, values: this.list(count, 12, () => this.value64(flag)) };
      }
      case BtfKind.Fwd:
        this.u32();
        return { kind, id, name, isUnion: flag };
      case BtfKind.Func:
        return { kind, id, name, type: this.ref(), linkage: this.linkage(count) };
      case BtfKind.FuncProto: {
        const type = this.ref();
        return { kind, id, name, type, params: this.list(count, 8, () => this.param()) };
      }
      case BtfKind.Var: {
        const type = this.ref();
        this.need(4);
        return { kind, id, name, type, linkage: this.linkage(this.u32()) };
      }
      case BtfKind.Datasec: {
        const size = this.u32();
        return { kind, id, name, size, vars: this.list(count, 12, () => this.secVar()) };
      }
      case BtfKind.Float:
        return { kind, id, name, size: this.u32() };
      case BtfKind.DeclTag: {
        const type = this.ref();
        this.need(4);
        return { kind, id, name, type, component: this.i32() };
      }
      default:
        return fail('KIND', `${this.where()}: unknown kind ${kind}`);
    }
  }

  /** Tail of INT: encoding:4 at bit 24, offset:8 at bit 16, bits:8. */
  private int(name: string): BtfType {
    const size = this.u32();
    this.need(4);
    const data = this.u32();
    const bits = data & 0xff;
    const bitOffset = (data >>> 16) & 0xff;
    if (![1, 2, 4, 8, 16].includes(size) || bits === 0 || bits + bitOffset > size * 8) {
      fail('INT', `${this.where()}: integer of ${bits} bits at bit ${bitOffset} in ${size} bytes`);
    }
    const encoding = data >>> 24;
    return {
      kind: BtfKind.Int,
      id: this.id,
      name,
      size,
      bits,
      bitOffset,
      signed: (encoding & 1) !== 0,
      isChar: (encoding & 2) !== 0,
      isBool: (encoding & 4) !== 0,
    };
  }

  private array(name: string): BtfType {
    this.u32();
    this.need(12);
    const type = this.ref();
    const indexType = this.ref();
    return { kind: BtfKind.Array, id: this.id, name, type, indexType, count: this.u32() };
  }

  /** With the kind flag, offset is bit_size:8, bit_offset:24. */
  private member(withSize: boolean): BtfMember {
    const name = this.name();
    const type = this.ref();
    const offset = this.u32();
    return withSize
      ? { name, type, bitOffset: offset & 0xffffff, bitSize: offset >>> 24 }
      : { name, type, bitOffset: offset, bitSize: 0 };
  }

  /** 0 is a forward declaration. */
  private enumSize(): number {
    const size = this.u32();
    if (![0, 1, 2, 4, 8].includes(size)) fail('ENUM', `${this.where()}: enumeration of ${size} bytes`);
    return size;
  }

  private value32(signed: boolean): BtfEnumerator {
    const name = this.name();
    const value = this.u32();
    return { name, value: BigInt(signed ? value | 0 : value) };
  }

  private value64(signed: boolean): BtfEnumerator {
    const name = this.name();
    const low = BigInt(this.u32());
    const value = (BigInt(this.u32()) << 32n) | low;
    return { name, value: signed ? BigInt.asIntN(64, value) : value };
  }

  private linkage(value: number): BtfLinkage {
    if (value > 2) fail('LINKAGE', `${this.where()}: unknown linkage ${value}`);
    return value as BtfLinkage;
  }

  private param(): BtfParam {
    const name = this.name();
    return { name, type: this.ref() };
  }

  private secVar(): BtfSecVar {
    const type = this.ref();
    const offset = this.u32();
    return { type, offset, size: this.u32() };
  }
}
