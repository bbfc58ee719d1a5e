/**
 * Vitest transforms one file at a time and so leaves `const enum` members as property reads, where tsc writes numbers.
 * In the interpreter's switch that costs a hundredfold: this plugin writes the numbers for the tests, too.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

type Members = ReadonlyMap<string, number>;

/** The numeric members of an enum's body, implicit values included. */
function parseMembers(body: string): Members {
  const members = new Map<string, number>();
  let next = 0;
  for (const [, name, value] of body
    .replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, '')
    .matchAll(/(\w+)(?:\s*=\s*(-?\w+))?\s*(?:,|$)/g)) {
    const number = value === undefined ? next : Number(value);
    if (!Number.isInteger(number)) return new Map();
    members.set(name, number);
    next = number + 1;
  }
  return members;
}

function constEnums(folder: string): Map<string, Members> {
  const enums = new Map<string, Members>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const text = readFileSync(path.join(folder, file), 'utf8');
    for (const [, name, body] of text.matchAll(/\bconst enum (\w+) \{(.*?)\n\}/gs))
      enums.set(name, parseMembers(body));
  }
  return enums;
}

/** A Vite plugin: `Op.exit` becomes its number in every file under `folder`. */
export function inlineEnums(folder: string) {
  const enums = constEnums(folder);
  const use = new RegExp(`(?<![.\\w'"])(${[...enums.keys()].join('|')})\\.(\\w+)\\b`, 'g');
  return {
    name: 'inline-const-enums',
    enforce: 'pre' as const,
    transform(code: string, id: string) {
      if (!id.startsWith(folder) || !id.endsWith('.ts')) return undefined;
      const inlined = code.replace(use, (whole, name: string, member: string) => {
        const value = enums.get(name)?.get(member);
        return value === undefined ? whole : `(${value})`;
      });
      return { code: inlined, map: null };
    },
  };
}
