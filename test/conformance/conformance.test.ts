import { describe, expect, it } from 'vitest';
import { ENGINE_NAMES, engineByName, runRaw } from '../../src/cli/raw-program.js';
import { assemble } from '../../src/isa/asm.js';
import type { DecodeError } from '../../src/isa/decode.js';
import { decode } from '../../src/isa/decode.js';
import { Op } from '../../src/isa/op.gen.js';
import { ROWS } from '../../src/isa/ops.js';
import { parseHex } from '../../src/cli/input.js';
import { GROUP_FILES, readCases, readRefusals } from './cases.js';

/** Rows that raw bytecode cannot exercise, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  addr_space_cast: 'needs an arena',
  lddw_map_fd: 'needs a map: references.test.ts',
  lddw_map_value: 'needs a map: references.test.ts',
  lddw_map_idx: 'resolved when an object is loaded',
  lddw_map_idx_value: 'resolved when an object is loaded',
  lddw_btf_id: 'resolved when an object is loaded',
  lddw_func: 'compared and called back: references.test.ts, test/unit/vm',
  call_kfunc: 'needs a kfunc: references.test.ts',
  callx: 'refused, as by the kernel: test/unit/verifier',
};

const groups = GROUP_FILES.map((name) => [name, readCases(name)] as const);

describe.each(ENGINE_NAMES)('RFC 9669 conformance on %s', async (engineName) => {
  const engine = await engineByName(engineName);
  describe.each(groups)('%s', (_group, cases) => {
    it.each(cases)('$title', ({ text, memory, r0 }) => {
      expect(runRaw(assemble(text), { engine, memory }).r0.toString(16)).toBe(r0.toString(16));
    });
  });
});

describe('conformance data', () => {
  it('exercises every row of the table, each in the file of its group', () => {
    const used = new Map<string, string>();
    for (const [group, cases] of groups) {
      for (const { text } of cases) {
        for (const op of decode(assemble(text)).op) {
          if (op !== Op.hole && ROWS[op].group === group) used.set(ROWS[op].name, group);
        }
      }
    }
    const missing = ROWS.map((row) => row.name).filter((name) => !used.has(name) && !(name in ELSEWHERE));
    expect(missing).toEqual([]);
  });
});

describe('refused bytes', () => {
  it.each(readRefusals())('$hex by rule $rule', ({ hex, rule }) => {
    expect(() => decode(parseHex(hex)!)).toThrow(expect.objectContaining({ rule }) as DecodeError);
  });
});
