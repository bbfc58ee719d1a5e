// Verifies the kernel's selftest objects and compares with the recorded verdicts of a live kernel.
//
//   node scripts/verifier-corpus.mjs DIR [--only REGEXP] [--show wrong|all|messages] [--verdicts FILE] [--prog NAME] [--log N]
//       [--parity FILE]
//
// DIR holds the compiled objects (NAME.bpf.o). Exit code 1 where a program is accepted that the kernel refuses.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
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
    parity: { type: 'string' },
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

const differences = [];
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
    if (result.verdict !== row.verdict) differences.push({ object, row, result });
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
if (options.parity !== undefined) writeFileSync(options.parity, parityDoc());

/** Why a program is judged differently, by what the two said. */
function reasonOf({ row, result }) {
  if (/bpf_arena|unknown#200200|kernel function .* is not known/.test(result.message))
    return 'calls a kernel function that bpfvm does not have';
  if (/unknown#195896080/.test(result.message))
    return 'relocated against types of another file, which the annotation names and this run does not read';
  if (/does not exist here|address for kernel symbol/.test(result.message))
    return 'refers to a symbol of the kernel image';
  if (/metadata kfuncs|probe_write_user|override_return/.test(row.message))
    return 'depends on the configuration of the kernel that was asked';
  if (['tracing', 'lsm', 'struct_ops'].includes(row.progType))
    return 'context and arguments are typed by the BTF of the traced kernel function, which is not modelled';
  if (/list_|rbtree|rb_|refcount|obj_drop|allocated object|node_data|kptr/.test(result.message + row.message))
    return 'lists, trees and reference counts of allocated objects are not modelled';
  if (/task_struct|cgroup|expected=ptr_|invalid mem access 'scalar'/.test(result.message))
    return 'follows pointers inside kernel structures, whose members are not modelled';
  return 'other';
}

function parityDoc() {
  const groups = new Map();
  for (const difference of differences) {
    const reason = reasonOf(difference);
    groups.set(reason, [...(groups.get(reason) ?? []), difference]);
  }
  const lines = [
    '# Where the verifier differs from Linux',
    '',
    "Generated by `node scripts/verifier-corpus.mjs DIR --only . --parity docs/parity-verifier.md`: every program of the kernel's BPF",
    'selftests (Linux 6.12) with the verdict of a live kernel (6.18), compared with `bpfvm verify`.',
    '',
    `${total.programs} programs: ${total.same} judged alike, ${total.wrongReject} refused here only, ${total.wrongAccept} accepted here only.`,
    `Of ${total.accepted} accepted programs ${total.near} took at most twice the steps of the kernel.`,
    '',
    "Two differences are by design: the kernel's limits on memory and its configuration (lockdown, error injection) are not",
    'imitated, and what a program type may call follows the tables in docs/support.md.',
    '',
    '| program type | programs | alike |',
    '|---|---|---|',
    ...[...byType].sort().map(([type, { n, same }]) => `| ${type} | ${n} | ${same} |`),
    '',
  ];
  for (const [reason, list] of [...groups].sort((a, b) => b[1].length - a[1].length)) {
    lines.push(`## ${reason[0].toUpperCase()}${reason.slice(1)} (${list.length})`, '');
    for (const { object, row, result } of list) {
      const here = result.verdict === 'accept' ? 'accepted here' : `refused here: ${result.message}`;
      const kernel = row.verdict === 'accept' ? 'accepted by Linux' : `refused by Linux: ${row.message}`;
      lines.push(`- \`${object}\` ${row.program} (${row.progType}): ${here}; ${kernel}`);
    }
    lines.push('');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

process.exitCode = total.wrongAccept > 0 ? 1 : 0;
