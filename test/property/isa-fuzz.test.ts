import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runRaw } from '../../src/cli/raw-program.js';
import { rawListing, toDotText, toLines } from '../../src/cli/listing.js';
import { BpfError } from '../../src/errors.js';
import { assemble } from '../../src/isa/asm.js';
import { disassemble } from '../../src/isa/disasm.js';
import { encodeOps } from '../../src/isa/encode.js';
import { decode } from '../../src/isa/decode.js';
import { interpreter } from '../../src/vm/interpreter.js';
import { anyProgram } from '../lib/arbitrary-insn.js';
import { testCount, testSeed } from '../lib/seed.js';

const seed = testSeed();
const numRuns = testCount(300);

/** Runs `fn`; anything but a value or a BpfError fails. */
function valueOrBpfError(fn: () => unknown): void {
  try {
    fn();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    expect(error.code).toMatch(/^ERR_BPF_/);
  }
}

const bytes = fc.uint8Array({ maxLength: 256 }).map((raw) => raw.subarray(0, raw.length & ~7));
/** Lines of real assembly with characters changed, and lines of anything. */
const text = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.tuple(anyProgram, fc.nat(), fc.string({ maxLength: 3 })).map(([ops, at, noise]) => {
    const lines = [...disassemble(decode(encodeOps(ops)))].join('\n');
    return lines.slice(0, at % lines.length) + noise + lines.slice((at % lines.length) + 1);
  }),
);

describe(`hostile input (BPFVM_SEED=${seed}, BPFVM_COUNT=${numRuns})`, () => {
  it('to the assembler gives bytes or a BpfError', () => {
    fc.assert(
      fc.property(text, (input) => valueOrBpfError(() => assemble(input))),
      { seed, numRuns },
    );
  });

  it('to the disassembler gives text or a BpfError', () => {
    const list = (input: Uint8Array): void => {
      const listing = rawListing(input);
      expect([...toLines(listing, true)].length).toBeGreaterThan(0);
      toDotText(listing);
    };
    fc.assert(
      fc.property(fc.oneof(bytes, anyProgram.map(encodeOps)), (input) => valueOrBpfError(() => list(input))),
      { seed, numRuns },
    );
  });

  it('to the runner of raw bytecode gives a number or a BpfError', () => {
    const run = (input: Uint8Array): unknown =>
      runRaw(input, { engine: interpreter, memory: new Uint8Array(16), fuel: 10_000 });
    fc.assert(
      fc.property(fc.oneof(bytes, anyProgram.map(encodeOps)), (input) => valueOrBpfError(() => run(input))),
      { seed, numRuns },
    );
  });

  it('of one long line does not take long', () => {
    valueOrBpfError(() => assemble('a'.repeat(5_000_000) + '!'));
    valueOrBpfError(() => assemble(' '.repeat(5_000_000) + '!'));
  });
});
