import { readFileSync } from 'node:fs';
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
  'bpf_flow',
  'bpf_loop',
  'cpumask_success',
  'iters',
  'pyperf50',
  'sockmap_parse_prog',
  'sockmap_tcp_msg_prog',
  'sockmap_verdict_prog',
  'strobemeta_nounroll2',
  'verifier_iterating_callbacks',
  'test_global_func1',
  'test_l4lb',
  'test_sockmap_kern',
  'test_xdp',
  'verifier_bswap',
  'verifier_gotol',
  'verifier_ld_ind',
  'verifier_ldsx',
  'verifier_movsx',
  'verifier_sdiv',
];

interface KernelProgram {
  readonly name: string;
  readonly insns: DecodedProgram;
  /** The verifier's text by slot, of the instructions that it met. */
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

const vmlinux = Btf.parse(new Uint8Array(readFileSync('/sys/kernel/btf/vmlinux')), 'vmlinux');
const helperNames = new Map(HELPERS.map((helper) => [helper.id, helper.name]));

function kfuncName(btfId: number, btfObject: number): string | undefined {
  return btfObject === 0 ? (vmlinux.type(btfId) as { readonly name?: string }).name : undefined;
}

const names: DisasmNames = { helper: (id) => helperNames.get(id), kfunc: kfuncName };

/** Our text, with what only the kernel knows left out on both sides: addresses of maps, names of module functions. */
function compared(
  insns: DecodedProgram,
  pc: number,
  kernel: string,
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
    const different: string[] = [];
    const kinds = new Set<string>();
    let instructions = 0;
    for (const [object, programs] of objects) {
      for (const { name, insns, texts } of programs) {
        for (const [pc, text] of texts) {
          const [ours, kernel] = compared(insns, pc, text);
          instructions++;
          kinds.add(ROWS[insns.op[pc]].kind);
          if (ours !== kernel)
            different.push(`${object}: ${name}: ${pc}: ours "${ours}", kernel "${kernel}"`);
        }
      }
    }
    console.log(`${instructions} instructions of ${objects.size} objects, kinds: ${[...kinds].join(' ')}`);
    expect(different).toEqual([]);
    expect(objects.size).toBe(OBJECTS.length);
    expect(instructions).toBeGreaterThan(10_000);
  });
});
