// Builds, into the cache: libbpf, vmlinux.h, and the objects of the kernel's BPF selftest programs.
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { digest, inParallel, machineCache, run, runAsync, tryOutput } from './run.mjs';
import { SOURCE, SOURCE_ARCHIVE, bpftool } from './tools.mjs';

const CLANG = 'clang-19';
const ARCH = { x64: 'x86', arm64: 'arm64', riscv64: 'riscv', s390x: 's390' };
/** The parts of the kernel's source that libbpf and the selftest programs need; 2 % of it. */
const PARTS = ['tools', 'scripts', 'include/uapi', 'arch/x86/include', 'arch/arm64/include', 'Makefile'];

const tree = path.join(machineCache, SOURCE);
const selftests = path.join(tree, 'tools/testing/selftests/bpf');
const include = path.join(machineCache, 'include');
export const libbpf = path.join(machineCache, 'libbpf', 'libbpf.a');
/** For C code: `<bpf/*.h>` of the libbpf built here, `vmlinux.h`, and the UAPI of that source. */
export const includeFlags = [
  `-I${include}`,
  `-I${path.join(include, 'include')}`,
  `-I${path.join(tree, 'tools/include/uapi')}`,
];

/** Makes a folder appear at once: an interrupted step is repeated, not taken for done. */
function atomically(target, fill) {
  if (existsSync(target)) return;
  const partial = `${target}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  fill(partial);
  renameSync(partial, target);
}

function unpack() {
  atomically(tree, (folder) => {
    console.log(`unpacking ${SOURCE_ARCHIVE}`);
    run('tar', [
      '-xJf',
      SOURCE_ARCHIVE,
      '-C',
      folder,
      '--strip-components=1',
      ...PARTS.map((part) => `${SOURCE}/${part}`),
    ]);
  });
}

function buildLibbpf() {
  atomically(path.dirname(libbpf), (folder) => {
    console.log('building libbpf');
    const make = ['-s', '-C', path.join(tree, 'tools/lib/bpf'), `OUTPUT=${folder}/`];
    run('make', [...make, `-j${availableParallelism()}`, `${folder}/libbpf.a`]);
    run('make', [...make, 'prefix=', `DESTDIR=${include}`, 'install_headers']);
  });
}

/** vmlinux.h follows the running kernel; its digest is part of the key of what is compiled with it. */
function writeVmlinux() {
  mkdirSync(include, { recursive: true });
  const target = path.join(include, 'vmlinux.h');
  const text = run(bpftool(), ['btf', 'dump', 'file', '/sys/kernel/btf/vmlinux', 'format', 'c']);
  if (!existsSync(target) || readFileSync(target, 'utf8') !== text) writeFileSync(target, text);
  return digest(text);
}

export function bpfFlags() {
  const resources = run(CLANG, ['-print-resource-dir']).trim();
  const triplet = tryOutput('gcc', ['-print-multiarch']) ?? '';
  return [
    '--target=bpfel',
    '-mcpu=v3',
    '-O2',
    '-g',
    '-w',
    '-std=gnu11',
    '-fno-strict-aliasing',
    `-D__TARGET_ARCH_${ARCH[process.arch] ?? process.arch}`,
    '-DENABLE_ATOMICS_TESTS',
    ...includeFlags.slice(0, 2),
    `-I${selftests}`,
    includeFlags[2],
    `-I${path.join(tree, 'tools/include')}`,
    '-idirafter',
    path.join(resources, 'include'),
    '-idirafter',
    `/usr/include/${triplet}`,
    '-idirafter',
    '/usr/include',
  ];
}

/** Compiles one source; a failure is remembered beside where the object would be, so that it is not retried. */
export async function compileBpf(source, object, flags) {
  const partial = `${object}.partial`;
  try {
    await runAsync(CLANG, [...flags, '-c', source, '-o', partial], { maxBuffer: 1 << 26 });
    renameSync(partial, object);
    return undefined;
  } catch (error) {
    return String(error.stderr ?? error.message);
  }
}

/** Returns the folder of objects and the names of the sources that this compiler refuses. */
async function compileSelftests(vmlinux) {
  const flags = bpfFlags();
  const version = run(CLANG, ['--version']).split('\n')[0];
  const key = digest(
    version,
    run('cksum', [SOURCE_ARCHIVE]).split(' ')[0],
    vmlinux,
    flags.join(' ').replaceAll(machineCache, ''),
  );
  const folder = path.join(machineCache, `selftests-${key}`);
  mkdirSync(folder, { recursive: true });
  const names = readdirSync(path.join(selftests, 'progs'))
    .filter((name) => name.endsWith('.c'))
    .map((name) => name.slice(0, -2));
  const at = (name, suffix) => path.join(folder, `${name}${suffix}`);
  const todo = names.filter((name) => !existsSync(at(name, '.bpf.o')) && !existsSync(at(name, '.failed')));
  if (todo.length > 0)
    console.log(`compiling ${todo.length} of ${names.length} selftest programs with ${version}`);
  await inParallel(todo, availableParallelism(), async (name) => {
    const failure = await compileBpf(path.join(selftests, 'progs', `${name}.c`), at(name, '.bpf.o'), flags);
    if (failure !== undefined) writeFileSync(at(name, '.failed'), failure);
  });
  return {
    folder,
    compiled: names.filter((name) => existsSync(at(name, '.bpf.o'))),
    failed: names.filter((name) => existsSync(at(name, '.failed'))),
  };
}

export async function buildCorpus() {
  mkdirSync(machineCache, { recursive: true });
  unpack();
  buildLibbpf();
  return compileSelftests(writeVmlinux());
}
