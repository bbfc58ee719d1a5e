/** Every example of docs/sockmap.md gives what the document says. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ENGINES, Lab } from './lab.js';
import { runScenario } from './scenario-text.js';

const file = fileURLToPath(new URL('../../docs/sockmap.md', import.meta.url));

/** The blocks with the heading under which they stand. */
function examples(): { title: string; lines: string[] }[] {
  let heading = '';
  let block: string[] | null = null;
  const found: { title: string; lines: string[] }[] = [];
  for (const line of readFileSync(file, 'utf8').split(/\r?\n/)) {
    if (line.startsWith('#')) heading = line.replace(/^#+ /, '');
    if (line === '```scenario') {
      block = [];
      found.push({ title: `${heading} (${found.length + 1})`, lines: block });
    } else if (line === '```') block = null;
    else block?.push(line);
  }
  return found;
}

describe.each(ENGINES)('docs/sockmap.md on %s', (engine) => {
  for (const { title, lines } of examples()) {
    it(title, () => {
      expect(runScenario(new Lab(engine), lines)).toEqual(lines);
    });
  }
});
