// Builds the C programs of test/kernel/driver against the libbpf of the cache: NAME.c gives the program NAME.
// NAME.bpf.c beside it is compiled first and its skeleton NAME.skel.h generated, for drivers that embed an object.
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bpfFlags, compileBpf, includeFlags, libbpf } from './corpus.mjs';
import { driverCache, root, run } from './run.mjs';
import { bpftool } from './tools.mjs';

const sources = path.join(root, 'test/kernel/driver');

const newest = (files) => Math.max(...files.map((file) => statSync(file).mtimeMs));

async function buildSkeleton(name) {
  const object = path.join(driverCache, `${name}.bpf.o`);
  const failure = await compileBpf(path.join(sources, `${name}.bpf.c`), object, bpfFlags());
  if (failure !== undefined) throw new Error(`${name}.bpf.c: ${failure}`);
  writeFileSync(
    path.join(driverCache, `${name}.skel.h`),
    run(bpftool(), ['gen', 'skeleton', object, 'name', name]),
  );
}

function link(name) {
  const flags = ['-O2', '-g', '-Wall', ...includeFlags, `-I${driverCache}`];
  run('gcc', [
    ...flags,
    path.join(sources, `${name}.c`),
    libbpf,
    '-lelf',
    '-lz',
    '-lpthread',
    '-o',
    path.join(driverCache, name),
  ]);
}

/** Returns a message per driver that could not be built. */
export async function buildDrivers() {
  if (!existsSync(sources)) return [];
  mkdirSync(driverCache, { recursive: true });
  const files = readdirSync(sources);
  const stamp = newest([libbpf, ...files.map((file) => path.join(sources, file))]);
  const failures = [];
  for (const name of files.filter((file) => /^[^.]+\.c$/.test(file)).map((file) => file.slice(0, -2))) {
    const target = path.join(driverCache, name);
    if (existsSync(target) && statSync(target).mtimeMs > stamp) continue;
    try {
      if (files.includes(`${name}.bpf.c`)) await buildSkeleton(name);
      link(name);
    } catch (error) {
      failures.push(`${name}: ${error.message}`);
    }
  }
  return failures;
}
