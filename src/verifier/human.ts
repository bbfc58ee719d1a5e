/** The layout for people: source line, rule, what was needed and what was there, where it came from, what to do. */
import { ROWS } from '../isa/ops.js';
import { explain } from './explain.js';
import type { SourceLine, VerifierInput } from './input.js';
import type { VerifyResult } from './verify.js';

const file = (line: SourceLine): string => `${line.file.slice(line.file.lastIndexOf('/') + 1)}:${line.line}`;

function place(input: VerifierInput, pc: number, text: string | undefined): string[] {
  const line = input.sourceLine?.(pc);
  const insn = text === undefined ? [] : [`      | ${text}`];
  if (line === undefined) return insn;
  return [`  --> ${file(line)}`, `      | ${line.text.trim()}`, ...insn];
}

/** Lines of the report on a refused program; a single line for an accepted one. */
export function humanReport(input: VerifierInput, result: VerifyResult): string[] {
  if (result.verdict === 'accept') {
    return [`${input.name}: ok (${result.stats.insnsProcessed} instructions followed)`];
  }
  const messages = result.log.filter((line) => line.kind === 'message').map((line) => line.text);
  const found = explain(messages, input.progType);
  const lines = [`${input.name}: refused: ${found?.rule ?? result.message}`];
  const isInsn = result.pc >= 0 && ROWS[input.insns.op[result.pc]] !== undefined;
  if (isInsn) lines.push(...place(input, result.pc, result.insnText));
  if (found?.needed !== undefined) lines.push(`  needed: ${found.needed}`);
  if (found?.actual !== undefined) lines.push(`  actual: ${found.actual}`);
  for (const origin of result.origins) lines.push(...came(input, origin));
  lines.push(...taken(input, messages));
  if (found !== undefined) lines.push(`  cure:   ${found.cure}`);
  lines.push(`  kernel: ${result.message}`);
  return lines;
}

/** Where a reference was taken that is not given back. */
function taken(input: VerifierInput, messages: readonly string[]): string[] {
  return messages.flatMap((message) => {
    const match = /^Unreleased reference id=\d+ alloc_insn=(\d+)$/.exec(message);
    const line = match === null ? undefined : input.sourceLine?.(Number(match[1]));
    return line === undefined ? [] : [`  taken:  ${file(line)}: ${line.text.trim()}`];
  });
}

function came(input: VerifierInput, origin: VerifyResult['origins'][number]): string[] {
  const line = input.sourceLine?.(origin.pc);
  const where = line === undefined ? origin.text : `${file(line)}: ${line.text.trim()}   [${origin.text}]`;
  return [`  R${origin.regno} from: ${where}`];
}
