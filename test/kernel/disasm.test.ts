import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Btf } from '../../src/btf/btf.js';
import { HELPERS } from '../../src/helpers/registry.js';
import { decode } from '../../src/isa/decode.js';
import type { DisasmNames } from '../../src/isa/disasm.js';
import { formatInsn } from '../../src/isa/disasm.js';
import type { DecodedProgram } from '../../src/isa/insn.js';
import { Op } from '../../src/isa/op.gen.js';
import { ROWS } from '../../src/isa/ops.js';
import { describeLive, runDriver } from './lib/corpus.js';

/** Objects that between them use every kind of instruction that clang and the selftests' assembly make. */
const OBJECTS = [
  'arena_atomics',
  'atomics',
  'bpf_cubic',
  'bpf_flow',
  'cpumask_success',
  'for_each_hash_map_elem',
  'iters',
  'pyperf50',
  'strobemeta_bpf_loop',
  'test_global_func1',
  'test_l4lb',
  'test_sockhash_kern',
  'test_sockmap_kern',
  'test_sockmap_listen',
  'test_xdp',
  'verifier_bswap',
  'verifier_gotol',
  'verifier_iterating_callbacks',
  'verifier_ld_ind',
  'verifier_ldsx',
  'verifier_movsx',
  'verifier_sdiv',
  'verifier_spill_fill',
];

interface KernelProgram {
  readonly name: string;
  readonly insns: DecodedProgram;
  /** The verifier's text by slot: before Linux 6.15 only of the instructions that it met. */
  readonly texts: ReadonlyMap<number, string>;
}

/** Reads the records of the driver verifier_text. */
function parseRecords(output: string): Map<string, KernelProgram[]> {
  const objects = new Map<string, KernelProgram[]>();
  let programs: KernelProgram[] = [];
  let texts = new Map<number, string>();
  for (const line of output.split('\n')) {
    const [kind, first, second, third] = line.split('\t');
    if (kind === 'O') objects.set(path.basename(first, '.bpf.o'), (programs = []));
    else if (kind === 'P' && third !== '') {
      texts = new Map();
      programs.push({ name: first, insns: decode(Uint8Array.from(Buffer.from(third, 'hex'))), texts });
    } else if (kind === 'T') texts.set(Number(first), second);
  }
  return objects;
}

/** The names of helpers and of the running kernel's functions. */
function kernelNames(): DisasmNames {
  const vmlinux = Btf.parse(new Uint8Array(readFileSync('/sys/kernel/btf/vmlinux')), 'vmlinux');
  const helpers = new Map(HELPERS.map((helper) => [helper.id, helper.name]));
  return {
    helper: (id) => helpers.get(id),
    kfunc: (id, object) => (object === 0 ? (vmlinux.type(id) as { readonly name?: string }).name : undefined),
  };
}

/** Since Linux 6.15 the log lists all instructions before it follows the paths: dead ones, too. */
function listsAll(): boolean {
  const [major, minor] = release().split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 15);
}

/** Our text, with what only the kernel knows left out on both sides: addresses of maps, names of module functions. */
function compared(
  insns: DecodedProgram,
  pc: number,
  kernel: string,
  names: DisasmNames,
): readonly [ours: string, kernel: string] {
  const row = ROWS[insns.op[pc]];
  const opcode = `(${insns.bytes[pc * 8].toString(16).padStart(2, '0')}) `;
  const ours = opcode + formatInsn(insns, pc, names);
  if (row.kind === 'lddw' && row.name !== 'lddw') {
    return [ours.replace(/=.*/, '= 0xADDRESS'), kernel.replace(/0x[0-9a-f]+$/, '0xADDRESS')];
  }
  if (insns.op[pc] === Op.call_kfunc && insns.off[pc] !== 0) {
    return [ours.replace(/ [\w-]+#(\d+) btf.*/, ' NAME#$1'), kernel.replace(/ \w+#/, ' NAME#')];
  }
  return [ours, kernel];
}

describeLive('disassembly', (corpus) => {
  it(`equals the verifier's text of every instruction in ${OBJECTS.length} objects`, async () => {
    const { stdout } = await runDriver(
      'verifier_text',
      OBJECTS.map((name) => corpus.path(name)),
    );
    const objects = parseRecords(stdout);
    const names = kernelNames();
    const different: string[] = [];
    const kinds = new Set<string>();
    let instructions = 0;
    let all = 0;
    for (const [object, programs] of objects) {
      for (const { name, insns, texts } of programs) {
        // A program that the kernel refuses before it looks at its instructions has no text.
        if (texts.size === 0) continue;
        all += insns.op.filter((op) => op !== Op.hole).length;
        for (const [pc, text] of texts) {
          const [ours, kernel] = compared(insns, pc, text, names);
          instructions++;
          kinds.add(ROWS[insns.op[pc]].kind);
          if (ours !== kernel)
            different.push(`${object}: ${name}: ${pc}: ours "${ours}", kernel "${kernel}"`);
        }
      }
    }
    console.log(
      `${instructions} of ${all} instructions of ${objects.size} objects, kinds: ${[...kinds].join(' ')}`,
    );
    expect(different).toEqual([]);
    expect(objects.size).toBe(OBJECTS.length);
    expect(instructions).toBeGreaterThan(10_000);
    if (listsAll()) expect(instructions).toBe(all);
  });
});
