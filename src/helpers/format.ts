/**
 * The subset of printk's conversions that programs may use: %d %i %u %x %X with l and ll, %c, %s, %p and its variants
 * K x s S B (an address), ks us (a string), i4 I4 i6 I6 (an IP address), %%; the flags `0 + - space` and a width.
 */
import type { BpfMemory } from '../memory/memory.js';

/** The format is not one that the kernel takes: -EINVAL to the program. */
export class FormatError extends Error {}

export const MAX_FORMAT_ARGS = 12;
/** Longest string that %s reads. */
const MAX_STRING = 512;

interface Conversion {
  readonly flags: string;
  readonly width: number;
  /** `d`, `u`, `x`, `X`, `c`, `s`, `p`, `px`, `i4`, `I6`, ... */
  readonly kind: string;
  /** 32 or 64 bits of the argument. */
  readonly bits: 32 | 64;
}

const SPEC = /^%([0+\- ]*)([0-9]*)(?:(%)|(p(?:[ku]s|[iI][46]|[KxsSB])?)|([sc])|(l{0,2})([diuxX]))/;

/**
 * Formats latin-1 bytes with u64 arguments.
 * @throws FormatError for what the kernel refuses: other conversions, non-printing bytes, too few arguments.
 */
export function format(text: Uint8Array, args: readonly bigint[], memory: BpfMemory): string {
  let source = '';
  for (const byte of text) {
    const printing = (byte >= 0x20 && byte < 0x7f) || (byte >= 9 && byte <= 13);
    if (!printing) throw new FormatError(`byte 0x${byte.toString(16)}`);
    source += String.fromCharCode(byte);
  }
  let out = '';
  let used = 0;
  for (let at = 0; at < source.length;) {
    const percent = source.indexOf('%', at);
    if (percent < 0) return out + source.slice(at);
    out += source.slice(at, percent);
    const match = SPEC.exec(source.slice(percent));
    if (match === null) throw new FormatError(`conversion at ${percent}`);
    at = percent + match[0].length;
    if (match[3] !== undefined) {
      if (match[0] !== '%%') throw new FormatError('%% takes no flags');
      out += '%';
      continue;
    }
    const conversion = conversionOf(match);
    if (conversion.kind === 'p' && !/^(?:$|[\s!-/:-@[-`{-~])/.test(source.slice(at))) {
      throw new FormatError(`conversion at ${percent}`);
    }
    if (used >= args.length) throw new FormatError(`${args.length} arguments are too few`);
    out += convert(conversion, args[used++], memory);
  }
  return out;
}

function conversionOf(match: RegExpExecArray): Conversion {
  const kind = match[4] ?? match[5] ?? match[7];
  const bits = match[7] !== undefined && match[6] === '' ? 32 : 64;
  return { flags: match[1], width: Number(match[2]), kind: kind === 'i' ? 'd' : kind, bits };
}

function convert(conversion: Conversion, value: bigint, memory: BpfMemory): string {
  const { kind, bits } = conversion;
  const unsigned = BigInt.asUintN(bits, value);
  switch (kind) {
    case 'd':
      return padNumber(BigInt.asIntN(bits, value).toString(), conversion);
    case 'u':
      return padNumber(unsigned.toString(), conversion);
    case 'x':
      return padNumber(unsigned.toString(16), conversion);
    case 'X':
      return padNumber(unsigned.toString(16).toUpperCase(), conversion);
    case 'c':
      return padText(String.fromCharCode(Number(value & 0xffn)), conversion);
    case 's':
    case 'pks':
    case 'pus':
      return padText(readString(memory, Number(BigInt.asUintN(32, value))), conversion);
    case 'pi4':
    case 'pI4':
      return padText(ip4(bytesAt(memory, value, 4), kind === 'pi4'), conversion);
    case 'pi6':
    case 'pI6':
      return padText(ip6(bytesAt(memory, value, 16), kind === 'pi6'), conversion);
    case 'px':
      return padNumber(unsigned.toString(16), conversion);
    case 'ps':
    case 'pS':
    case 'pB':
      return `0x${unsigned.toString(16)}`;
    default:
      return unsigned.toString(16).padStart(16, '0');
  }
}

function padNumber(digits: string, { flags, width }: Conversion): string {
  const negative = digits.startsWith('-');
  const sign = negative ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  const body = negative ? digits.slice(1) : digits;
  if (flags.includes('-')) return (sign + body).padEnd(width);
  if (flags.includes('0')) return sign + body.padStart(width - sign.length, '0');
  return (sign + body).padStart(width);
}

function padText(text: string, { flags, width }: Conversion): string {
  return flags.includes('-') ? text.padEnd(width) : text.padStart(width);
}

/** A NUL-terminated string in the VM's memory; empty where the address is none. */
function readString(memory: BpfMemory, address: number): string {
  const region = memory.find(address);
  if (region === undefined) return '';
  let text = '';
  const end = Math.min(region.base + region.size, address + MAX_STRING);
  for (let at = address; at < end && memory.u8[at] !== 0; at++) text += String.fromCharCode(memory.u8[at]);
  return text;
}

function bytesAt(memory: BpfMemory, value: bigint, size: number): Uint8Array {
  const address = Number(BigInt.asUintN(32, value));
  if (value >= 1n << 32n || !memory.check(address, size, false)) return new Uint8Array(size);
  return memory.u8.slice(address, address + size);
}

/** `i4` pads each number to three digits, `I4` does not. */
function ip4(bytes: Uint8Array, padded: boolean): string {
  return Array.from(bytes, (byte) => (padded ? String(byte).padStart(3, '0') : String(byte))).join('.');
}

/** `i6` is 32 digits, `I6` has colons between groups of four. */
function ip6(bytes: Uint8Array, packed: boolean): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((bytes[i * 2] << 8) | bytes[i * 2 + 1]).toString(16).padStart(4, '0'),
  );
  return groups.join(packed ? '' : ':');
}
