// Writes the part "Objects" of docs/parity.md: what of the kernel's selftest objects opens and relocates as libbpf does
// it, and why not where not. Needs what `npm run test:kernel --build-only` leaves in the cache, and a current build.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const load = (file) => import(pathToFileURL(path.join(root, 'dist/src', file)).href);
const { readObject } = await load('elf/read-object.js');
const { Relocator } = await load('elf/relocate.js');
const { builtinTarget } = await load('elf/builtin-target.js');
const { BpfError } = await load('errors.js');

const manifest = JSON.parse(readFileSync(path.join(root, '.cache/kernel-corpus.json'), 'utf8'));
if (manifest.names === undefined) throw new Error(manifest.skipped ?? 'no selftest objects');
const fileOf = (name) => path.join(manifest.objects, `${name}.bpf.o`);

/** Records of the driver libbpf_list: object -> {refused, errors, loaded}. */
function listWithLibbpf() {
  const objects = new Map();
  for (let at = 0; at < manifest.names.length; at += 100) {
    const paths = manifest.names.slice(at, at + 100).map(fileOf);
    const text = execFileSync(path.join(manifest.drivers, 'libbpf_list'), paths, {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    let current;
    for (const line of text.split('\n')) {
      const [kind, first, , third] = line.split('\t');
      if (kind === 'O') {
        current = { programs: 0, loaded: new Set(), errors: [] };
        objects.set(path.basename(first, '.bpf.o'), current);
      } else if (kind === 'P') current.programs++;
      else if (kind === 'R') current.loaded.add(first);
      else if (kind === 'E' && first === 'open') current.refused = reason(third);
      else if (kind === 'E' && first !== 'load') current.errors.push(reason(third));
    }
  }
  return objects;
}

/** The first warning, without what differs from object to object. */
function reason(warnings) {
  return warnings
    .split('libbpf: ')
    .filter((text) => text !== '')[0]
    .trim()
    .replace(/extern \((var|func) ksym\) '[^']*'/, 'kernel $1')
    .replace(/extern '[^']*' \(strong\): not resolved/, 'kernel symbol not in kallsyms')
    .replace(/struct bpf_struct_ops_\S+ is/, 'the structure is')
    .replace(/^prog '[^']*': /, '');
}

function open(name) {
  try {
    return readObject(new Uint8Array(readFileSync(fileOf(name))), `${name}.bpf.o`);
  } catch (error) {
    if (error instanceof BpfError) return error.message;
    throw error;
  }
}

const libbpf = listWithLibbpf();
const target = builtinTarget();
const refusedByBoth = [];
const openedHere = [];
const refusedHere = [];
const notLoaded = new Map();
const counts = { opened: 0, programs: 0, compared: 0, core: 0, coreBuiltin: 0, relocated: 0 };
for (const name of manifest.names) {
  const spec = open(name);
  const theirs = libbpf.get(name);
  if (typeof spec === 'string') {
    (theirs.refused === undefined ? refusedHere : refusedByBoth).push([
      name,
      spec,
      theirs.refused ?? 'opened',
    ]);
    continue;
  }
  counts.opened++;
  if (theirs.refused !== undefined) openedHere.push([name, theirs.refused]);
  counts.programs += spec.programs.length;
  counts.compared += theirs.loaded.size;
  for (const text of theirs.errors) notLoaded.set(text, (notLoaded.get(text) ?? 0) + 1);
  const relocator = new Relocator(spec, { mapId: () => 1, extern: () => ({ btfId: 1 }), core: target });
  for (const program of spec.programs) {
    const { poisoned } = relocator.relocate(program);
    counts.relocated++;
    if (program.coreRelos.length === 0) continue;
    counts.core++;
    if (poisoned.length === 0) counts.coreBuiltin++;
  }
}

const row = (...cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
const table = (head, rows) => [
  row(...head),
  row(...head.map(() => '---')),
  ...rows.map((cells) => row(...cells)),
];
const release = execFileSync('uname', ['-r'], { encoding: 'utf8' }).split('.').slice(0, 2).join('.');
const text = [
  '## Objects',
  '',
  `The ${manifest.names.length} selftest objects of Linux 6.12, compiled with clang-19 -mcpu=v3 -O2 -g, read by bpfvm and by`,
  `libbpf 6.12, on Linux ${release}. \`npm run test:kernel\` repeats the comparison: programs, sections, types, lengths, maps`,
  'with sizes and flags, and, after linking and relocation against the types of that kernel, every instruction.',
  '',
  ...table(
    ['', 'number'],
    [
      ['objects that bpfvm opens', counts.opened],
      ['objects that both refuse', refusedByBoth.length],
      ['objects that only bpfvm refuses', refusedHere.length],
      ['objects that only bpfvm opens', openedHere.length],
      ['programs in the opened objects', counts.programs],
      [
        'programs that libbpf relocates on that kernel, each compared instruction by instruction',
        counts.compared,
      ],
      ['programs that bpfvm relocates', counts.relocated],
      ['of them with CO-RE relocations', counts.core],
      ['of those, complete against the built-in types (no kernel)', counts.coreBuiltin],
    ],
  ),
  '',
  'Refused by both: parts that only make sense linked with others (`bpfvm inspect --link`), and one that is wrong on purpose.',
  '',
  ...table(
    ['object', 'bpfvm says'],
    refusedByBoth.map(([name, message]) => [name, message.replace(/^[^:]*: /, '')]),
  ),
  '',
  ...(refusedHere.length === 0 ? [] : [...table(['refused by bpfvm alone', 'why'], refusedHere), '']),
  ...table(['opened by bpfvm alone', 'libbpf says'], openedHere),
  '',
  'Programs that libbpf does not relocate on that kernel, because something is missing there; bpfvm poisons the call or',
  'refuses the strong symbol when the object is loaded, not when it is read:',
  '',
  ...table(
    ['libbpf says', 'programs'],
    [...notLoaded].sort((a, b) => b[1] - a[1]).map(([why, times]) => [why, times]),
  ),
  '',
].join('\n');

const file = path.join(root, 'docs/parity.md');
const [begin, end] = ['<!-- objects: written by scripts/parity.mjs -->', '<!-- objects end -->'];
const current = existsSync(file)
  ? readFileSync(file, 'utf8')
  : `# Parity\n\nWhat of the kernel's own test objects behaves here as it does there.\n\n${begin}\n${end}\n`;
const before = current.includes(begin)
  ? current.slice(0, current.indexOf(begin))
  : `${current.trimEnd()}\n\n`;
const after = current.includes(end) ? current.slice(current.indexOf(end) + end.length) : '\n';
writeFileSync(file, `${before}${begin}\n\n${text}\n${end}${after}`);
console.log(`wrote ${path.relative(root, file)}`);
