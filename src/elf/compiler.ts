/** Which compiler made an object, as its debug information says. */
import type { ElfFile } from './reader.js';

/** The producer is the first string of its kind in .debug_str; further units of a linked object follow later. */
const SEARCHED = 16384;

/** E.g. `Debian clang version 19.1.7 (3~deb12u1)`; undefined where debug information is missing. */
export function compilerOf(elf: ElfFile): string | undefined {
  for (const name of ['.debug_str', '.comment']) {
    const section = elf.sections.find((candidate) => candidate.name === name);
    if (section === undefined) continue;
    const text = new TextDecoder('latin1').decode(section.data.subarray(0, SEARCHED));
    const found = text.split('\0').find((line) => /\bclang version \d|^GNU C|^GCC:/.test(line));
    if (found !== undefined) return found.slice(0, 200);
  }
  return undefined;
}
