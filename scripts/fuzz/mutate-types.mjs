// Damages type information and symbols with knowledge of their structure: references turned into cycles, counts that
// nobody has, members at the edges, paths that lead nowhere. The same seed and case give the same bytes.

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

const PTR = 2;
const ARRAY = 3;
const STRUCT = 4;
const UNION = 5;
const FUNC_PROTO = 13;
const VAR = 14;
const DATASEC = 15;
const REFS = new Set([PTR, 8, 9, 10, 11, 12, FUNC_PROTO, VAR, 17, 18]);
/** Bytes that follow the three words of each kind: fixed, and per element. */
const TAILS = {
  1: [4, 0],
  3: [12, 0],
  4: [0, 12],
  5: [0, 12],
  6: [0, 8],
  13: [0, 8],
  14: [4, 0],
  15: [0, 12],
  17: [4, 0],
  19: [0, 12],
};

const EDGES = [
  0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
  0xfffffff8, 0xffffffff,
];

function sections(bytes) {
  const data = view(bytes);
  const table = Number(data.getBigUint64(40, true));
  const header = (index) => table + 64 * index;
  const strings = Number(data.getBigUint64(header(data.getUint16(62, true)) + 24, true));
  return Array.from({ length: data.getUint16(60, true) }, (_, index) => {
    const at = header(index);
    const start = strings + data.getUint32(at, true);
    const name = new TextDecoder().decode(bytes.subarray(start, bytes.indexOf(0, start)));
    return {
      name,
      type: data.getUint32(at + 4, true),
      offset: Number(data.getBigUint64(at + 24, true)),
      size: Number(data.getBigUint64(at + 32, true)),
    };
  });
}

/** Where everything is in an undamaged object. */
function anatomy(bytes) {
  const data = view(bytes);
  const all = sections(bytes);
  const named = (name) => all.find((section) => section.name === name);
  const [btf, ext, symbols] = [named('.BTF'), named('.BTF.ext'), named('.symtab')];
  const types = [];
  if (btf !== undefined) {
    const start = btf.offset + data.getUint32(btf.offset + 4, true) + data.getUint32(btf.offset + 8, true);
    const end = start + data.getUint32(btf.offset + 12, true);
    for (let at = start; at < end;) {
      const info = data.getUint32(at + 4, true);
      const kind = (info >>> 24) & 31;
      const [fixed, each] = TAILS[kind] ?? [0, 0];
      types.push({ id: types.length + 1, at, kind, count: info & 0xffff, tail: at + 12, each });
      at += 12 + fixed + each * (info & 0xffff);
    }
  }
  return {
    types,
    btf,
    ext,
    symbols,
    relocs: all.filter((section) => section.type === 9),
    text: named('.strtab'),
  };
}

const anatomies = new WeakMap();

/** Type ids that damage likes: the type's own, a neighbour's, any, one too many. */
function someId(rng, types, own) {
  return rng.pick([
    own,
    own + 1,
    own - 1,
    0,
    types.length,
    types.length + 1,
    1 + rng.below(types.length),
    1 + rng.below(types.length),
  ]);
}

/** Words that refer to another type. */
function refsOf(type) {
  const { at, kind, tail, each, count } = type;
  if (kind === ARRAY) return [tail, tail + 4];
  const words = REFS.has(kind) ? [at + 8] : [];
  for (let i = 0; i < count; i++) {
    if (kind === STRUCT || kind === UNION || kind === FUNC_PROTO) words.push(tail + i * each + 4);
    else if (kind === DATASEC) words.push(tail + i * each);
  }
  return words;
}

const withRefs = (parts) => parts.types.filter((type) => refsOf(type).length > 0);
const ofKind = (parts, ...kinds) => parts.types.filter((type) => kinds.includes(type.kind));

const DAMAGE = {
  reference: (data, parts, rng) => {
    const type = rng.pick(withRefs(parts));
    data.setUint32(rng.pick(refsOf(type)), someId(rng, parts.types, type.id), true);
  },
  cycle: (data, parts, rng) => {
    const some = withRefs(parts);
    const ring = Array.from({ length: 1 + rng.below(5) }, () => rng.pick(some));
    for (const [i, type] of ring.entries()) {
      for (const word of refsOf(type)) data.setUint32(word, ring[(i + 1) % ring.length].id, true);
    }
  },
  kind: (data, parts, rng) => {
    const { at } = rng.pick(parts.types);
    const info = data.getUint32(at + 4, true);
    data.setUint32(at + 4, ((info & 0xe0ffffff) | (rng.below(22) << 24)) >>> 0, true);
  },
  modifier: (data, parts, rng) => {
    const { at } = rng.pick(withRefs(parts));
    data.setUint32(at + 4, rng.pick([2, 8, 9, 10, 11, 18]) << 24, true);
  },
  count: (data, parts, rng) => {
    const { at, count } = rng.pick(parts.types);
    const info = data.getUint32(at + 4, true);
    data.setUint32(
      at + 4,
      ((info & 0xffff0000) | (rng.pick([0, 1, count + 1, count * 2, 0x7fff, 0xffff]) % 0x10000)) >>> 0,
      true,
    );
  },
  flag: (data, parts, rng) => {
    const { at } = rng.pick(parts.types);
    data.setUint32(at + 4, (data.getUint32(at + 4, true) ^ 0x80000000) >>> 0, true);
  },
  size: (data, parts, rng) => {
    data.setUint32(rng.pick(parts.types).at + 8, rng.pick(EDGES), true);
  },
  elements: (data, parts, rng) => {
    const arrays = ofKind(parts, ARRAY);
    for (let n = 1 + rng.below(4); n > 0 && arrays.length > 0; n--) {
      const array = rng.pick(arrays);
      data.setUint32(array.tail + 8, rng.pick(EDGES), true);
      if (rng.below(2) === 0) data.setUint32(array.tail, rng.pick(arrays).id, true);
    }
  },
  member: (data, parts, rng) => {
    const composites = ofKind(parts, STRUCT, UNION, DATASEC).filter((type) => type.count > 0);
    if (composites.length === 0) return;
    const type = rng.pick(composites);
    const at = type.tail + 12 * rng.below(type.count);
    data.setUint32(at + rng.pick([4, 8]), rng.pick([...EDGES, rng.next(), type.id]), true);
  },
  nested: (data, parts, rng) => {
    const composites = ofKind(parts, STRUCT, UNION).filter((type) => type.count > 0);
    if (composites.length === 0) return;
    const inner = rng.pick(composites);
    for (let n = 1 + rng.below(6); n > 0; n--) {
      const outer = rng.pick(composites);
      for (let i = 0; i < outer.count; i++) {
        data.setUint32(outer.tail + 12 * i, 0, true);
        data.setUint32(outer.tail + 12 * i + 4, inner.id, true);
      }
    }
  },
  name: (data, parts, rng) => {
    data.setUint32(
      rng.pick(parts.types).at,
      rng.pick([...EDGES, data.getUint32(rng.pick(parts.types).at, true)]),
      true,
    );
  },
  typeHeader: (data, { btf }, rng) => {
    data.setUint32(
      btf.offset + 4 * rng.below(6),
      rng.pick([...EDGES, btf.size, btf.size - 24, btf.size + 1]),
      true,
    );
  },
  extHeader: (data, { ext }, rng) => {
    if (ext === undefined) return;
    data.setUint32(ext.offset + 4 * rng.below(8), rng.pick([...EDGES, ext.size, ext.size - 32]), true);
  },
  extRecord: (data, { ext }, rng) => {
    if (ext === undefined) return;
    const words = (ext.size >> 2) - 8;
    for (let n = 1 + rng.below(4); n > 0; n--) {
      const at = ext.offset + 32 + 4 * rng.below(words);
      data.setUint32(
        at,
        rng.pick([...EDGES, rng.below(13), data.getUint32(ext.offset + 32 + 4 * rng.below(words), true)]),
        true,
      );
    }
  },
  path: (data, { btf }, rng, bytes) => {
    // Access paths are the strings of digits and colons.
    const start = btf.offset + 24 + data.getUint32(btf.offset + 16, true);
    const end = btf.offset + btf.size;
    for (let at = start + rng.below(end - start); at < end; at++) {
      if (bytes[at] >= 0x30 && bytes[at] <= 0x3a)
        bytes[at] = rng.pick([0x30, 0x31, 0x39, 0x3a, 0x2d, 0x41, 0]);
      else if (bytes[at] === 0 && rng.below(3) === 0) break;
    }
  },
  symbol: (data, { symbols }, rng, bytes) => {
    const count = symbols.size / 24;
    const [one, two] = [symbols.offset + 24 * rng.below(count), symbols.offset + 24 * rng.below(count)];
    const [at, size] = rng.pick([
      [0, 4],
      [4, 1],
      [5, 1],
      [6, 2],
      [8, 8],
      [16, 8],
      [0, 24],
    ]);
    bytes.copyWithin(one + at, two + at, two + at + size);
  },
  symbolSize: (data, { symbols }, rng) => {
    const at = symbols.offset + 24 * rng.below(symbols.size / 24);
    data.setUint32(at + rng.pick([8, 16]), rng.pick([0, 8, 16, 64, 800, 4, ...EDGES]), true);
  },
  relocation: (data, { relocs, symbols }, rng) => {
    const section = rng.pick(relocs);
    const at = section.offset + 16 * rng.below(section.size / 16);
    if (rng.below(2) === 0) data.setUint32(at + 12, rng.below(symbols.size / 24 + 1), true);
    else data.setUint32(at, rng.pick([8 * rng.below(64), ...EDGES]), true);
  },
};

const KINDS = Object.keys(DAMAGE);

/** A damaged copy of an object that has type information, and the kinds of damage that were done to it. */
export function mutateTypes(original, rng) {
  let parts = anatomies.get(original);
  if (parts === undefined) anatomies.set(original, (parts = anatomy(original)));
  const bytes = original.slice();
  const data = view(bytes);
  const kinds = [];
  for (let count = 1 + (rng.below(2) === 0 ? rng.below(5) : 0); count > 0; count--) {
    const kind = rng.pick(KINDS);
    kinds.push(kind);
    DAMAGE[kind](data, parts, rng, bytes);
  }
  return { bytes, kinds };
}
