// Runs compiled test files on the runtime that executes this file: `RUNTIME suite.mjs FOLDER FILE...`. The folder has a
// package `vitest` of our own. Prints one JSON document.
import { pathToFileURL } from 'node:url';
import path from 'node:path';
import process from 'node:process';

const [folder, ...files] = process.argv.slice(2);
const load = (file) => import(pathToFileURL(path.join(folder, file)).href);
const { runAll } = await load('node_modules/vitest/index.js');
const report = [];
for (const file of files) {
  const start = performance.now();
  try {
    await load(file);
    report.push({ file, ...(await runAll()), seconds: (performance.now() - start) / 1000 });
  } catch (error) {
    report.push({
      file,
      passed: 0,
      failures: [{ name: 'loading', message: String(error?.stack ?? error) }],
      seconds: 0,
    });
  }
}
console.log(JSON.stringify(report));
