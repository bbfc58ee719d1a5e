/**
 * THE instruction table. A row per instruction; decode, encode, disassembly, assembly, the structural checks, the
 * control-flow graph, docs/isa.md and generated tests derive from it. Sources: RFC 9669, and the kernel's
 * Documentation/bpf/standardization for the additions of CPU v4 and later.
 *
 * An instruction slot is 8 bytes (little-endian layout):
 *
 *      0      1           2        4                8
 *      +------+-----+-----+--------+----------------+
 *      |opcode| dst | src | off:16 |     imm:32     |
 *      +------+-----+-----+--------+----------------+
 *              low 4  high 4
 *
 * `npm run gen` derives `op.gen.ts` (the dense `Op` enum) from the order of the rows here.
 */

export type OpKind =
  | 'alu' // dst = dst OP (src|imm)
  | 'neg' // dst = -dst
  | 'end' // byte swaps of dst
  | 'movsx' // dst = sign-extended src
  | 'addr_space_cast'
  | 'ldx' // dst = *(uN *)(src + off)
  | 'ldsx' // dst = *(sN *)(src + off)
  | 'st' // *(uN *)(dst + off) = imm
  | 'stx' // *(uN *)(dst + off) = src
  | 'atomic'
  | 'ldabs' // r0 = ntoh(*(uN *)(packet + imm))
  | 'ldind' // r0 = ntoh(*(uN *)(packet + src + imm))
  | 'lddw' // dst = imm64, two slots
  | 'ja'
  | 'jcc'
  | 'may_goto'
  | 'call' // helper by id
  | 'call_sub' // bpf-to-bpf
  | 'call_kfunc'
  | 'callx' // call through a register; clang emits it, kernels refuse it
  | 'exit';

/** What a field of the instruction means; `zero` fields are reserved and must be 0. */
export type FieldUse = 'zero' | 'reg' | 'imm' | 'off' | 'jump' | 'select' | 'any';

/** Conformance groups of RFC 9669 section 2.4; `kernel` is what the RFC leaves out. */
export type Group =
  'base32' | 'base64' | 'divmul32' | 'divmul64' | 'atomic32' | 'atomic64' | 'packet' | 'kernel';

export type AluOp =
  | 'add' | 'sub' | 'mul' | 'div' | 'or' | 'and' | 'lsh' | 'rsh' | 'mod' | 'xor' | 'mov' | 'arsh' | 'sdiv' | 'smod'; // prettier-ignore

export type JmpCond =
  | 'jeq' | 'jgt' | 'jge' | 'jset' | 'jne' | 'jsgt' | 'jsge' | 'jlt' | 'jle' | 'jslt' | 'jsle'; // prettier-ignore

export type AtomicOp = 'add' | 'or' | 'and' | 'xor' | 'xchg' | 'cmpxchg' | 'load_acq' | 'store_rel';

export interface OpRow {
  /** Unique, e.g. `add64_imm`; the name of the member of `Op`. */
  readonly name: string;
  readonly opcode: number;
  readonly kind: OpKind;
  /** The field that tells this row from others with the same opcode byte, and its value. */
  readonly select?: { readonly field: 'off' | 'imm' | 'src'; readonly value: number };
  readonly dst: FieldUse;
  readonly src: FieldUse;
  readonly off: FieldUse;
  readonly imm: FieldUse;
  /** 2 for lddw, else 1. */
  readonly slots: 1 | 2;
  /** Bits of the operation: the ALU or comparison width, or the size of the memory access. */
  readonly width: 8 | 16 | 32 | 64;
  /** The ALU operation, comparison or atomic operation without width and source. */
  readonly sub?: AluOp | JmpCond | AtomicOp | 'le' | 'be' | 'bswap';
  /** Second operand is a register (true) or the immediate (false). */
  readonly srcReg: boolean;
  /** Atomics that return the old value (in src, or r0 for cmpxchg). */
  readonly fetch?: boolean;
  readonly group: Group;
  /** CPU version of LLVM's BPF target that first has it. */
  readonly cpu: 1 | 2 | 3 | 4;
  /** The effect in C. */
  readonly effect: string;
  /**
   * As the kernel's verifier log prints it. Placeholders: `{dst}` `{src}` register numbers, `{imm}` signed, `{imm:x}`
   * hexadecimal, `{imm:hi}` `{imm:lo}` its halves, `{imm64}`, `{next}` the second slot's imm, unsigned, `{off}` with its sign,
   * `{jump}` a distance with its sign, `{name}` of a function called.
   */
  readonly syntax: string;
  /** In the dialect of the public conformance data files; placeholders as in `syntax`. */
  readonly mnemonic: string;
  /** imm of the second slot of a lddw: used, or reserved. */
  readonly next?: 'imm' | 'zero';
  readonly reads: readonly RegUse[];
  readonly writes: readonly RegUse[];
}

/** Registers that an instruction names by a field, and those that it implies; `args` are r1 to r5. */
export type RegUse = 'dst' | 'src' | 'r0' | 'args' | 'r6';

// Instruction classes, sizes, modes and operation codes of RFC 9669 section 3 and the kernel's uapi/linux/bpf.h.
const CLASS = { LD: 0, LDX: 1, ST: 2, STX: 3, ALU: 4, JMP: 5, JMP32: 6, ALU64: 7 } as const;
const SIZE = { 32: 0x00, 16: 0x08, 8: 0x10, 64: 0x18 } as const;
const MODE = { IMM: 0x00, ABS: 0x20, IND: 0x40, MEM: 0x60, MEMSX: 0x80, ATOMIC: 0xc0 } as const;
const SRC_REG = 0x08;
const LETTER = { 8: 'b', 16: 'h', 32: 'w', 64: 'dw' } as const;

const ALU_OPS: readonly (readonly [AluOp, number, string])[] = [
  ['add', 0x00, '+='],
  ['sub', 0x10, '-='],
  ['mul', 0x20, '*='],
  ['div', 0x30, '/='],
  ['or', 0x40, '|='],
  ['and', 0x50, '&='],
  ['lsh', 0x60, '<<='],
  ['rsh', 0x70, '>>='],
  ['mod', 0x90, '%='],
  ['xor', 0xa0, '^='],
  ['mov', 0xb0, '='],
  ['arsh', 0xc0, 's>>='],
  ['sdiv', 0x30, 's/='],
  ['smod', 0x90, 's%='],
];

const JMP_CONDS: readonly (readonly [JmpCond, number, string])[] = [
  ['jeq', 0x10, '=='],
  ['jgt', 0x20, '>'],
  ['jge', 0x30, '>='],
  ['jset', 0x40, '&'],
  ['jne', 0x50, '!='],
  ['jsgt', 0x60, 's>'],
  ['jsge', 0x70, 's>='],
  ['jlt', 0xa0, '<'],
  ['jle', 0xb0, '<='],
  ['jslt', 0xc0, 's<'],
  ['jsle', 0xd0, 's<='],
];

/** C operator of an ALU operation or comparison, as the kernel's verifier log prints it. */
export const OPERATOR: Readonly<Record<AluOp | JmpCond, string>> = Object.fromEntries(
  [...ALU_OPS, ...JMP_CONDS].map(([name, , text]) => [name, text]),
) as Record<AluOp | JmpCond, string>;

/** Registers read and written by each kind; atomics that return the old value, and ALU operations, add to it. */
const REGS: Readonly<Record<OpKind, readonly [reads: readonly RegUse[], writes: readonly RegUse[]]>> = {
  alu: [['dst'], ['dst']],
  neg: [['dst'], ['dst']],
  end: [['dst'], ['dst']],
  movsx: [['src'], ['dst']],
  addr_space_cast: [['src'], ['dst']],
  ldx: [['src'], ['dst']],
  ldsx: [['src'], ['dst']],
  st: [['dst'], []],
  stx: [['dst', 'src'], []],
  atomic: [['dst', 'src'], []],
  // r6 holds the context by convention: the kernel's checker requires it.
  ldabs: [['r6'], ['r0', 'args']],
  ldind: [
    ['src', 'r6'],
    ['r0', 'args'],
  ],
  lddw: [[], ['dst']],
  ja: [[], []],
  jcc: [['dst'], []],
  may_goto: [[], []],
  call: [['args'], ['r0', 'args']],
  call_sub: [['args'], ['r0', 'args']],
  call_kfunc: [['args'], ['r0', 'args']],
  callx: [
    ['dst', 'args'],
    ['r0', 'args'],
  ],
  exit: [['r0'], []],
};

function registersOf(input: RowInput): Pick<OpRow, 'reads' | 'writes'> {
  const [reads, writes] = REGS[input.kind];
  if (input.kind === 'alu') {
    const operands: RegUse[] = input.sub === 'mov' ? [] : ['dst'];
    return { reads: input.srcReg ? [...operands, 'src'] : operands, writes };
  }
  if (input.kind === 'jcc') return { reads: input.srcReg ? ['dst', 'src'] : ['dst'], writes };
  if (input.sub === 'load_acq') return { reads: ['src'], writes: ['dst'] };
  if (input.sub === 'cmpxchg') return { reads: ['dst', 'src', 'r0'], writes: ['r0'] };
  if (input.kind === 'atomic' && input.fetch === true) return { reads, writes: ['src'] };
  return { reads, writes };
}

type RowInput = Partial<OpRow> &
  Pick<OpRow, 'name' | 'opcode' | 'kind' | 'group' | 'effect' | 'syntax' | 'mnemonic'>;

const row = (input: RowInput): OpRow => ({
  ...registersOf(input),
  dst: 'zero',
  src: 'zero',
  off: 'zero',
  imm: 'zero',
  slots: 1,
  width: 64,
  srcReg: false,
  cpu: 1,
  ...input,
});

function* aluRows(): Generator<OpRow> {
  for (const width of [64, 32] as const) {
    const cls = width === 64 ? CLASS.ALU64 : CLASS.ALU;
    const r = width === 64 ? 'r' : 'w';
    const suffix = width === 64 ? '' : '32';
    for (const [sub, code, text] of ALU_OPS) {
      const isSigned = sub === 'sdiv' || sub === 'smod';
      const isDivMul = isSigned || sub === 'div' || sub === 'mod' || sub === 'mul';
      const hasOffVariants = isSigned || sub === 'div' || sub === 'mod' || sub === 'mov';
      for (const srcReg of [false, true]) {
        yield row({
          name: `${sub}${width}_${srcReg ? 'reg' : 'imm'}`,
          opcode: cls | code | (srcReg ? SRC_REG : 0),
          kind: 'alu',
          sub,
          width,
          srcReg,
          dst: 'reg',
          ...(srcReg ? { src: 'reg' as const } : { imm: 'imm' as const }),
          ...(hasOffVariants && (srcReg || sub !== 'mov')
            ? { off: 'select' as const, select: { field: 'off' as const, value: isSigned ? 1 : 0 } }
            : {}),
          group: isDivMul ? (width === 64 ? 'divmul64' : 'divmul32') : width === 64 ? 'base64' : 'base32',
          cpu: isSigned ? 4 : 1,
          effect: `${r}[dst] ${text} ${srcReg ? `${r}[src]` : 'imm'}`,
          syntax: `${r}{dst} ${text} ${srcReg ? `${r}{src}` : '{imm}'}`,
          mnemonic: `${sub}${suffix} %r{dst}, ${srcReg ? '%r{src}' : '{imm}'}`,
        });
      }
    }
    yield row({
      name: `neg${width}`,
      opcode: cls | 0x80,
      kind: 'neg',
      width,
      dst: 'reg',
      group: width === 64 ? 'base64' : 'base32',
      effect: `${r}[dst] = -${r}[dst]`,
      syntax: `${r}{dst} = -${r}{dst}`,
      mnemonic: `neg${suffix} %r{dst}`,
    });
    for (const bits of [8, 16, 32] as const) {
      if (bits >= width) continue;
      yield row({
        name: `movsx${bits}to${width}`,
        opcode: cls | 0xb0 | SRC_REG,
        kind: 'movsx',
        select: { field: 'off', value: bits },
        width,
        srcReg: true,
        dst: 'reg',
        src: 'reg',
        off: 'select',
        group: width === 64 ? 'base64' : 'base32',
        cpu: 4,
        effect: `${r}[dst] = (s${bits})${r}[src]`,
        syntax: `${r}{dst} = (s${bits})${r}{src}`,
        mnemonic: `movsx${bits}${width} %r{dst}, %r{src}`,
      });
    }
  }
  for (const [sub, opcode, cpu] of [
    ['le', CLASS.ALU | 0xd0, 1],
    ['be', CLASS.ALU | 0xd0 | SRC_REG, 1],
    ['bswap', CLASS.ALU64 | 0xd0, 4],
  ] as const) {
    for (const width of [16, 32, 64] as const) {
      yield row({
        name: `${sub}${width}`,
        opcode,
        kind: 'end',
        sub,
        select: { field: 'imm', value: width },
        width,
        dst: 'reg',
        imm: 'select',
        group: width === 64 ? 'base64' : 'base32',
        cpu,
        effect: `r[dst] = ${sub}${width}(r[dst])`,
        syntax: `r{dst} = ${sub}${width} r{dst}`,
        mnemonic: `${sub === 'bswap' ? 'swap' : sub}${width} %r{dst}`,
      });
    }
  }
  yield row({
    name: 'addr_space_cast',
    opcode: CLASS.ALU64 | 0xb0 | SRC_REG,
    kind: 'addr_space_cast',
    select: { field: 'off', value: 1 },
    srcReg: true,
    dst: 'reg',
    src: 'reg',
    off: 'select',
    imm: 'any',
    group: 'kernel',
    cpu: 4,
    effect: 'r[dst] = addr_space_cast(r[src], imm >> 16, imm & 0xffff)',
    syntax: 'r{dst} = addr_space_cast(r{src}, {imm:hi}, {imm:lo})',
    mnemonic: 'addr_space_cast %r{dst}, %r{src}, {imm:hi}, {imm:lo}',
  });
}

function* memoryRows(): Generator<OpRow> {
  for (const width of [8, 16, 32, 64] as const) {
    const group = width === 64 ? 'base64' : 'base32';
    const letter = LETTER[width];
    const reg = { dst: 'reg', src: 'reg', off: 'off' } as const;
    yield row({
      name: `ldx${width}`,
      opcode: CLASS.LDX | MODE.MEM | SIZE[width],
      kind: 'ldx',
      width,
      srcReg: true,
      ...reg,
      group,
      effect: `r[dst] = *(u${width} *)(r[src] + off)`,
      syntax: `r{dst} = *(u${width} *)(r{src} {off})`,
      mnemonic: `ldx${letter} %r{dst}, [%r{src}{off}]`,
    });
    if (width !== 64) {
      yield row({
        name: `ldxs${width}`,
        opcode: CLASS.LDX | MODE.MEMSX | SIZE[width],
        kind: 'ldsx',
        width,
        srcReg: true,
        ...reg,
        group: 'base64',
        cpu: 4,
        effect: `r[dst] = *(s${width} *)(r[src] + off)`,
        syntax: `r{dst} = *(s${width} *)(r{src} {off})`,
        mnemonic: `ldx${letter}sx %r{dst}, [%r{src}{off}]`,
      });
    }
    yield row({
      name: `st${width}`,
      opcode: CLASS.ST | MODE.MEM | SIZE[width],
      kind: 'st',
      width,
      dst: 'reg',
      off: 'off',
      imm: 'imm',
      group,
      effect: `*(u${width} *)(r[dst] + off) = imm`,
      syntax: `*(u${width} *)(r{dst} {off}) = {imm}`,
      mnemonic: `st${letter} [%r{dst}{off}], {imm}`,
    });
    yield row({
      name: `stx${width}`,
      opcode: CLASS.STX | MODE.MEM | SIZE[width],
      kind: 'stx',
      width,
      srcReg: true,
      ...reg,
      group,
      effect: `*(u${width} *)(r[dst] + off) = r[src]`,
      syntax: `*(u${width} *)(r{dst} {off}) = r{src}`,
      mnemonic: `stx${letter} [%r{dst}{off}], %r{src}`,
    });
  }
  yield* atomicRows();
  for (const width of [8, 16, 32] as const) {
    yield row({
      name: `ldabs${width}`,
      opcode: CLASS.LD | MODE.ABS | SIZE[width],
      kind: 'ldabs',
      width,
      imm: 'imm',
      group: 'packet',
      effect: `r0 = ntoh${width}(packet[imm]), or exit 0 beyond its end; r1..r5 are lost`,
      syntax: `r0 = *(u${width} *)skb[{imm}]`,
      mnemonic: `ldabs${LETTER[width]} {imm}`,
    });
    yield row({
      name: `ldind${width}`,
      opcode: CLASS.LD | MODE.IND | SIZE[width],
      kind: 'ldind',
      width,
      srcReg: true,
      src: 'reg',
      imm: 'imm',
      group: 'packet',
      effect: `r0 = ntoh${width}(packet[r[src] + imm]), or exit 0 beyond its end; r1..r5 are lost`,
      syntax: `r0 = *(u${width} *)skb[r{src} + {imm}]`,
      mnemonic: `ldind${LETTER[width]} %r{src}, {imm}`,
    });
  }
}

function* atomicRows(): Generator<OpRow> {
  const codes: readonly (readonly [AtomicOp, number])[] = [
    ['add', 0x00],
    ['or', 0x40],
    ['and', 0x50],
    ['xor', 0xa0],
    ['xchg', 0xe1],
    ['cmpxchg', 0xf1],
    ['load_acq', 0x100],
    ['store_rel', 0x110],
  ];
  for (const [sub, code] of codes) {
    const isLoadStore = sub === 'load_acq' || sub === 'store_rel';
    const isArith = code < 0xe0;
    for (const fetch of isArith ? [false, true] : [!isLoadStore]) {
      for (const width of isLoadStore ? ([8, 16, 32, 64] as const) : ([32, 64] as const)) {
        yield row({
          name: `atomic_${isArith && fetch ? 'fetch_' : ''}${sub}${width}`,
          opcode: CLASS.STX | MODE.ATOMIC | SIZE[width],
          kind: 'atomic',
          sub,
          fetch,
          select: { field: 'imm', value: isArith && fetch ? code | 1 : code },
          width,
          srcReg: true,
          dst: 'reg',
          src: 'reg',
          off: 'off',
          imm: 'select',
          group: isLoadStore ? 'kernel' : width === 64 ? 'atomic64' : 'atomic32',
          cpu: isLoadStore ? 4 : sub === 'add' && !fetch ? 1 : 3,
          effect: atomicEffect(sub, width, fetch),
          ...atomicSyntax(sub, width, fetch),
        });
      }
    }
  }
}

function atomicEffect(sub: AtomicOp, width: number, fetch: boolean): string {
  const place = `*(u${width} *)(r[dst] + off)`;
  switch (sub) {
    case 'xchg':
      return `r[src] = xchg(${place}, r[src])`;
    case 'cmpxchg':
      return `r0 = cmpxchg(${place}, r0, r[src])`;
    case 'load_acq':
      return `r[dst] = load_acquire(*(u${width} *)(r[src] + off))`;
    case 'store_rel':
      return `store_release(${place}, r[src])`;
    default: {
      const op = { add: '+=', or: '|=', and: '&=', xor: '^=' }[sub];
      return fetch ? `tmp = ${place}; ${place} ${op} r[src]; r[src] = tmp` : `lock ${place} ${op} r[src]`;
    }
  }
}

function atomicSyntax(sub: AtomicOp, width: number, fetch: boolean): Pick<OpRow, 'syntax' | 'mnemonic'> {
  const place = `(u${width} *)(r{dst} {off})`;
  const bits = width === 64 ? '64' : '';
  const suffix = width === 64 ? '' : String(width);
  const store = `[%r{dst}{off}], %r{src}`;
  switch (sub) {
    case 'xchg':
      return {
        syntax: `r{src} = atomic${bits}_xchg(${place}, r{src})`,
        mnemonic: `lock xchg${suffix} ${store}`,
      };
    case 'cmpxchg':
      return {
        syntax: `r0 = atomic${bits}_cmpxchg(${place}, r0, r{src})`,
        mnemonic: `lock cmpxchg${suffix} ${store}`,
      };
    case 'load_acq':
      return {
        syntax: `r{dst} = load_acquire((u${width} *)(r{src} {off}))`,
        mnemonic: `lock load_acq${suffix} %r{dst}, [%r{src}{off}]`,
      };
    case 'store_rel':
      return { syntax: `store_release(${place}, r{src})`, mnemonic: `lock store_rel${suffix} ${store}` };
    default:
      return fetch
        ? {
            syntax: `r{src} = atomic${bits}_fetch_${sub}(${place}, r{src})`,
            mnemonic: `lock fetch_${sub}${suffix} ${store}`,
          }
        : {
            syntax: `lock *${place} ${OPERATOR[sub]} r{src}`,
            mnemonic: `lock ${sub}${suffix} ${store}`,
          };
  }
}

function* lddwRows(): Generator<OpRow> {
  const variants = [
    ['lddw', 'imm', '{imm64}', 'r[dst] = imm64'],
    ['lddw_map_fd', 'zero', 'map[fd:{imm}]', 'r[dst] = map_by_fd(imm)'],
    ['lddw_map_value', 'imm', 'map[fd:{imm}][0]+{next}', 'r[dst] = map_value(map_by_fd(imm)) + next_imm'],
    [
      'lddw_btf_id',
      'imm',
      'btf[fd:{next}][id:{imm}]',
      'r[dst] = address of the kernel variable with BTF id imm',
    ],
    ['lddw_func', 'zero', 'subprog[{jump}]', 'r[dst] = address of the subprogram at pc + imm + 1'],
    ['lddw_map_idx', 'zero', 'map[idx:{imm}]', 'r[dst] = map_by_idx(imm)'],
    [
      'lddw_map_idx_value',
      'imm',
      'map[idx:{imm}][0]+{next}',
      'r[dst] = map_value(map_by_idx(imm)) + next_imm',
    ],
  ] as const;
  for (const [value, [name, next, operand, effect]] of variants.entries()) {
    yield row({
      name,
      opcode: CLASS.LD | MODE.IMM | SIZE[64],
      kind: 'lddw',
      select: { field: 'src', value },
      slots: 2,
      dst: 'reg',
      src: 'select',
      imm: name === 'lddw_func' ? 'jump' : 'imm',
      next,
      group: 'base64',
      syntax: `r{dst} = ${operand}`,
      mnemonic: `lddw %r{dst}, ${operand}`,
      effect,
    });
  }
}

function* jumpRows(): Generator<OpRow> {
  yield row({
    name: 'ja',
    opcode: CLASS.JMP,
    kind: 'ja',
    off: 'jump',
    group: 'base32',
    effect: 'pc += off + 1',
    syntax: 'goto pc{jump}',
    mnemonic: 'ja {jump}',
  });
  yield row({
    name: 'ja32',
    opcode: CLASS.JMP32,
    kind: 'ja',
    width: 32,
    imm: 'jump',
    group: 'base32',
    cpu: 4,
    effect: 'pc += imm + 1',
    syntax: 'gotol pc{jump}',
    mnemonic: 'ja32 {jump}',
  });
  for (const width of [64, 32] as const) {
    const r = width === 64 ? 'r' : 'w';
    const suffix = width === 64 ? '' : '32';
    for (const [sub, code, text] of JMP_CONDS) {
      for (const srcReg of [false, true]) {
        yield row({
          name: `${sub}${width}_${srcReg ? 'reg' : 'imm'}`,
          opcode: (width === 64 ? CLASS.JMP : CLASS.JMP32) | code | (srcReg ? SRC_REG : 0),
          kind: 'jcc',
          sub,
          width,
          srcReg,
          dst: 'reg',
          ...(srcReg ? { src: 'reg' as const } : { imm: 'imm' as const }),
          off: 'jump',
          group: width === 64 ? 'base64' : 'base32',
          cpu: width === 32 ? 3 : ['jlt', 'jle', 'jslt', 'jsle'].includes(sub) ? 2 : 1,
          effect: `if (${r}[dst] ${text} ${srcReg ? `${r}[src]` : 'imm'}) pc += off + 1`,
          syntax: `if ${r}{dst} ${text} ${srcReg ? `${r}{src}` : '{imm:x}'} goto pc{jump}`,
          mnemonic: `${sub}${suffix} %r{dst}, ${srcReg ? '%r{src}' : '{imm}'}, {jump}`,
        });
      }
    }
  }
  yield row({
    name: 'may_goto',
    opcode: CLASS.JMP | 0xe0,
    kind: 'may_goto',
    off: 'jump',
    group: 'kernel',
    cpu: 4,
    effect: 'if (the loop budget is used up) pc += off + 1',
    syntax: 'may_goto pc{jump}',
    mnemonic: 'may_goto {jump}',
  });
  const call = { opcode: CLASS.JMP | 0x80, group: 'base32' } as const;
  const bySrc = (value: number) => ({ src: 'select', select: { field: 'src', value } }) as const;
  yield row({
    ...call,
    name: 'call',
    kind: 'call',
    ...bySrc(0),
    imm: 'imm',
    effect: 'r0 = helper[imm](r1..r5)',
    syntax: 'call {name}#{imm}',
    mnemonic: 'call {imm}',
  });
  yield row({
    ...call,
    name: 'call_sub',
    kind: 'call_sub',
    ...bySrc(1),
    imm: 'jump',
    effect: 'r0 = subprogram at pc + imm + 1 (r1..r5)',
    syntax: 'call pc{jump}',
    mnemonic: 'call local {jump}',
  });
  yield row({
    ...call,
    name: 'call_kfunc',
    kind: 'call_kfunc',
    ...bySrc(2),
    off: 'any',
    imm: 'imm',
    effect: 'r0 = kfunc with BTF id imm in the BTF object number off (r1..r5)',
    syntax: 'call {name}#{imm}',
    mnemonic: 'call kfunc {imm}, {off}',
  });
  yield row({
    name: 'callx',
    opcode: CLASS.JMP | 0x80 | SRC_REG,
    kind: 'callx',
    dst: 'reg',
    group: 'kernel',
    effect: 'r0 = function at r[dst] (r1..r5); no kernel accepts it',
    syntax: 'callx r{dst}',
    mnemonic: 'callx %r{dst}',
  });
  yield row({
    name: 'exit',
    opcode: CLASS.JMP | 0x90,
    kind: 'exit',
    group: 'base32',
    effect: 'return r0',
    syntax: 'exit',
    mnemonic: 'exit',
  });
}

/** Every instruction, in the order of the `Op` enum. */
export const ROWS: readonly OpRow[] = [...aluRows(), ...memoryRows(), ...lddwRows(), ...jumpRows()];
