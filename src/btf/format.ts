/** Values by their types: what `bpftool map dump` prints, as data, and as C initialisers for people. */
import { BtfError } from '../errors.js';
import type { Btf } from './btf.js';
import type { BtfArray, BtfComposite, BtfEnum, BtfInt, BtfType } from './types.js';
import { BtfKind } from './types.js';

/** Integers that a number holds exactly are numbers, others bigint. */
export type FormattedValue =
  | number
  | bigint
  | string
  | boolean
  | readonly FormattedValue[]
  | { readonly [name: string]: FormattedValue };

const MAX_DEPTH = 32;
/** Crafted types may describe more than there are bytes: at most so many elements and members per byte, and a few. */
const NODES_PER_BYTE = 9;
const FEW_NODES = 1024;

/**
 * The value of type `typeId` in `bytes`. Structures become objects, members of anonymous ones belonging to the
 * enclosing one; enumerations their enumerator's name; arrays of char that hold text a string; pointers hexadecimal
 * text; sections an object of their variables.
 * @throws BtfError where the type does not describe that many bytes.
 */
export function formatValue(btf: Btf, typeId: number, bytes: Uint8Array): FormattedValue {
  return new Formatter(btf, bytes).value(typeId, 0, 0);
}

/** The same as C would initialise it, on one line: `{ .port = 80, .name = "x" }`, zero members left out. */
export function formatText(btf: Btf, typeId: number, bytes: Uint8Array): string {
  return textOf(new Formatter(btf, bytes, true).value(typeId, 0, 0));
}

function textOf(value: FormattedValue): string {
  if (Array.isArray(value)) return `{ ${value.map(textOf).join(', ')} }`;
  if (typeof value !== 'object') return String(value);
  const members = Object.entries(value).filter(([, item]) => !isZero(item));
  return members.length === 0 ? '{}' : `{ ${members.map(([n, v]) => `.${n} = ${textOf(v)}`).join(', ')} }`;
}

function isZero(value: FormattedValue): boolean {
  if (typeof value !== 'object')
    return value === 0 || value === 0n || value === '""' || value === false || value === '0x0';
  return Object.values(value).every(isZero);
}

function narrow(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value;
}

type Entry = [name: string, value: FormattedValue];

class Formatter {
  private readonly btf: Btf;
  private readonly bytes: Uint8Array;
  /** Strings as C writes them. */
  private readonly quote: boolean;
  private left: number;

  constructor(btf: Btf, bytes: Uint8Array, quote = false) {
    this.btf = btf;
    this.bytes = bytes;
    this.quote = quote;
    this.left = NODES_PER_BYTE * bytes.length + FEW_NODES;
  }

  value(typeId: number, at: number, depth: number): FormattedValue {
    this.spend(typeId, depth);
    const type = this.btf.resolve(typeId);
    switch (type.kind) {
      case BtfKind.Int:
        return this.int(type, at, type.bitOffset, type.bits);
      case BtfKind.Enum:
      case BtfKind.Enum64:
        return this.enumerator(type, this.bits(at, 0, type.size * 8));
      case BtfKind.Ptr:
        return `0x${this.bits(at, 0, 64).toString(16)}`;
      case BtfKind.Float:
        return this.float(type.size, at);
      case BtfKind.Array:
        return this.array(type, at, depth);
      case BtfKind.Struct:
      case BtfKind.Union: {
        const members: Entry[] = [];
        this.members(type, at, depth, members);
        return Object.fromEntries(members);
      }
      case BtfKind.Datasec:
        return Object.fromEntries(
          type.vars.map((entry) => [
            this.btf.type(entry.type).name,
            this.value(entry.type, at + entry.offset, depth + 1),
          ]),
        );
      case BtfKind.Var:
        return this.value(type.type, at, depth + 1);
      default:
        throw new BtfError('ERR_BPF_BTF_SIZE', `type ${typeId} (${type.name}) has no values`);
    }
  }

  private spend(typeId: number, depth: number): void {
    if (depth <= MAX_DEPTH && --this.left >= 0) return;
    throw new BtfError('ERR_BPF_BTF_DEPTH', `type ${typeId}: nested too deep, or too much, to be printed`);
  }

  /** `count` bits, at most 128, from bit `bit` of byte `at`. */
  private bits(at: number, bit: number, count: number): bigint {
    const first = at + Math.floor(bit / 8);
    const shift = bit % 8;
    const size = Math.ceil((shift + count) / 8);
    if (first + size > this.bytes.length) {
      throw new BtfError(
        'ERR_BPF_BTF_SIZE',
        `value ends at byte ${first + size}, there are ${this.bytes.length}`,
      );
    }
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[first + i]);
    return BigInt.asUintN(count, value >> BigInt(shift));
  }

  private int(type: BtfInt, at: number, bit: number, count: number): FormattedValue {
    if (bit === 0 && (count === 8 || count === 32)) return this.plainInt(type, at, count / 8);
    const value = this.bits(at, bit, count);
    if (type.isBool) return value !== 0n;
    if (count > 64) return `0x${value.toString(16)}`;
    return narrow(type.signed ? BigInt.asIntN(count, value) : value);
  }

  /** The common sizes, without the detour. */
  private plainInt(type: BtfInt, at: number, size: number): FormattedValue {
    const { bytes } = this;
    if (at + size > bytes.length) {
      throw new BtfError('ERR_BPF_BTF_SIZE', `value ends at byte ${at + size}, there are ${bytes.length}`);
    }
    let value = bytes[at];
    if (size === 4) value |= (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    if (type.isBool) return value !== 0;
    if (type.signed) return size === 1 ? (value << 24) >> 24 : value;
    return value >>> 0;
  }

  private enumerator(type: BtfEnum, value: bigint): FormattedValue {
    const bits = type.size * 8;
    const wanted = type.signed ? BigInt.asIntN(bits, value) : value;
    return type.values.find((candidate) => candidate.value === wanted)?.name ?? narrow(wanted);
  }

  private float(size: number, at: number): FormattedValue {
    if (size !== 4 && size !== 8) return `0x${this.bits(at, 0, size * 8).toString(16)}`;
    this.bits(at, 0, size * 8);
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + at, size);
    return size === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
  }

  private array(type: BtfArray, at: number, depth: number): FormattedValue {
    const size = this.btf.sizeOf(type.type);
    const text = this.text(type, at);
    if (text !== undefined) return this.quote ? JSON.stringify(text) : text;
    const items: FormattedValue[] = [];
    const count = size === 0 ? 0 : type.count;
    for (let i = 0; i < count; i++) items.push(this.value(type.type, at + i * size, depth + 1));
    return items;
  }

  /** Arrays of char with printable text up to a NUL. A typedef of char does not count. */
  private text(type: BtfArray, at: number): string | undefined {
    const element: BtfType = this.btf.skipModifiers(type.type);
    if (type.count === 0 || element.kind !== BtfKind.Int || element.size !== 1) return undefined;
    if (element.name !== 'char' && !element.isChar) return undefined;
    const end = Math.min(at + type.count, this.bytes.length);
    for (let i = at; i < end; i++) {
      const byte = this.bytes[i];
      if (byte === 0) return String.fromCharCode(...this.bytes.subarray(at, Math.min(i, at + 4096)));
      if (byte < 0x20 || byte > 0x7e) return undefined;
    }
    return undefined;
  }

  private members(type: BtfComposite, at: number, depth: number, into: Entry[]): void {
    for (const member of type.members) {
      const target = this.btf.resolve(member.type);
      if (member.name === '' && (target.kind === BtfKind.Struct || target.kind === BtfKind.Union)) {
        this.spend(type.id, depth);
        if (member.bitOffset % 8 !== 0) {
          throw new BtfError('ERR_BPF_BTF_SIZE', `type ${type.id}: a structure at bit ${member.bitOffset}`);
        }
        this.members(target, at + member.bitOffset / 8, depth + 1, into);
      } else if (member.bitSize > 0 || member.bitOffset % 8 !== 0) {
        into.push([member.name, this.bitField(target, at, member.bitOffset, member.bitSize)]);
      } else into.push([member.name, this.value(member.type, at + member.bitOffset / 8, depth + 1)]);
    }
  }

  private bitField(type: BtfType, at: number, bit: number, size: number): FormattedValue {
    if (type.kind === BtfKind.Int) return this.int(type, at, bit + type.bitOffset, size || type.bits);
    if (type.kind !== BtfKind.Enum && type.kind !== BtfKind.Enum64) {
      throw new BtfError('ERR_BPF_BTF_SIZE', `type ${type.id} is no integer, but a bit field has it`);
    }
    const value = this.bits(at, bit, size || type.size * 8);
    return this.enumerator(
      type,
      type.signed ? BigInt.asUintN(type.size * 8, BigInt.asIntN(size, value)) : value,
    );
  }
}
