// Verifies the kernel's selftest objects and compares with the recorded verdicts of a live kernel.
//
//   node scripts/verifier-corpus.mjs DIR [--only REGEXP] [--show wrong|all|messages] [--verdicts FILE] [--prog NAME] [--log N]
//
// DIR holds the compiled objects (NAME.bpf.o). Exit code 1 where a program is accepted that the kernel refuses.
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

const root = new URL('../', import.meta.url);
const load = (file) => import(new URL(`dist/src/${file}.js`, root).href);
const { readObject } = await load('elf/read-object');
const { ObjectVerifier } = await load('verify-object');
const { Btf } = await load('btf/btf');
const { CoreTarget } = await load('btf/core');
const { annotationsOf } = await load('annotations');
const { PROG_TYPE_NAMES } = await load('progs/prog-types');

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: '^verifier_' },
    show: { type: 'string', default: 'wrong' },
    verdicts: { type: 'string', default: new URL('test/golden/verifier/verdicts.tsv', root).pathname },
    prog: { type: 'string' },
    log: { type: 'string', default: '0' },
  },
});
const dir = positionals[0];
const kernelBtf = '/sys/kernel/btf/vmlinux';
const target = existsSync(kernelBtf)
  ? new CoreTarget(Btf.parse(new Uint8Array(readFileSync(kernelBtf)), 'vmlinux'))
  : undefined;

const rows = new Map();
for (const line of readFileSync(options.verdicts, 'utf8').trimEnd().split('\n').slice(1)) {
  const [object, program, progType, attachType, verdict, errno, message, expects, verified] =
    line.split('\t');
  if (!rows.has(object)) rows.set(object, []);
  rows.get(object).push({
    program,
    progType,
    attachType,
    verdict,
    errno: Number(errno),
    message,
    expects,
    verified: Number(verified),
  });
}

const total = {
  programs: 0,
  same: 0,
  wrongAccept: 0,
  wrongReject: 0,
  errno: 0,
  crash: 0,
  messageOf: 0,
  messageOk: 0,
  near: 0,
  accepted: 0,
};
const byType = new Map();
const started = performance.now();
const slow = [];
for (const file of readdirSync(dir)
  .filter((name) => name.endsWith('.bpf.o'))
  .sort()) {
  const object = file.slice(0, -'.bpf.o'.length);
  const expected = rows.get(object);
  if (expected === undefined || !new RegExp(options.only).test(object)) continue;
  let spec;
  try {
    spec = readObject(new Uint8Array(readFileSync(path.join(dir, file))), file);
  } catch (error) {
    console.log(`${object}: cannot be read: ${error.message}`);
    continue;
  }
  const verifier = new ObjectVerifier(spec, target === undefined ? {} : { target });
  for (const row of expected) {
    if (options.prog !== undefined && row.program !== options.prog) continue;
    const program = spec.programs.find((p) => p.name === row.program);
    // What the judge's machine could not even try says nothing.
    if (program === undefined || row.message === '[libbpf]') continue;
    total.programs++;
    const notes = annotationsOf(spec, program);
    const t0 = performance.now();
    let result;
    try {
      const kind = { progType: PROG_TYPE_NAMES.indexOf(row.progType), attachType: program.attachType };
      result = verifier.verify(program, {
        kind,
        stats: true,
        flags: notes.flags,
        logLevel: Math.max(Number(options.log), options.show === 'messages' ? notes.logLevel : 0),
        cpus: 2,
      });
    } catch (error) {
      result = {
        verdict: 'crash',
        errno: 0,
        message: error.stack.split('\n').slice(0, 4).join(' | '),
        stats: { insnsProcessed: 0 },
        log: [],
      };
    }
    const ms = performance.now() - t0;
    if (ms > 500) slow.push([Math.round(ms), object, row.program, result.stats.insnsProcessed, row.verified]);
    const type = byType.get(row.progType) ?? { n: 0, same: 0 };
    byType.set(row.progType, type);
    type.n++;
    const isSame = result.verdict === row.verdict;
    if (isSame) {
      total.same++;
      type.same++;
      if (row.errno !== result.errno) total.errno++;
    } else if (result.verdict === 'crash') total.crash++;
    else if (result.verdict === 'accept') total.wrongAccept++;
    else total.wrongReject++;
    if (isSame && row.verdict === 'accept' && row.verified > 0) {
      total.accepted++;
      if (result.stats.insnsProcessed <= row.verified * 2) total.near++;
      else if (options.show === 'steps')
        console.log(`STEPS ${object} ${row.program}: ${result.stats.insnsProcessed} vs ${row.verified}`);
    }
    let missing;
    if (options.show === 'messages' && row.expects === 'ok' && isSame) {
      total.messageOf++;
      missing = notes.missingMessage(result.log);
      if (missing === undefined) total.messageOk++;
    }
    if (options.show === 'all' || (!isSame && options.show === 'wrong') || missing !== undefined) {
      const mark = isSame
        ? missing === undefined
          ? 'ok'
          : 'MSG'
        : result.verdict === 'accept'
          ? 'ACCEPTED'
          : result.verdict === 'crash'
            ? 'CRASH'
            : 'REJECTED';
      console.log(
        `${mark} ${object} ${row.program} (${row.progType})\n    kernel: ${row.verdict} ${row.errno} ${row.message}\n    here:   ${result.verdict} ${result.errno} ${result.message} @${result.pc}`,
      );
      if (missing !== undefined) console.log(`    missing: ${missing}`);
    }
    if (Number(options.log) > 0) for (const line of result.log) console.log(line.text);
  }
}
for (const [type, { n, same }] of byType) console.log(`${type}: ${same}/${n}`);
console.log(JSON.stringify(total), `${Math.round(performance.now() - started)} ms`);
for (const entry of slow.sort((a, b) => b[0] - a[0]).slice(0, 10)) console.log('slow', ...entry);
process.exitCode = total.wrongAccept > 0 ? 1 : 0;
