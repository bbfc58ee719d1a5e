// docs/isa.md, from the instruction table.

const SECTIONS = [
  ['Arithmetic', ['alu', 'neg']],
  ['Sign extension, byte order and address spaces', ['movsx', 'end', 'addr_space_cast']],
  ['Loads and stores', ['ldx', 'ldsx', 'st', 'stx']],
  ['Atomic operations', ['atomic']],
  ['Packet loads', ['ldabs', 'ldind']],
  ['64-bit constants', ['lddw']],
  ['Jumps', ['ja', 'jcc', 'may_goto']],
  ['Calls and exit', ['call', 'call_sub', 'call_kfunc', 'callx', 'exit']],
];

const GROUPS = ['base32', 'base64', 'divmul32', 'divmul64', 'atomic32', 'atomic64', 'packet', 'kernel'];

const hex = (value) => `0x${value.toString(16).padStart(2, '0')}`;
const code = (text) => `\`${text.replaceAll('|', '\\|')}\``;

/** A template of the table as a reader sees it: `r{dst} += {imm}` becomes `rD += IMM`. */
function readable(template) {
  return template
    .replaceAll('{dst}', 'D')
    .replaceAll('{src}', 'S')
    .replaceAll('{imm:hi}', 'HI')
    .replaceAll('{imm:lo}', 'LO')
    .replaceAll('{imm64}', '0xIMM64')
    .replaceAll('{imm:x}', '0xIMM')
    .replaceAll('{imm}', 'IMM')
    .replaceAll('{next}', 'NEXT')
    .replaceAll('{off}', '+OFF')
    .replaceAll('{jump}', '+N')
    .replaceAll('{name}', 'NAME');
}

function fields(row) {
  const used = ['dst', 'src', 'off', 'imm'].filter((field) => row[field] !== 'zero');
  const text = used.map((field) => (row[field] === 'select' ? `${field} = ${row.select.value}` : field));
  if (row.slots === 2) text.push(row.next === 'imm' ? 'next imm' : 'next imm = 0');
  return text.join(', ');
}

function registers(row) {
  const list = (uses) => (uses.length === 0 ? '-' : uses.join(' '));
  return `${list(row.reads)} / ${list(row.writes)}`;
}

function line(row) {
  const cells = [
    hex(row.opcode),
    fields(row),
    code(readable(row.syntax)),
    code(readable(row.mnemonic)),
    code(row.effect),
    registers(row),
    row.group,
    `v${row.cpu}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

const HEAD = [
  '| opcode | fields | syntax | conformance dialect | effect | reads / writes | group | CPU |',
  '|---|---|---|---|---|---|---|---|',
];

const INTRO = (rows) => `# Instruction set

<!-- Derived from src/isa/ops.ts by \`npm run gen\`; do not edit. -->

${rows.length} instructions: all of RFC 9669, and what kernels added since. An instruction takes a slot of 8 bytes, the loads of a
64-bit constant two; a \`pc\` is always a slot index.

\`\`\`
 0      1           2        4                8
 +------+-----+-----+--------+----------------+
 |opcode| dst | src | off:16 |     imm:32     |   little-endian; dst is the low half of byte 1
 +------+-----+-----+--------+----------------+
\`\`\`

- **fields** names the fields that an instruction uses; one with a value selects the instruction among those of the same
  opcode. All others are reserved: a program in which one is not 0 is refused.
- **syntax** is that of the kernel's verifier log, which \`bpfvm disasm\` prints and \`bpfvm asm\` reads. The conformance
  dialect is that of the public BPF conformance data files; \`bpfvm asm\` reads it too, mixed as one likes. Jumps may name
  a label instead of a distance, \`;\`, \`//\` and \` #\` start comments, and slot numbers and opcode bytes (\`0: (b7)\`) may
  be left out: then \`r1 = 5\` is a mov and \`r1 = 0x5\` (or \`r1 = 5 ll\`) a 64-bit constant.
- **effect**: \`r\` is the 64-bit register, \`w\` its low half; writing a \`w\` clears the upper half. Immediates are
  sign-extended. Division by zero gives 0, the remainder by zero the dividend; the smallest number divided by -1 is itself,
  with remainder 0. Shift counts are taken modulo the width. \`s/=\`, \`s>>=\`, \`s<\` are signed.
- **reads / writes** lists registers by field, with \`args\` for r1 to r5.
- **group** is the conformance group of RFC 9669, or \`kernel\` for instructions outside of it; **CPU** is the version of
  LLVM's target (\`-mcpu=v3\`) that first has it.
`;

const DIFFERENCES = `## Where Linux differs

Found by running random programs here and in Linux 6.18 on x86-64; test/kernel/linux-differences.test.ts has an example of
each. bpfvm runs a program as RFC 9669 says it means.

- \`exit\` with an offset that is not 0 is refused here, and passed over by Linux.
- \`r0 = atomic_cmpxchg((u32 *)...)\` clears the upper half of r0. On x86-64 Linux leaves it alone where the exchange
  succeeds and the verifier saw no later 64-bit use of r0 on that path, because it pruned the path before.
- \`r0 = atomic_cmpxchg\` and the \`atomic_fetch_\` operations on a stack slot that the verifier knows to hold a constant:
  Linux does not note that what follows depends on the constant, may prune another path that stores another value,
  and then removes branches that are taken.
- \`rA += r10\`, where rA holds a number: in a subprogram, Linux's verifier may take the sum to point into the stack of
  the main program. It then believes that slots there are overwritten, and removes branches that are taken.
`;

export function isaDoc(rows) {
  const out = [INTRO(rows)];
  for (const [title, kinds] of SECTIONS) {
    out.push(`## ${title}`, '', ...HEAD);
    out.push(...rows.filter((row) => kinds.includes(row.kind)).map(line), '');
  }
  out.push('## Conformance groups', '', '| group | instructions |', '|---|---|');
  for (const group of GROUPS) {
    out.push(`| ${group} | ${rows.filter((row) => row.group === group).length} |`);
  }
  out.push('', DIFFERENCES);
  return out.join('\n');
}
