/** A refusal for people: what rule was broken, what was needed and what was there, and what to do about it. */
import { fieldAt } from '../progs/ctx/field.js';
import { progTypeRow } from '../progs/prog-table.js';
import type { ProgType } from '../progs/prog-types.js';
import { progTypeName } from '../progs/prog-types.js';

export interface Explanation {
  /** The rule, in a sentence. */
  readonly rule: string;
  readonly needed?: string;
  readonly actual?: string;
  readonly cure: string;
}

type Rule = readonly [pattern: RegExp, explain: (match: RegExpExecArray, progType: ProgType) => Explanation];

const bytes = (count: number): string => `${count} byte${count === 1 ? '' : 's'}`;

function contextAccess(off: number, size: number, progType: ProgType): Explanation {
  const layout = progTypeRow(progType)?.ctx;
  const field = layout === undefined ? undefined : fieldAt(layout, off);
  const struct = layout === undefined ? 'the context' : `struct ${layout.name}`;
  const type = progTypeName(progType);
  if (field === undefined) {
    return {
      rule: `programs of type ${type} may not touch this part of ${struct}`,
      actual: `${bytes(size)} at offset ${off}, where they have no field`,
      cure: 'use a field that this program type has, or a helper that gives the same',
    };
  }
  const widths = field.write === 'none' ? 'it can only be read' : 'it can be read and written';
  return {
    rule: `field ${field.name} of ${struct} cannot be used like this by programs of type ${type}`,
    needed: `${bytes(field.width)} at a time; ${widths}`,
    actual: `an access of ${bytes(size)} at offset ${off}`,
    cure:
      field.write === 'none'
        ? `do not write ${field.name}: keep your value in a map, or change the packet itself`
        : `read or write ${field.name} as a whole`,
  };
}

/** The first that matches one of the messages explains them. */
const RULES: readonly Rule[] = [
  [
    /R(\d+) invalid mem access '(\w+?)_or_null_?'/,
    ([, reg, kind]) => ({
      rule: 'a pointer that may be NULL is used before it was compared with NULL',
      needed: `R${reg}: ${kind.replaceAll('_', ' ')}`,
      actual: `R${reg}: ${kind.replaceAll('_', ' ')}, or NULL`,
      cure: 'return, or skip the access, when the pointer is NULL: if (!ptr) return 0;',
    }),
  ],
  [
    /R(\d+) pointer arithmetic on (\w+?)_or_null prohibited/,
    ([, reg, kind]) => ({
      rule: 'a pointer that may be NULL is moved before it was compared with NULL',
      actual: `R${reg}: ${kind.replaceAll('_', ' ')}, or NULL`,
      cure: 'compare it with NULL first: if (!ptr) return 0;',
    }),
  ],
  [
    /invalid access to packet, off=(-?\d+) size=(\d+), R(\d+)\(id=\d+,off=-?\d+,r=(\d+)\)/,
    ([, off, size, reg, range]) => {
      const end = Number(off) + Number(size);
      const isUnchecked = range === '0';
      return {
        rule: isUnchecked
          ? 'packet bytes are used that were not compared with data_end'
          : 'the comparison with data_end covers fewer bytes than are used',
        needed: `${bytes(end)} behind the start of R${reg}'s packet pointer`,
        actual: isUnchecked ? 'none was checked on this path' : `${bytes(Number(range))} were checked`,
        cure: `check as many bytes as you use: if (ptr + ${end} > data_end) return ...;`,
      };
    },
  ],
  [
    /invalid access to map (value|key), (?:value|key)_size=(\d+) off=(-?\d+) size=(\d+)/,
    ([, what, limit, off, size]) => ({
      rule: `the access leaves the map's ${what}`,
      needed: `all of the ${bytes(Number(size))} within ${bytes(Number(limit))}`,
      actual: `bytes ${off} to ${Number(off) + Number(size) - 1}`,
      cure: 'bound the index before it is used: if (i >= sizeof(array)) return ...; mind the last element',
    }),
  ],
  [
    /R(\d+) (unbounded memory access|min value is negative)/,
    ([, reg, what]) => ({
      rule: 'an index or size without a known limit is used to address memory',
      needed: 'a smallest value of 0 and a largest within the memory',
      actual: `R${reg}: ${what === 'unbounded memory access' ? 'no largest value is known' : 'it may be negative'}`,
      cure: 'make it unsigned and compare it with the limit, or mask it: i &= SIZE - 1;',
    }),
  ],
  [
    /R(\d+) !read_ok/,
    ([, reg]) => ({
      rule: 'a register is read that nothing was written to on this path',
      actual: `R${reg}: never set (r0 is set by a call, r1 is the context at the start, r1 to r5 are lost in calls)`,
      cure: 'initialise the variable on every path',
    }),
  ],
  [
    /invalid (?:indirect )?read from stack (?:R\d+ )?(?:off (-?\d+)|var_off)/,
    ([, off]) => ({
      rule: 'stack bytes are read that were not written on this path',
      ...(off === undefined ? {} : { actual: `the stack at fp${off}` }),
      cure: 'initialise the whole variable, padding included: struct key key = {};',
    }),
  ],
  [
    /Unreleased reference id=(\d+) alloc_insn=(\d+)/,
    ([, id, pc]) => ({
      rule: 'a reference that the program got is not given back on this path',
      actual: `reference ${id}, taken by instruction ${pc}, is still held at the end`,
      cure: 'release it on every path: bpf_sk_release(sk), bpf_ringbuf_submit or _discard',
    }),
  ],
  [
    /program of this type cannot use helper (\w+)#\d+/,
    ([, name], progType) => ({
      rule: `${name} is not for programs of type ${progTypeName(progType)}`,
      cure: 'use a helper that this program type has, or another program type (docs/support.md lists both)',
    }),
  ],
  [
    /cannot call GPL-restricted function/,
    () => ({
      rule: 'this helper is only for programs under a GPL-compatible license',
      cure: 'char _license[] SEC("license") = "GPL";',
    }),
  ],
  [
    /At (?:program exit|callback return|async callback return) the register R0 (?:has(.*) should have been in \[(-?\d+), (-?\d+)\]|is not a known value \((\w+)\))/,
    ([, has, min, max, kind], progType) =>
      kind === undefined
        ? {
            rule: `programs of type ${progTypeName(progType)} may only return certain values here`,
            needed: `a value from ${min} to ${max}`,
            actual: has.trim() === '' ? 'any value' : has.trim(),
            cure: `return ${min} or ${max} by name, on every path`,
          }
        : {
            rule: 'a pointer would leave the program as its return value',
            needed: 'a number',
            actual: `a pointer (${kind})`,
            cure: 'return a number; do not return addresses',
          },
  ],
  [
    /R(\d+) leaks addr/,
    ([, reg]) => ({
      rule: 'an address would become visible outside of the program',
      actual: `R${reg} holds a pointer`,
      cure: 'store what the pointer points to, not the pointer',
    }),
  ],
  [
    /infinite loop detected at insn (\d+)|too large\. Processed (\d+) insn|back-edge/,
    ([, pc]) => ({
      rule: 'a loop has no end that can be seen',
      needed: 'a counter that changes in every round and a constant limit',
      actual:
        pc === undefined
          ? 'a million instructions were followed without an end'
          : `nothing changes between two rounds at instruction ${pc}`,
      cure: 'for (int i = 0; i < LIMIT; i++), bpf_loop(), bpf_for() or may_goto',
    }),
  ],
  [
    /invalid bpf_context access off=(-?\d+) size=(\d+)/,
    ([, off, size], progType) => contextAccess(Number(off), Number(size), progType),
  ],
  [
    /R(\d+) type=(\w+?)_or_null expected=/,
    ([, reg, kind]) => ({
      rule: 'a pointer that may be NULL is passed on before it was compared with NULL',
      needed: `R${reg}: ${kind.replaceAll('_', ' ')}`,
      actual: `R${reg}: ${kind.replaceAll('_', ' ')}, or NULL`,
      cure: 'return, or skip the call, when the pointer is NULL: if (!ptr) return 0;',
    }),
  ],
  [
    /R(\d+) type=(\S+) expected=(.*)/,
    ([, reg, type, expected]) => ({
      rule: 'an argument is not what the function takes',
      needed: expected,
      actual: `R${reg}: ${type}`,
      cure: 'pass what its documentation asks for; compare with NULL what may be NULL',
    }),
  ],
  [
    /(invalid (?:variable-offset )?(?:write to|read from|indirect access to) stack.*)/,
    ([, what]) => ({
      rule: 'the access leaves the 512 bytes of the stack frame',
      actual: what,
      cure: 'bound the index of the array on the stack',
    }),
  ],
  [
    /cannot write into packet/,
    (_match, progType) => ({
      rule: `programs of type ${progTypeName(progType)} may only read packets`,
      cure: 'use bpf_skb_store_bytes(), or another program type',
    }),
  ],
  [
    /combined stack size of (\d+) calls is (\d+)/,
    ([, calls, size]) => ({
      rule: 'functions that call each other use too much stack together',
      needed: 'at most 512 bytes',
      actual: `${size} bytes in ${calls} calls`,
      cure: 'move large variables to a map, or inline less',
    }),
  ],
  [
    /bpf_spin_lock-ed region|while holding a lock/,
    () => ({
      rule: 'with a spin lock held a program may neither end nor call functions',
      cure: 'bpf_spin_unlock() before it, on every path',
    }),
  ],
];

/** undefined where the messages say all there is to say. Later messages are the more general ones. */
export function explain(messages: readonly string[], progType: ProgType): Explanation | undefined {
  const recent = messages.slice(-4);
  for (const [pattern, make] of RULES) {
    for (const message of recent) {
      const match = pattern.exec(message);
      if (match !== null) return make(match, progType);
    }
  }
  return undefined;
}
