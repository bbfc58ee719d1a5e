// Compiles to dist/. The declarations then lose the `const` of their enums: the objects are there at run time, and a
// user's compiler refuses declared const enums under isolatedModules.
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

const dist = path.join(root, 'dist');
for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.d.ts')) continue;
  const file = path.join(dist, name);
  const text = readFileSync(file, 'utf8');
  const plain = text.replace(/^(export )?declare const enum /gm, '$1declare enum ');
  if (plain !== text) writeFileSync(file, plain);
}

// The command as a few files instead of some hundred modules: finding and reading those took longer than running them.
const bin = path.join(dist, 'bin');
rmSync(path.join(bin, 'chunks'), { recursive: true, force: true });
const bundle = await rolldown({
  input: path.join(bin, 'bpfvm.js'),
  platform: 'node',
  external: ['commander', 'elfy', /^node:/],
});
await bundle.write({ dir: bin, format: 'esm', chunkFileNames: 'chunks/[name]-[hash].js' });
await bundle.close();
// The compiler's map is that of the file which the bundle replaced.
rmSync(path.join(bin, 'bpfvm.js.map'), { force: true });
// npm makes a command executable when it links it, not when a build replaces the file.
chmodSync(path.join(bin, 'bpfvm.js'), 0o755);
