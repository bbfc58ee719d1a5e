/** Reads the recordings of a live kernel: scenario by scenario, lines without the heading. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function readRecording(name: string): Map<string, string[]> {
  const file = fileURLToPath(new URL(`../golden/sockmap/${name}.txt`, import.meta.url));
  const scenarios = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line.startsWith('## ')) {
      lines = [];
      scenarios.set(line.slice(3), lines);
    } else if (line !== '' && !line.startsWith('# ')) lines.push(line.trimEnd());
  }
  return scenarios;
}
