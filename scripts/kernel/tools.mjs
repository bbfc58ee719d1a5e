// What the kernel tests need of the system: found, installed where that is allowed, or named.
import { existsSync } from 'node:fs';
import { run, tryOutput } from './run.mjs';

export const SOURCE = 'linux-source-6.12';
export const SOURCE_ARCHIVE = `/usr/src/${SOURCE}.tar.xz`;

/** A need: the Debian package that brings it, and how to see whether it is there. */
const NEEDS = [
  { package: SOURCE, present: () => existsSync(SOURCE_ARCHIVE) },
  { package: 'clang-19', present: () => tryOutput('clang-19', ['--version']) !== undefined },
  { package: 'llvm-19', present: () => tryOutput('llvm-objdump-19', ['--version']) !== undefined },
  { package: 'bpftool', present: () => bpftool() !== undefined },
  { package: 'gcc', present: () => tryOutput('gcc', ['--version']) !== undefined },
  { package: 'make', present: () => tryOutput('make', ['--version']) !== undefined },
  { package: 'libelf-dev', present: () => existsSync('/usr/include/libelf.h') },
  { package: 'zlib1g-dev', present: () => existsSync('/usr/include/zlib.h') },
  { package: 'python3', present: () => tryOutput('python3', ['--version']) !== undefined },
  { package: 'xz-utils', present: () => tryOutput('xz', ['--version']) !== undefined },
];

/** bpftool lives in sbin, which is not on every user's path. */
export function bpftool() {
  return ['bpftool', '/usr/sbin/bpftool'].find((command) => tryOutput(command, ['version']) !== undefined);
}

const missing = () => NEEDS.filter((need) => !need.present()).map((need) => need.package);

/** Installs what is missing where it may. Returns why the corpus cannot be had, or undefined. */
export function ensureTools() {
  if (process.platform !== 'linux')
    return `the kernel's selftests are built on Linux, this is ${process.platform}`;
  if (!existsSync('/sys/kernel/btf/vmlinux'))
    return 'the running kernel has no BTF in /sys/kernel/btf/vmlinux';
  const wanted = missing();
  if (wanted.length === 0) return undefined;
  const command = `apt-get install -y --no-install-recommends ${wanted.join(' ')}`;
  if (process.getuid() !== 0 || tryOutput('apt-get', ['--version']) === undefined)
    return `missing; to install them: ${command}`;
  console.log(`installing ${wanted.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    run('apt-get', ['update', '-qq'], { env });
    run('apt-get', command.split(' ').slice(1), { env });
  } catch (error) {
    return `could not be installed: ${error.message}`;
  }
  const still = missing();
  return still.length === 0 ? undefined : `missing after installation: ${still.join(' ')}`;
}
