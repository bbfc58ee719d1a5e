// Packs the package, installs the tarball into an empty folder and uses it there as a stranger would.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const { version, exports: entries } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const folder = mkdtempSync(path.join(tmpdir(), 'bpfvm-package-'));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const run = (command, args, cwd) =>
  execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    shell: command.endsWith('.cmd'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });

function fail(message) {
  console.error(`check-package: ${message}`);
  process.exitCode = 1;
}

/** Rules of publint: exports, types, files. Errors and warnings fail. */
async function lint() {
  const { publint } = await import('publint');
  const { formatMessage } = await import('publint/utils');
  const { messages, pkg } = await publint({ pkgDir: root, pack: 'npm' });
  for (const message of messages) {
    const text = `publint ${message.type}: ${formatMessage(message, pkg)}`;
    if (message.type === 'suggestion') console.log(text);
    else fail(text);
  }
}

function pack() {
  const [packed] = JSON.parse(
    run(npm, ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
  );
  const names = packed.files.map((file) => file.path);
  for (const needed of ['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json', 'dist/bin/bpfvm.js'])
    if (!names.includes(needed)) fail(`the tarball lacks ${needed}`);
  for (const name of names)
    if (/^(test|bench|scripts|src|\.cache)\/|^dist\/(test|bench)\/|\.tsbuildinfo$/.test(name))
      fail(`the tarball holds ${name}`);
  console.log(
    `${packed.filename}: ${names.length} files, ${(packed.size / 1024).toFixed(0)} KiB packed, ${(packed.unpackedSize / 1024).toFixed(0)} KiB unpacked`,
  );
  return path.join(folder, packed.filename);
}

function install(tarball) {
  writeFileSync(
    path.join(folder, 'package.json'),
    '{ "name": "empty", "private": true, "type": "module" }\n',
  );
  run(npm, ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], folder);
  const bin = path.join(folder, 'node_modules/bpfvm/dist/bin/bpfvm.js');
  const printed = run(process.execPath, [bin, '--version'], folder).trim();
  if (printed !== version) fail(`bpfvm --version printed ${printed}, expected ${version}`);
  for (const entry of Object.keys(entries).filter((name) => !name.endsWith('.json'))) {
    const specifier = path.posix.join('bpfvm', entry);
    const code = `const m = await import('${specifier}'); console.log(Object.keys(m).length);`;
    const names = Number(run(process.execPath, ['--input-type=module', '-e', code], folder));
    if (names > 0) console.log(`import '${specifier}': ${names} names`);
    else fail(`import '${specifier}' gives nothing`);
  }
}

/** What people get wrong first: each ends at once with its exit code and says why in one line. */
function mistakes() {
  const bin = path.join(folder, 'node_modules/bpfvm/dist/bin/bpfvm.js');
  const example = path.join(folder, 'node_modules/bpfvm/examples/redirect.bpf.o');
  const x86 = path.join(folder, 'x86.o');
  const bytes = readFileSync(example);
  bytes[18] = 62; // e_machine: EM_X86_64
  writeFileSync(x86, bytes);
  const cases = [
    [0, ['run', example, '--map', 'sockmap']],
    [2, []],
    [2, ['run']],
    [2, ['frobnicate']],
    [2, ['run', 'nosuch.o']],
    [2, ['run', example, '--map', 'nosuch']],
    [2, ['run', example, '--prog', 'nosuch']],
    [2, ['run', example, '--map', 'array']],
    [3, ['run', path.join(folder, 'package.json')]],
    [3, ['run', x86]],
  ];
  for (const [code, args] of cases) {
    const { status, stderr } = spawnSync(process.execPath, [bin, ...args], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 20_000,
    });
    if (status !== code) fail(`bpfvm ${args.join(' ')}: exit ${status}, expected ${code}: ${stderr}`);
    if (/\n\s+at /.test(stderr)) fail(`bpfvm ${args.join(' ')} shows a stack trace: ${stderr}`);
  }
  console.log(`${cases.length} command lines end with the exit codes that they should`);
}

/** A user's strict compiler takes the declarations, enums as values included. */
function compileAgainst() {
  writeFileSync(
    path.join(folder, 'user.ts'),
    `import { AttachType, BpfError, BpfVm, progAttach } from 'bpfvm';
export const attach = (vm: BpfVm, bytes: Uint8Array): void => {
  const object = vm.load(bytes, { name: 'user.bpf.o' });
  for (const program of object.programs.values())
    for (const map of object.maps.values()) progAttach(program, map, AttachType.SkMsgVerdict);
};
export const code = (error: unknown): string => (error instanceof BpfError ? error.code : '');
`,
  );
  const compilerOptions = {
    ...{ strict: true, noEmit: true, isolatedModules: true, verbatimModuleSyntax: true },
    ...{ module: 'nodenext', target: 'es2023', lib: ['es2023', 'dom'], types: [] },
  };
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['user.ts'] }));
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  try {
    run(process.execPath, [tsc, '-p', '.'], folder);
    console.log('a strict TypeScript user compiles');
  } catch (error) {
    fail(`a strict TypeScript user does not compile:\n${error.stdout}`);
  }
}

try {
  await lint();
  install(pack());
  mistakes();
  compileAgainst();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
