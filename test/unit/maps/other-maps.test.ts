import { describe, expect, it } from 'vitest';
import { createMap } from '../../../src/maps/create-map.js';
import type { MapInMap } from '../../../src/maps/map-in-map.js';
import type { BpfMap, MapSpec } from '../../../src/maps/map.js';
import { MapFlag } from '../../../src/maps/map.js';
import { MapType } from '../../../src/maps/map-types.js';
import type { RingbufMap } from '../../../src/maps/ringbuf-map.js';
import type { UserRingbufMap } from '../../../src/maps/user-ringbuf-map.js';
import { RegionKind } from '../../../src/memory/memory.js';
import { asU32, outcome, spec, testEnv, u32, u64 } from './map-env.js';

const make = (wanted: MapSpec, env = testEnv()): BpfMap => createMap(wanted, 1, env);

const keysOf = (map: BpfMap): Uint8Array[] => {
  const found: Uint8Array[] = [];
  for (let key: Uint8Array | null = null; ;) {
    try {
      key = map.getNextKey(key);
    } catch {
      return found;
    }
    found.push(key);
  }
};

describe('creation', () => {
  it.each<[string, MapSpec, string]>([
    ['per-CPU array with big values', spec(MapType.PercpuArray, 4, 32769, 1), 'E2BIG'],
    ['mmapable per-CPU array', spec(MapType.PercpuArray, 4, 8, 1, MapFlag.MMAPABLE), 'EINVAL'],
    ['LRU without preallocation', spec(MapType.LruHash, 4, 8, 1, MapFlag.NO_PREALLOC), 'ENOTSUPP'],
    ['hash with per-CPU LRU lists', spec(MapType.Hash, 4, 8, 1, MapFlag.NO_COMMON_LRU), 'EINVAL'],
    ['preallocated trie', spec(MapType.LpmTrie, 8, 8, 1), 'EINVAL'],
    ['trie with a key of 4 bytes', spec(MapType.LpmTrie, 4, 8, 1, 1), 'EINVAL'],
    ['queue with keys', spec(MapType.Queue, 4, 8, 1), 'EINVAL'],
    ['bloom filter with too many hashes', { ...spec(MapType.BloomFilter, 0, 8, 1), mapExtra: 16n }, 'EINVAL'],
    ['ring of 5000 bytes', spec(MapType.Ringbuf, 0, 0, 5000), 'EINVAL'],
    ['ring with values', spec(MapType.Ringbuf, 0, 8, 4096), 'EINVAL'],
    ['array of maps without template', spec(MapType.ArrayOfMaps, 4, 4, 1), 'EBADF'],
    ['sk_storage with entries', spec(MapType.SkStorage, 4, 8, 1, 1), 'EINVAL'],
    ['map_extra where it means nothing', { ...spec(MapType.Array, 4, 8, 1), mapExtra: 1n }, 'EINVAL'],
    ['devmap with a value of 6 bytes', spec(MapType.Devmap, 4, 6, 1), 'EINVAL'],
    ['cpumap', spec(MapType.Cpumap, 4, 4, 2), 'OK'],
  ])('%s', (_name, wanted, result) => {
    expect(outcome(() => make(wanted))).toBe(result);
  });
});

describe('per-CPU maps', () => {
  it.each([MapType.PercpuArray, MapType.PercpuHash, MapType.LruPercpuHash])(
    'type %i keeps a value a CPU',
    (type) => {
      const env = testEnv(3);
      const map = make(spec(type, 4, 4, 2), env);
      const at = env.memory.alloc(16, RegionKind.Stack).base;
      map.updateElem(u32(0), new Uint8Array([...u64(1n), ...u64(2n), ...u64(3n)]));
      env.cpu = 1;
      expect(env.memory.u32[map.lookup(at) >> 2]).toBe(2);
      env.memory.u32[(at + 8) >> 2] = 9;
      expect(map.update(at, at + 8, 0)).toBe(0);
      expect([...map.lookupElem(u32(0))]).toEqual([...u64(1n), ...u64(9n), ...u64(3n)]);
      expect(env.memory.u32[map.lookupPercpu(at, 2) >> 2]).toBe(3);
    },
  );

  it('zeroes the other CPUs of a new element', () => {
    const env = testEnv(2);
    const map = make(spec(MapType.PercpuHash, 4, 8, 1), env);
    map.updateElem(u32(1), new Uint8Array(16).fill(7));
    map.deleteElem(u32(1));
    const at = env.memory.alloc(16, RegionKind.Stack).base;
    env.memory.u32[(at + 8) >> 2] = 5;
    map.update(at, at + 8, 0);
    expect(map.lookupElem(u32(0))).toEqual(new Uint8Array([...u64(5n), ...u64(0n)]));
  });
});

describe('LRU hash', () => {
  it('evicts, and keeps what programs use', () => {
    const env = testEnv(1);
    const map = make(spec(MapType.LruHash, 4, 4, 100), env);
    const at = env.memory.alloc(16, RegionKind.Stack).base;
    for (let key = 0; key < 1000; key++) {
      env.memory.u32[at >> 2] = key;
      expect(map.update(at, at, 0)).toBe(0);
      env.memory.u32[at >> 2] = 0;
      expect(map.lookup(at)).not.toBe(0);
    }
    expect(keysOf(map).length).toBeLessThanOrEqual(100);
    expect(keysOf(map).length).toBeGreaterThan(40);
  });
});

describe('LPM trie', () => {
  const key = (length: number, ...bytes: number[]): Uint8Array => new Uint8Array([...u32(length), ...bytes]);
  const trie = (): BpfMap => {
    const map = make(spec(MapType.LpmTrie, 8, 4, 8, MapFlag.NO_PREALLOC));
    map.updateElem(key(0, 0, 0, 0, 0), u32(1));
    map.updateElem(key(8, 10, 0, 0, 0), u32(2));
    map.updateElem(key(24, 10, 1, 2, 0), u32(3));
    map.updateElem(key(32, 10, 1, 2, 3), u32(4));
    map.updateElem(key(16, 192, 168, 0, 0), u32(5));
    return map;
  };

  it.each([
    [[10, 1, 2, 3], 4],
    [[10, 1, 2, 4], 3],
    [[10, 2, 2, 4], 2],
    [[192, 168, 9, 9], 5],
    [[8, 8, 8, 8], 1],
  ])('%j has the longest prefix of value %i', (bytes, value) => {
    expect(asU32(trie().lookupElem(key(32, ...bytes)))).toBe(value);
  });

  it('gives longer prefixes before those that hold them', () => {
    expect(keysOf(trie()).map(asU32)).toEqual([32, 24, 8, 16, 0]);
  });

  it('falls back to the shorter prefix after a deletion', () => {
    const map = trie();
    map.deleteElem(key(24, 10, 1, 2, 0));
    expect(asU32(map.lookupElem(key(32, 10, 1, 2, 4)))).toBe(2);
    expect(asU32(map.lookupElem(key(32, 10, 1, 2, 3)))).toBe(4);
    expect(
      outcome(() => {
        map.deleteElem(key(24, 10, 1, 2, 0));
      }),
    ).toBe('ENOENT');
  });

  it('agrees with a linear search on random prefixes', () => {
    const env = testEnv();
    const map = make(spec(MapType.LpmTrie, 6, 4, 1000, MapFlag.NO_PREALLOC), env);
    const model = new Map<string, number>();
    const mask = (length: number, bits: number): string =>
      bits.toString(2).padStart(16, '0').slice(0, length);
    for (let i = 0; i < 3000; i++) {
      const length = env.random() % 17;
      const bits = (env.random() >>> 8) & 0xff0f;
      const name = mask(length, bits);
      const at = key(length, bits >> 8, bits & 255);
      if (env.random() % 3 === 0) {
        const result = outcome(() => {
          map.deleteElem(at);
        });
        expect(result).toBe(model.delete(name) ? 'OK' : 'ENOENT');
      } else if (model.size < 1000 || model.has(name)) {
        map.updateElem(at, u32(i));
        model.set(name, i);
      }
      const probe = (env.random() >>> 8) & 0xffff;
      let best: number | undefined;
      for (let l = 16; l >= 0 && best === undefined; l--) best = model.get(mask(l, probe));
      const probeKey = key(16, probe >> 8, probe & 255);
      expect(best === undefined ? undefined : asU32(map.lookupElem(probeKey))).toBe(best);
      if (best === undefined) expect(outcome(() => map.lookupElem(probeKey))).toBe('ENOENT');
    }
    expect(keysOf(map).length).toBe(model.size);
  });
});

describe('queue and stack', () => {
  it.each([
    [MapType.Queue, [1, 2, 3]],
    [MapType.Stack, [3, 2, 1]],
  ])('type %i gives %j', (type, order) => {
    const map = make(spec(type, 0, 4, 3));
    const none = new Uint8Array(0);
    for (const value of [1, 2, 3]) map.updateElem(none, u32(value));
    expect(
      outcome(() => {
        map.updateElem(none, u32(4));
      }),
    ).toBe('E2BIG');
    expect(asU32(map.lookupElem(none))).toBe(order[0]);
    expect(order.map(() => asU32(map.lookupAndDeleteElem(none)))).toEqual(order);
    expect(outcome(() => map.lookupAndDeleteElem(none))).toBe('ENOENT');
  });
});

describe('bloom filter', () => {
  it('forgets nothing that was put', () => {
    const map = make(spec(MapType.BloomFilter, 0, 8, 100));
    for (let i = 0n; i < 100n; i++) map.updateElem(new Uint8Array(0), u64(i));
    let wrong = 0;
    for (let i = 0n; i < 100n; i++) expect(map.lookupElem(u64(i))).toEqual(u64(i));
    for (let i = 100n; i < 1100n; i++) if (outcome(() => map.lookupElem(u64(i))) === 'OK') wrong++;
    expect(wrong).toBeLessThan(100);
  });
});

describe('ring buffer', () => {
  it('passes records in order, without those discarded, round and round', () => {
    const env = testEnv();
    const map = make(spec(MapType.Ringbuf, 0, 0, 4096), env) as RingbufMap;
    const got: number[] = [];
    for (let i = 0; i < 500; i++) {
      const size = 4 + (i % 60);
      const at = map.reserve(size);
      expect(at).not.toBe(0);
      env.memory.u32[at >> 2] = i;
      map.commit(at, 0, i % 7 === 0);
      if (i % 10 === 9)
        map.consume((record) => {
          const value = new DataView(record.buffer, record.byteOffset).getUint32(0, true);
          expect(record.length).toBe(4 + (value % 60));
          got.push(value);
        });
    }
    expect(got).toEqual(Array.from({ length: 500 }, (_, i) => i).filter((i) => i % 7 !== 0));
  });

  it('waits for the oldest record, and refuses what does not fit', () => {
    const map = make(spec(MapType.Ringbuf, 0, 0, 4096)) as RingbufMap;
    const first = map.reserve(2000);
    const second = map.reserve(2000);
    expect(map.reserve(100)).toBe(0);
    map.commit(second, 0, false);
    expect(map.consume(() => undefined)).toBe(0);
    map.commit(first, 0, false);
    expect(map.consume(() => undefined)).toBe(2);
    expect(map.query(0)).toBe(0);
  });
});

describe('user ring buffer', () => {
  it('holds samples until they are released', () => {
    const env = testEnv();
    const map = make(spec(MapType.UserRingbuf, 0, 0, 4096), env) as UserRingbufMap;
    for (let i = 0; i < 4; i++) map.submit(new Uint8Array(1000).fill(i));
    expect(
      outcome(() => {
        map.submit(new Uint8Array(1000));
      }),
    ).toBe('ENOSPC');
    for (let i = 0; i < 4; i++) {
      expect(env.memory.u8[map.peekSample()!.address]).toBe(i);
      map.release();
    }
    expect(map.peekSample()).toBeUndefined();
  });
});

describe('maps of maps', () => {
  it.each([MapType.ArrayOfMaps, MapType.HashOfMaps])('type %i gives programs the inner handle', (type) => {
    const env = testEnv();
    const inner = spec(MapType.Hash, 4, 8, 4);
    const outer = createMap({ ...spec(type, 4, 4, 2), inner }, 1, env) as MapInMap;
    const map = createMap(inner, 2, env);
    const key = env.memory.alloc(8, RegionKind.Stack).base;
    expect(outer.lookup(key)).toBe(0);
    outer.setMap(u32(0), map);
    expect(outer.lookup(key)).toBe(map.handle.base);
    expect(asU32(outer.lookupElem(u32(0)))).toBe(2);
    const other = createMap(spec(MapType.Hash, 4, 4, 4), 3, env);
    expect(
      outcome(() => {
        outer.setMap(u32(0), other);
      }),
    ).toBe('EINVAL');
    outer.deleteElem(u32(0));
    expect(outer.lookup(key)).toBe(0);
  });
});
