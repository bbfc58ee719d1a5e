/**
 * The syntax columns of the instruction table turned round: from a line of text to the rows that print such a line.
 * A line and a template are brought to the same key by replacing registers by `r#` or `w#`, numbers by `#`, and
 * dropping blanks; what was replaced are the operands, in order.
 *
 *     if r1 == 0x5 goto pc+1   ->   ifr#==#goto#      operands 1, 5, 1
 *     ldxw %r0, [%r1+4]        ->   ldxwr#,[r##]      operands 0, 1, 4
 */
import { ROWS } from './ops.js';

/** A number as it was written (its base matters: the kernel prints 64-bit constants as hex), or a label. */
export interface Operand {
  readonly value: bigint;
  readonly isHex: boolean;
  readonly label?: string;
}

/** What an operand of a pattern is: a field of the table's templates, or a number that must be there. */
export type Binding =
  | { readonly field: string; readonly value?: undefined }
  | { readonly field?: undefined; readonly value: bigint };

export interface Pattern {
  /** Index into ROWS. */
  readonly op: number;
  readonly bindings: readonly Binding[];
}

export interface TokenisedLine {
  readonly key: string;
  readonly operands: readonly Operand[];
}

// A register, or a number that is no part of a word; a sign belongs to the number.
const TOKEN = /%?\b([rw])(\d{1,2})\b|(?:([+-])\s*|(?<![\w.$]))(0x[0-9a-f]+|\d+)(?![\w.$])/gi;
const TEMPLATE_TOKEN =
  /%?([rw])\{(dst|src)\}|%?\b([rw])(\d)\b|\+?\s?\{([a-z0-9:]+)\}|(?<![\w.$])(\d+)(?!\w)/g;

/** The kernel writes `goto pc+1`, the distance alone or a label is as good. */
const canonical = (key: string): string => key.replace(/\s+/g, '').replace(/(goto|gotol)pc#$/, '$1#');

function readNumber(sign: string | undefined, digits: string): Operand {
  const magnitude = BigInt(digits);
  return { value: sign === '-' ? -magnitude : magnitude, isHex: /^0x/i.test(digits) };
}

/** Text without comments, labels, slot number and opcode byte, to key and operands. */
export function tokenise(text: string): TokenisedLine {
  const operands: Operand[] = [];
  // No offset is offset 0; the kernel prints `skb[r1 + -4]`.
  const spelled = text.replace(/([([])(%?r\d+)([)\]])/g, '$1$2+0$3').replace(/\+\s+-(?=\d)/, '-');
  const key = spelled.replace(
    TOKEN,
    (_all, file: string | undefined, register: string, sign: string | undefined, digits: string) => {
      if (file === undefined) {
        operands.push(readNumber(sign, digits));
        return '#';
      }
      operands.push({ value: BigInt(register), isHex: false });
      return `${file.toLowerCase()}#`;
    },
  );
  return { key: canonical(key), operands };
}

/** The same with a label as its last operand: `ja out`, `goto out`, `subprog[out]`. */
export function tokeniseWithLabel(text: string): TokenisedLine | undefined {
  const match = /^(.*?)([A-Za-z_.$][\w.$]*)(\]?)$/.exec(text);
  if (match === null) return undefined;
  const [, before, label, after] = match;
  const { key, operands } = tokenise(before);
  return { key: canonical(`${key}#${after}`), operands: [...operands, { value: 0n, isHex: false, label }] };
}

function compileTemplate(template: string): { readonly key: string; readonly bindings: readonly Binding[] } {
  const bindings: Binding[] = [];
  const key = template.replace(
    TEMPLATE_TOKEN,
    (
      _all,
      file: string | undefined,
      register: string,
      fixedFile: string | undefined,
      fixed: string,
      field: string | undefined,
      literal: string,
    ) => {
      if (file !== undefined) bindings.push({ field: register });
      else if (fixedFile !== undefined) bindings.push({ value: BigInt(fixed) });
      else if (field !== undefined) bindings.push({ field });
      else bindings.push({ value: BigInt(literal) });
      const name = file ?? fixedFile;
      return name === undefined ? '#' : `${name}#`;
    },
  );
  return { key: canonical(key), bindings };
}

const patterns: ReadonlyMap<string, readonly Pattern[]> = (() => {
  const map = new Map<string, Pattern[]>();
  for (const [op, row] of ROWS.entries()) {
    for (const template of [row.syntax, row.mnemonic]) {
      // Helper and kfunc calls by name are the assembler's: a name is no operand.
      if (template.includes('{name}')) continue;
      const { key, bindings } = compileTemplate(template);
      const list = map.get(key) ?? [];
      if (!list.some((pattern) => pattern.op === op)) list.push({ op, bindings });
      map.set(key, list);
    }
  }
  return map;
})();

/** Other spellings in use: `bswap16`, and the width written out as in `add64`. */
function respell(key: string): string[] {
  return [key.replace(/^bswap/, 'swap'), key.replace(/^([a-z]+)64(?=r#)/, '$1')];
}

/** Rows whose text has this key, in the order of the table. */
export function patternsFor(key: string): readonly Pattern[] {
  const found = patterns.get(key);
  if (found !== undefined) return found;
  for (const spelling of respell(key)) {
    const other = patterns.get(spelling);
    if (other !== undefined) return other;
  }
  return [];
}
