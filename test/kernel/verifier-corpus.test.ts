/** The kernel's verifier selftests: verdicts and messages as recorded from a live kernel (test/golden/verifier). */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { annotationsOf } from '../../src/annotations.js';
import { Btf } from '../../src/btf/btf.js';
import { CoreTarget } from '../../src/btf/core.js';
import { readObject } from '../../src/elf/read-object.js';
import { PROG_TYPE_NAMES } from '../../src/progs/prog-types.js';
import { ObjectVerifier } from '../../src/verify-object.js';
import { describeCorpus } from './lib/corpus.js';

const KERNEL_BTF = '/sys/kernel/btf/vmlinux';

/** Types whose context is described by the kernel's BTF, or that only serve the kernel itself. */
const NOT_NETWORKING = ['tracing', 'lsm', 'struct_ops', 'syscall', 'kprobe', 'tracepoint', 'raw_tracepoint', 'raw_tracepoint_writable', 'perf_event']; // prettier-ignore

interface Golden {
  readonly object: string;
  readonly program: string;
  readonly progType: string;
  readonly verdict: string;
  readonly message: string;
  readonly messages: string;
}

/** What the judge could not even try to load says nothing. */
function golden(): Golden[] {
  return readFileSync('test/golden/verifier/verdicts.tsv', 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line): Golden => {
      const [object, program, progType, , verdict, , message, messages] = line.split('\t');
      return { object, program, progType, verdict, message, messages };
    })
    .filter((row) => row.object.startsWith('verifier_') && row.message !== '[libbpf]');
}

describeCorpus('the verifier on the kernel’s verifier selftests', (corpus) => {
  it('says what the live kernel says', { timeout: 300_000 }, () => {
    const target = existsSync(KERNEL_BTF)
      ? new CoreTarget(Btf.parse(new Uint8Array(readFileSync(KERNEL_BTF)), 'vmlinux'))
      : undefined;
    const unsafe: string[] = [];
    const counts = { all: 0, alike: 0, net: 0, netAlike: 0, messages: 0, messagesFound: 0 };
    const rows = golden().filter((row) => corpus.names.includes(row.object));
    const byObject = new Map<string, Golden[]>();
    for (const row of rows) byObject.set(row.object, [...(byObject.get(row.object) ?? []), row]);
    for (const [name, expected] of byObject) {
      const spec = readObject(corpus.read(name), name);
      const verifier = new ObjectVerifier(spec, target === undefined ? {} : { target });
      for (const row of expected) {
        const program = spec.programs.find((candidate) => candidate.name === row.program);
        if (program === undefined) continue;
        const notes = annotationsOf(spec, program);
        const kind = { progType: PROG_TYPE_NAMES.indexOf(row.progType), attachType: program.attachType };
        const isRefused = row.verdict === 'reject' && row.messages === 'ok';
        const logLevel = isRefused && !row.message.includes('too large') ? notes.logLevel : 0;
        const result = verifier.verify(program, { kind, flags: notes.flags, stats: true, logLevel, cpus: 2 });
        const isAlike = result.verdict === row.verdict;
        const isNet = !NOT_NETWORKING.includes(row.progType);
        counts.all++;
        if (isAlike) counts.alike++;
        if (isNet) counts.net++;
        if (isNet && isAlike) counts.netAlike++;
        if (!isAlike && result.verdict === 'accept') unsafe.push(`${name} ${row.program}: ${row.message}`);
        if (!isAlike || logLevel === 0) continue;
        counts.messages++;
        if (notes.missingMessage(result.log) === undefined) counts.messagesFound++;
      }
    }
    console.log(JSON.stringify(counts));
    expect(unsafe).toEqual([]);
    expect(counts.alike / counts.all).toBeGreaterThanOrEqual(0.97);
    expect(counts.netAlike / counts.net).toBeGreaterThanOrEqual(0.99);
    expect(counts.messagesFound / counts.messages).toBeGreaterThanOrEqual(0.95);
  });
});
