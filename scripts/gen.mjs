// Writes the files that are derived from the tables. `node scripts/gen.mjs --check` only compares, for CI.
import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import path from 'node:path';
import { helpersDoc } from './helpers-doc.mjs';
import { isaDoc } from './isa-doc.mjs';
import { currentReadme } from './readme.mjs';
import { supportDoc } from './support-doc.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const check = process.argv.includes('--check');
const load = (file) => import(pathToFileURL(path.join(root, 'dist', file)).href);

async function supportTables(ROWS) {
  const modules = [
    'maps/map-types',
    'progs/prog-types',
    'progs/prog-table',
    'progs/sec-names',
    'helpers/registry',
    'helpers/kfuncs',
    'test-run',
  ];
  const loaded = await Promise.all(modules.map((name) => load(`src/${name}.js`)));
  return Object.assign({ ROWS }, ...loaded);
}

async function outputs() {
  const files = new Map();
  const { ROWS } = await load('src/isa/ops.js');
  const members = ROWS.map((row, index) => `  ${row.name} = ${index},`);
  files.set(
    'src/isa/op.gen.ts',
    [
      '// Derived from ops.ts by `npm run gen`; do not edit.',
      '',
      '/** Dense number of every instruction, in the order of the rows of the table. */',
      'export const enum Op {',
      ...members,
      '  /** The second slot of a lddw. */',
      `  hole = ${ROWS.length},`,
      '}',
      '',
      '/** Names of the members of `Op`, `hole` left out. */',
      'export type OpName =',
      ...ROWS.map((row) => `  | '${row.name}'`),
      ';',
      '',
    ].join('\n'),
  );
  files.set('docs/isa.md', isaDoc(ROWS));
  const tables = await supportTables(ROWS);
  files.set('docs/helpers.md', helpersDoc(tables));
  files.set('docs/support.md', supportDoc(tables));
  const { main } = await load('src/cli/main.js');
  files.set(
    'README.md',
    await currentReadme(readFileSync(path.join(root, 'README.md'), 'utf8'), tables, main),
  );
  return files;
}

let stale = 0;
for (const [file, text] of await outputs()) {
  const target = path.join(root, file);
  const current = existsSync(target) ? readFileSync(target, 'utf8') : '';
  if (current === text) continue;
  if (check) {
    stale++;
    console.error(`${file} is not current: run npm run gen`);
  } else {
    writeFileSync(target, text);
    console.error(`wrote ${file}`);
  }
}
process.exitCode = stale === 0 ? 0 : 1;
