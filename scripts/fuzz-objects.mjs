// `fuzz-objects.mjs [--count N] [--seed S] [--case I] [--stage read|types|check|load] [--damage any|types] [--corpus DIR]
//   [--limit MS] [--kinds KIND,KIND...]`
// Damages objects and gives them to the reader (read), to the loader with the structural check (check) or with the
// verifier (load), or reads, describes, prints and relocates (types). Damage is anywhere, or to types and symbols only. Every case must
// give a value or a BpfError, within the time limit. Prints the seed; `--seed S --case I` repeats one case and writes it
// to a file. Times are the smaller of wall and processor time, and a case over the limit is measured again, twice: a busy
// machine is not a slow reader.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { caseRandom, mutate } from './fuzz/mutate.mjs';
import { mutateTypes } from './fuzz/mutate-types.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const load = (file) => import(pathToFileURL(path.join(root, 'dist/src', file)).href);
const text = { type: 'string' };
const { values } = parseArgs({
  options: {
    count: text,
    seed: text,
    case: text,
    stage: text,
    corpus: text,
    limit: text,
    kinds: text,
    damage: text,
  },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 0x7fffffff) : Number(values.seed);
const only = values.case === undefined ? undefined : Number(values.case);
const count = Number(values.count ?? 1000);
const limit = Number(values.limit ?? 100);
const stage = values.stage ?? 'load';
const kinds = values.kinds?.split(',');
const damage = values.damage === 'types' ? mutateTypes : (bytes, rng) => mutate(bytes, rng, kinds);

const { BpfError } = await load('errors.js');

const STAGES = {
  read: async () => {
    const { readObject } = await load('elf/read-object.js');
    return (bytes) => readObject(bytes, 'fuzz.bpf.o');
  },
  types: async () => {
    const { readObject } = await load('elf/read-object.js');
    const { Relocator } = await load('elf/relocate.js');
    const { summarize } = await load('cli/inspect-summary.js');
    const { dumpC } = await load('btf/dump-c.js');
    const { rawLines } = await load('btf/dump-raw.js');
    return (bytes) => {
      const spec = readObject(bytes, 'fuzz.bpf.o');
      let weight = spec.programs.reduce((sum, p) => sum + p.insns.length + 64 * p.lineInfo.length, 0);
      weight += JSON.stringify(summarize(spec), (_key, item) => (typeof item === 'bigint' ? 0 : item)).length;
      const tolerate = (call) => {
        try {
          return call();
        } catch (error) {
          if (!(error instanceof BpfError)) throw error;
          return undefined;
        }
      };
      const relocator = new Relocator(spec, { mapId: () => 1, extern: () => ({ btfId: 1 }) });
      for (const program of spec.programs) tolerate(() => relocator.relocate(program));
      if (spec.btf !== undefined) {
        weight += tolerate(() => dumpC(spec.btf))?.length ?? 0;
        weight += tolerate(() => rawLines(spec.btf).join().length) ?? 0;
      }
      // What is kept and printed is bounded by what was given.
      if (weight > 64 * bytes.length + (16 << 20)) {
        throw new Error(`${weight} bytes out of an object of ${bytes.length}`);
      }
    };
  },
  check: () => loader(false),
  load: () => loader(true),
};

/** Loads into a VM of its own; the verifier may follow a damaged loop up to its limit of a million instructions. */
async function loader(verify) {
  const { BpfVm } = await load('index.js');
  return (bytes) => new BpfVm({ verify }).load(bytes, { name: 'fuzz.bpf.o' });
}

/** Own example and test objects, or every object of a folder. */
function seeds() {
  const folders =
    values.corpus === undefined
      ? ['examples', 'test/programs'].map((folder) => path.join(root, folder))
      : [values.corpus];
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => name.endsWith('.o'))
        .sort()
        .map((name) => path.join(folder, name)),
    )
    .map((file) => ({ name: path.basename(file), bytes: new Uint8Array(readFileSync(file)) }));
}

/** Milliseconds since it was made, as the wall clock or the processor has them, whichever is less. */
function stopwatch() {
  const [wall, processor] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(processor);
    return Math.min(performance.now() - wall, (user + system) / 1000);
  };
}

/** What happened: a value, the code of a BpfError, or something that must not happen. */
function attempt(target, bytes) {
  const elapsed = stopwatch();
  try {
    target(bytes);
    return { outcome: 'accepted', time: elapsed() };
  } catch (error) {
    const time = elapsed();
    if (error instanceof BpfError) return { outcome: error.code, time };
    return { outcome: 'BROKEN', time, error };
  }
}

function runCase(target, objects, index) {
  const rng = caseRandom(seed, index);
  const original = rng.pick(objects);
  const { bytes, kinds } = damage(original.bytes, rng);
  let result = attempt(target, bytes.slice());
  for (let again = 0; again < 2 && result.time > limit; again++) {
    const repeated = attempt(target, bytes.slice());
    if (repeated.time < result.time) result = repeated;
  }
  return { ...result, index, bytes, what: `${original.name}: ${kinds.join(', ')}` };
}

function report(result) {
  console.log(`case ${result.index} (${result.what}): ${result.outcome} in ${result.time.toFixed(1)} ms`);
  if (result.error !== undefined)
    console.log(result.error instanceof Error ? result.error.stack : String(result.error));
}

const target = await STAGES[stage]();
const objects = seeds();
console.log(
  `seed ${seed}, ${only === undefined ? `${count} cases` : `case ${only}`} of ${objects.length} objects, stage ${stage}`,
);
if (only !== undefined) {
  const result = runCase(target, objects, only);
  report(result);
  writeFileSync(`fuzz-${seed}-${only}.o`, result.bytes);
} else {
  const outcomes = new Map();
  let [slowest, bad] = [{ time: 0 }, 0];
  for (let index = 0; index < count; index++) {
    const result = runCase(target, objects, index);
    outcomes.set(result.outcome, (outcomes.get(result.outcome) ?? 0) + 1);
    if (result.time > slowest.time) slowest = result;
    if (result.outcome !== 'BROKEN' && result.time <= limit) continue;
    if (++bad <= 20) report(result);
  }
  for (const [outcome, times] of [...outcomes].sort((a, b) => b[1] - a[1]))
    console.log(`${String(times).padStart(8)} ${outcome}`);
  console.log(`slowest: case ${slowest.index} (${slowest.what}), ${slowest.time.toFixed(1)} ms`);
  console.log(`peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
  console.log(`${count - bad} of ${count} cases gave a value or a BpfError within ${limit} ms`);
  process.exitCode = bad === 0 ? 0 : 1;
}
