/** The data files of the conformance tests. */
import { readFileSync } from 'node:fs';
import { parseHex } from '../../src/cli/input.js';

export interface ConformanceCase {
  readonly title: string;
  readonly memory: Uint8Array;
  /** Assembly, an instruction a line. */
  readonly text: string;
  readonly r0: bigint;
}

export const GROUP_FILES = [
  'base32',
  'base64',
  'divmul32',
  'divmul64',
  'atomic32',
  'atomic64',
  'packet',
  'kernel',
] as const;

function linesOf(name: string): [left: string, right: string][] {
  const text = readFileSync(new URL(`./data/${name}.txt`, import.meta.url), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' => ') as [string, string]);
}

export function readCases(name: string): ConformanceCase[] {
  return linesOf(name).map(([left, right]) => {
    const [, memory, program] = /^(?:\[(.*?)\] )?(.*)$/.exec(left)!;
    const text = program.split(' | ').join('\n');
    return { title: left, memory: parseHex(memory ?? '')!, text, r0: BigInt(`0x${right}`) };
  });
}

/** Bytes that must be refused, and by which rule. */
export function readRefusals(): { readonly hex: string; readonly rule: string }[] {
  return linesOf('refused').map(([hex, rule]) => ({ hex, rule }));
}
