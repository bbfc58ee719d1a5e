/** What commands read: files, standard input, and bytes written as hex. */
import { readFileSync } from 'node:fs';
import { UsageError } from '../errors.js';
import type { CliIo } from './output.js';

async function readStdin(): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/**
 * The bytes of a file, or of standard input for `-`.
 * @throws UsageError `ERR_BPF_USAGE_FILE`
 */
export async function readInput(io: CliIo, file: string): Promise<Uint8Array> {
  if (file === '-') return (io.stdin ?? readStdin)();
  try {
    return readFileSync(file);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new UsageError('ERR_BPF_USAGE_FILE', `${file}: cannot be read: ${reason}`, { cause });
  }
}

/** `b7 00 00 00`, with or without blanks and 0x; undefined where the text is no hex. */
export function parseHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/\b0x|[\s,]/gi, '');
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) return undefined;
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/** @throws UsageError `ERR_BPF_USAGE_HEX` */
export function requireHex(text: string, what: string): Uint8Array {
  const bytes = parseHex(text);
  if (bytes !== undefined) return bytes;
  throw new UsageError('ERR_BPF_USAGE_HEX', `${what}: not bytes in hex`, {
    hint: 'for example "b7 00 00 00"',
  });
}

/** Bytes as `b7 00 00 00`. */
export function formatHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
