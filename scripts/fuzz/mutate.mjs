// Damages ELF objects in ways that a reader is likely to get wrong. The same seed and case give the same bytes.

/** mulberry32: 32 bits of state, good enough to choose damage. */
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    next,
    below: (limit) => (limit <= 0 ? 0 : next() % limit),
    pick: (list) => list[next() % list.length],
  };
}

/** Values at the edges of what sizes, offsets, indices and counts can be. */
const EDGES = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  0x7fn,
  0x80n,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0xfff1n,
  0xffffn,
  0x10000n,
  0xfffffn,
  0x7ffffffen,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x1fffffffffffffn,
  0x20000000000000n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xfffffffffffffff8n,
  0xffffffffffffffffn,
];

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function write(bytes, at, size, value) {
  for (let index = 0; index < size && at + index < bytes.length; index++) {
    bytes[at + index] = Number((value >> BigInt(8 * index)) & 0xffn);
  }
}

/** The sections of an undamaged object: {name, type, header, offset, size}, offsets in the file. */
function layout(bytes) {
  const data = view(bytes);
  const sections = [];
  const table = Number(data.getBigUint64(40, true));
  const count = data.getUint16(60, true);
  const header = (index) => table + 64 * index;
  const strings = Number(data.getBigUint64(header(data.getUint16(62, true)) + 24, true));
  for (let index = 0; index < count; index++) {
    const at = header(index);
    let end = strings + data.getUint32(at, true);
    const start = end;
    while (bytes[end] !== 0) end++;
    sections.push({
      name: String.fromCharCode(...bytes.subarray(start, end)),
      type: data.getUint32(at + 4, true),
      header: at,
      offset: Number(data.getBigUint64(at + 24, true)),
      size: Number(data.getBigUint64(at + 32, true)),
    });
  }
  return sections;
}

/** Fields as [offset, size] of the structures of <elf.h>, 64-bit. */
const EHDR = [
  [4, 1],
  [5, 1],
  [6, 1],
  [7, 1],
  [16, 2],
  [18, 2],
  [20, 4],
  [24, 8],
  [32, 8],
  [40, 8],
  [48, 4],
  [52, 2],
  [54, 2],
  [56, 2],
  [58, 2],
  [60, 2],
  [62, 2],
];
const SHDR = [
  [0, 4],
  [4, 4],
  [8, 8],
  [16, 8],
  [24, 8],
  [32, 8],
  [40, 4],
  [44, 4],
  [48, 8],
  [56, 8],
];
const SYM = [
  [0, 4],
  [4, 1],
  [5, 1],
  [6, 2],
  [8, 8],
  [16, 8],
];
const REL = [
  [0, 8],
  [8, 4],
  [12, 4],
];
const INSN = [
  [0, 1],
  [1, 1],
  [2, 2],
  [4, 4],
];
const WORD = [[0, 4]];
const PROGBITS = 1;
const SYMTAB = 2;
const RELA = 9;

/** A record somewhere in a section, and its fields. */
function recordIn(section, rng) {
  const [size, fields] =
    section.type === SYMTAB
      ? [24, SYM]
      : section.type === RELA
        ? [16, REL]
        : section.type === PROGBITS && !section.name.startsWith('.')
          ? [8, INSN]
          : [4, WORD];
  return { at: section.offset + size * rng.below(Math.floor(section.size / size)), fields };
}

/** A field's new value: an edge, a random number, or the old one moved a little. */
function newValue(bytes, at, size, rng) {
  const kind = rng.below(4);
  if (kind === 0) return BigInt(rng.next());
  if (kind < 3) return rng.pick(EDGES);
  let old = 0n;
  for (let index = size - 1; index >= 0; index--) old = (old << 8n) | BigInt(bytes[at + index] ?? 0);
  return BigInt.asUintN(64, old + BigInt(rng.below(33) - 16));
}

function setField(bytes, base, fields, rng) {
  const [offset, size] = rng.pick(fields);
  write(bytes, base + offset, size, newValue(bytes, base + offset, size, rng));
}

/** Kinds of damage; each changes `bytes` in place or returns others. `sections` are those of the undamaged object. */
const DAMAGE = {
  elfHeader: (bytes, _sections, rng) => setField(bytes, 0, EHDR, rng),
  sectionHeader: (bytes, sections, rng) => setField(bytes, rng.pick(sections).header, SHDR, rng),
  record: (bytes, sections, rng) => {
    const { at, fields } = recordIn(rng.pick(sections), rng);
    setField(bytes, at, fields, rng);
  },
  instruction: (bytes, sections, rng) => {
    const code = sections.filter((s) => s.type === PROGBITS && !s.name.startsWith('.') && s.size >= 8);
    if (code.length === 0) return;
    const { at, fields } = recordIn(rng.pick(code), rng);
    setField(bytes, at, fields, rng);
  },
  typeInfo: (bytes, sections, rng) => {
    const info = sections.filter((s) => s.name.startsWith('.BTF') && s.size > 24);
    if (info.length === 0) return;
    const section = rng.pick(info);
    // Headers are short and most readers trust them: half of the damage goes there.
    const at = section.offset + (rng.below(2) === 0 ? 4 * rng.below(8) : 4 * rng.below(section.size >> 2));
    setField(
      bytes,
      at,
      [
        [0, 1],
        [0, 2],
        [0, 4],
        [2, 2],
        [3, 1],
      ],
      rng,
    );
  },
  bytes: (bytes, _sections, rng) => {
    for (let count = 1 + rng.below(16); count > 0; count--) bytes[rng.below(bytes.length)] = rng.next();
  },
  bit: (bytes, _sections, rng) => {
    bytes[rng.below(bytes.length)] ^= 1 << rng.below(8);
  },
  noTerminators: (bytes, sections, rng) => {
    const { offset, size } = rng.pick(sections);
    for (let at = offset; at < Math.min(offset + size, bytes.length); at++)
      if (bytes[at] === 0) bytes[at] = 0x41;
  },
  swapSections: (bytes, sections, rng) => {
    const [one, two] = [rng.pick(sections).header, rng.pick(sections).header];
    const kept = bytes.slice(one, one + 64);
    bytes.copyWithin(one, two, two + 64);
    bytes.set(kept.subarray(0, Math.max(0, bytes.length - two)), Math.min(two, bytes.length));
  },
  aliasSection: (bytes, sections, rng) => {
    const [from, to] = [rng.pick(sections).header, rng.pick(sections).header];
    bytes.copyWithin(to + 24, from + 24, from + 40);
  },
  moveBlock: (bytes, _sections, rng) => {
    const length = rng.below(256);
    const from = rng.below(bytes.length);
    bytes.copyWithin(rng.below(bytes.length), from, from + length);
  },
  zeroBlock: (bytes, _sections, rng) => {
    const from = rng.below(bytes.length);
    bytes.fill(rng.pick([0, 0xff]), from, from + rng.below(512));
  },
  truncate: (bytes, _sections, rng) => bytes.slice(0, rng.below(bytes.length)),
  extend: (bytes, _sections, rng) => {
    const longer = new Uint8Array(bytes.length + rng.below(4096));
    longer.set(bytes);
    return longer;
  },
};

/** Names of all kinds of damage. */
export const KINDS = Object.keys(DAMAGE);

/** A damaged copy of `original`, and the kinds of damage that were done to it. */
export function mutate(original, rng, allowed = KINDS) {
  const sections = layout(original);
  let bytes = original.slice();
  const kinds = [];
  for (let count = 1 + (rng.below(3) === 0 ? rng.below(6) : 0); count > 0; count--) {
    const kind = rng.pick(allowed);
    kinds.push(kind);
    if (bytes.length < 64) break;
    bytes = DAMAGE[kind](bytes, sections, rng) ?? bytes;
  }
  return { bytes, kinds };
}

/** Generator of case number `index` of a campaign. */
export const caseRandom = (seed, index) =>
  random((Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0);
