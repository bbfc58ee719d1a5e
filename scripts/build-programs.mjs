// Compiles the project's own BPF sources, whose objects are committed. Needs clang-19, llvm-19 and libbpf-dev.
// Debug prefixes keep the objects free of the paths of the machine that built them.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const only = process.argv.slice(2);

for (const folder of ['examples', 'test/programs', 'bench/programs']) {
  const cwd = path.join(root, folder);
  if (!existsSync(cwd)) continue;
  for (const file of readdirSync(cwd).filter((name) => name.endsWith('.bpf.c'))) {
    if (only.length > 0 && !only.some((word) => path.join(folder, file).includes(word))) continue;
    const object = file.replace(/\.c$/, '.o');
    const flags = ['--target=bpf', '-mcpu=v3', '-O2', '-g', '-Wall', '-Werror', '-fdebug-compilation-dir=.'];
    const include = [
      '-idirafter',
      `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
    ];
    execFileSync('clang-19', [...flags, ...include, '-c', file, '-o', object], { cwd, stdio: 'inherit' });
    execFileSync('llvm-strip-19', ['-g', object], { cwd, stdio: 'inherit' });
    console.log(path.join(folder, object));
  }
}
