/**
 * BPF_PROG_TEST_RUN of the selftest programs against what a live kernel (6.18) gave for the same two packets.
 * Columns of golden/testrun.tsv: object, program, type, packet, outcome, retval or errno, size of the packet
 * afterwards, its first 128 bytes.
 */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Btf } from '../../src/btf/btf.js';
import { CoreTarget } from '../../src/btf/core.js';
import { readObject } from '../../src/elf/read-object.js';
import { ErrnoError, VerifierError } from '../../src/errors.js';
import { BpfVm } from '../../src/bpf-vm.js';
import { MapType } from '../../src/maps/map-types.js';
import type { BpfObject } from '../../src/object.js';
import { testRun } from '../../src/test-run.js';
import { KNOWN } from './golden/known.js';
import type { Corpus } from './lib/corpus.js';
import { describeCorpus } from './lib/corpus.js';

interface Row {
  readonly object: string;
  readonly program: string;
  readonly packet: string;
  readonly succeeds: boolean;
  readonly retval: number;
  readonly size: number;
  readonly head: string;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const PACKETS: Readonly<Record<string, Uint8Array>> = {
  zero64: new Uint8Array(64),
  tcp4: new Uint8Array(
    Buffer.from(
      '02000000000102000000000208004500003200010000400600000a0000010a00000230390050' +
        '0000000100000002501820000000000068656c6c6f776f726c64',
      'hex',
    ),
  ),
};

const ROWS: readonly Row[] = readFileSync(new URL('golden/testrun.tsv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => {
    const [object, program, , packet, outcome, retval, size, head] = line.split('\t');
    return {
      object,
      program,
      packet,
      succeeds: outcome === 'ok',
      retval: Number(retval) >>> 0,
      size: Number(size),
      head: head === '-' ? '' : head,
    };
  });

const VMLINUX = '/sys/kernel/btf/vmlinux';
const kernelTypes = existsSync(VMLINUX)
  ? new CoreTarget(Btf.parse(new Uint8Array(readFileSync(VMLINUX)), 'vmlinux'))
  : undefined;

/** The object that `__btf_path` of verifier_bitfield_write names. */
function targetOf(object: string, corpus: Corpus): CoreTarget | undefined {
  if (object !== 'verifier_bitfield_write') return kernelTypes;
  return new CoreTarget(readObject(corpus.read('btf__core_reloc_bitfields'), 'types').btf!);
}

/** What the kernel's own runner puts into the maps of these objects before it runs their programs. */
function prefill(object: BpfObject): void {
  if (object.name !== 'verifier_array_access' && object.name !== 'verifier_value_ptr_arith') return;
  const value = new Uint8Array(48);
  const view = new DataView(value.buffer);
  view.setUint32(0, 28, true);
  view.setUint32(28, 0xabcdef12, true);
  for (const name of ['map_array_ro', 'map_array_48b'])
    object.maps.get(name)?.updateElem(new Uint8Array(4), value);
}

type EngineName = 'interpreter' | 'wasm';

/** Verified where the verifier takes it; the kernel's did take all of them. */
function load(corpus: Corpus, name: string, program: string, engine: EngineName) {
  const spec = readObject(corpus.read(name), name);
  const targets = spec.maps.flatMap(({ type, initialSlots }) =>
    type === MapType.ProgArray ? [...(initialSlots?.values() ?? [])] : [],
  );
  const target = targetOf(name, corpus);
  const options = {
    programs: [...new Set([program, ...targets])],
    kconfig: { CONFIG_HZ: 250 },
    ...(target === undefined ? {} : { target }),
  };
  const vm = new BpfVm({ engine, cpus: 2 });
  let object: BpfObject;
  try {
    object = vm.load(spec, options);
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error;
    object = vm.load(spec, { ...options, verify: false });
  }
  prefill(object);
  return { vm, program: object.program(program) };
}

/** What a row gives here: empty where it is what the kernel gave. */
function difference(row: Row, run: () => ReturnType<typeof testRun>): string {
  try {
    const { retval, dataOut } = run();
    if (!row.succeeds) return `succeeds with ${retval}`;
    if (retval !== row.retval) return `retval ${retval}, ${row.retval} on Linux`;
    if (dataOut.length !== row.size) return `${dataOut.length} bytes, ${row.size} on Linux`;
    return hex(dataOut.subarray(0, 128)) === row.head ? '' : 'other bytes';
  } catch (error) {
    if (!row.succeeds && error instanceof ErrnoError && error.errno === row.retval) return '';
    return (error as Error).message;
  }
}

/** sk_skb and sk_msg cannot be test-run on Linux and can be here: those rows say nothing. */
const comparable = ROWS.filter(({ succeeds }) => succeeds);
const PROGRAMS = new Map<string, Row[]>();
for (const row of comparable) {
  const name = `${row.object}\t${row.program}`;
  const rows = PROGRAMS.get(name);
  if (rows === undefined) PROGRAMS.set(name, [row]);
  else rows.push(row);
}

describeCorpus('test runs', (corpus) => {
  it.each<EngineName>(['interpreter', 'wasm'])(
    '98 of 100 rows agree with Linux, all others are listed: %s',
    { timeout: 300_000 },
    (engine) => {
      const unexpected: string[] = [];
      const stale: string[] = [];
      let agree = 0;
      for (const [name, rows] of PROGRAMS) {
        const [objectName, programName] = name.split('\t');
        const known = KNOWN.find(
          (entry) =>
            entry.object === objectName &&
            (entry.programs?.includes(programName) ?? true) &&
            (entry.engine ?? engine) === engine,
        );
        let loaded: ReturnType<typeof load> | undefined;
        let failures = 0;
        for (const row of rows) {
          const what = difference(row, () => {
            loaded ??= load(corpus, objectName, programName, engine);
            return testRun(loaded.vm, loaded.program, { dataIn: PACKETS[row.packet] });
          });
          if (what === '') agree++;
          else failures++;
          if (what !== '' && known === undefined)
            unexpected.push(`${objectName} ${programName} ${row.packet}: ${what}`);
        }
        if (known !== undefined && known.sometimes !== true && failures === 0) stale.push(name);
      }
      console.log(`${engine}: ${agree} of ${comparable.length} rows agree`);
      expect(unexpected).toEqual([]);
      expect(stale).toEqual([]);
      expect(agree / comparable.length).toBeGreaterThanOrEqual(0.98);
    },
  );
});
