import { describe, expect, it } from 'vitest';
import type { DecodeError } from '../../../src/isa/decode.js';
import { decode } from '../../../src/isa/decode.js';
import { Op } from '../../../src/isa/op.gen.js';
import { ROWS } from '../../../src/isa/ops.js';

const bytes = (...hex: string[]): Uint8Array =>
  Uint8Array.from(Buffer.from(hex.join('').replaceAll(' ', ''), 'hex'));

describe('decode', () => {
  it('folds variants into one dense op', () => {
    const program = decode(
      bytes('37 01 01 00 05 00 00 00', '18 02 00 00 01 00 00 00', '00 00 00 00 02 00 00 00'),
    );
    expect([...program.op]).toEqual([Op.sdiv64_imm, Op.lddw, Op.hole]);
    expect(program.immHi[1]).toBe(2);
  });

  it('names the table rows as the enum does', () => {
    expect(ROWS[Op.exit].name).toBe('exit');
  });

  it.each([
    ['opcode', 'ff 00 00 00 00 00 00 00'],
    ['variant', '37 01 02 00 05 00 00 00'],
    ['reserved', '07 11 00 00 05 00 00 00'],
    ['register', 'b7 0b 00 00 05 00 00 00'],
    ['lddw', '18 02 00 00 01 00 00 00'],
    ['size', 'b7 00'],
  ])('refuses what breaks the rule "%s"', (rule, hex) => {
    expect(() => decode(bytes(hex))).toThrow(expect.objectContaining({ rule }) as DecodeError);
  });
});
