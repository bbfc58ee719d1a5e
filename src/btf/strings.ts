/** NUL-terminated strings of a section, by offset. */
import type { BpfError } from '../errors.js';

/** Longer than any name a compiler makes; keeps crafted overlapping strings from costing their product. */
const MAX_STRING = 4096;

/**
 * A string section. Names are slices of one decoded text, so that a name costs no copy however often and however
 * overlapping it is referred to.
 */
export class StringTable {
  readonly size: number;
  private readonly bytes: Uint8Array;
  private readonly text: string;
  private readonly error: (message: string) => BpfError;

  /** @param error makes what `at` throws. */
  constructor(bytes: Uint8Array, error: (message: string) => BpfError) {
    this.bytes = bytes;
    this.size = bytes.length;
    this.error = error;
    this.text = new TextDecoder('latin1').decode(bytes);
  }

  /**
   * The string at byte `offset`.
   * @throws BpfError where it is outside, not terminated, or longer than 4096 bytes.
   */
  at(offset: number): string {
    const { bytes } = this;
    if (offset >= bytes.length) {
      throw this.error(`string offset ${offset} is outside the ${bytes.length} bytes of strings`);
    }
    const limit = Math.min(bytes.length, offset + MAX_STRING);
    let end = offset;
    let ascii = true;
    for (; end < limit; end++) {
      const byte = bytes[end];
      if (byte === 0) break;
      if (byte >= 0x80) ascii = false;
    }
    if (end === limit) {
      const fact = limit === bytes.length ? 'is not terminated' : `is longer than ${MAX_STRING} bytes`;
      throw this.error(`string at ${offset} ${fact}`);
    }
    return ascii ? this.text.slice(offset, end) : new TextDecoder().decode(bytes.subarray(offset, end));
  }
}
