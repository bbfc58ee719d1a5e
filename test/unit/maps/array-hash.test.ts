import { describe, expect, it } from 'vitest';
import type { ArrayMap } from '../../../src/maps/array-map.js';
import { createMap } from '../../../src/maps/create-map.js';
import { BPF_EXIST, BPF_NOEXIST, MapFlag } from '../../../src/maps/map.js';
import { MapType } from '../../../src/maps/map-types.js';
import { RegionKind } from '../../../src/memory/memory.js';
import { asU32, outcome, spec, testEnv, u32, u64 } from './map-env.js';

describe('creation', () => {
  it.each([
    ['array with a key of 8 bytes', spec(MapType.Array, 8, 4, 1), 'EINVAL'],
    ['array without entries', spec(MapType.Array, 4, 4, 0), 'EINVAL'],
    ['array without preallocation', spec(MapType.Array, 4, 4, 1, MapFlag.NO_PREALLOC), 'EINVAL'],
    ['array that fits no memory', spec(MapType.Array, 4, 65536, 65536), 'ENOMEM'],
    ['hash without preallocation', spec(MapType.Hash, 4, 4, 1, MapFlag.NO_PREALLOC), 'OK'],
    ['hash without key', spec(MapType.Hash, 0, 4, 1), 'EINVAL'],
    ['hash with huge elements', spec(MapType.Hash, 4, 4 << 20, 1), 'E2BIG'],
    ['mmapable hash', spec(MapType.Hash, 4, 4, 1, MapFlag.MMAPABLE), 'EINVAL'],
    ['neither read nor written by programs', spec(MapType.Hash, 4, 4, 1, 0x180), 'EINVAL'],
  ])('%s', (_name, wanted, result) => {
    expect(outcome(() => createMap(wanted, 1, testEnv()))).toBe(result);
  });
});

describe('array', () => {
  it('keeps values at base + index * stride', () => {
    const env = testEnv();
    const map = createMap(spec(MapType.Array, 4, 6, 3), 1, env) as ArrayMap;
    map.updateElem(u32(2), new Uint8Array([1, 2, 3, 4, 5, 6]));
    expect([...env.memory.u8.slice(map.base + 16, map.base + 24)]).toEqual([1, 2, 3, 4, 5, 6, 0, 0]);
  });

  it.each([
    ['beyond the end', 4, 0, 'E2BIG'],
    ['that must not exist', 0, BPF_NOEXIST, 'EEXIST'],
    ['with unknown flags', 0, 3, 'EINVAL'],
    ['under a lock that it lacks', 0, 4, 'EINVAL'],
    ['that exists', 3, BPF_EXIST, 'OK'],
  ])('update %s', (_name, key, flags, result) => {
    const map = createMap(spec(MapType.Array, 4, 4, 4), 1, testEnv());
    expect(
      outcome(() => {
        map.updateElem(u32(key), u32(1), flags);
      }),
    ).toBe(result);
  });

  it('iterates over all indices, starting anew from one outside', () => {
    const map = createMap(spec(MapType.Array, 4, 4, 3), 1, testEnv());
    expect([null, u32(0), u32(1), u32(99)].map((key) => asU32(map.getNextKey(key)))).toEqual([0, 1, 2, 0]);
    expect(outcome(() => map.getNextKey(u32(2)))).toBe('ENOENT');
  });

  it('is not written by callers once frozen', () => {
    const map = createMap(spec(MapType.Array, 4, 4, 1), 1, testEnv());
    map.freeze();
    expect(
      outcome(() => {
        map.updateElem(u32(0), u32(1));
      }),
    ).toBe('EPERM');
  });
});

describe('hash', () => {
  const keys = (map: { getNextKey(key: Uint8Array | null): Uint8Array }): number[] => {
    const found: number[] = [];
    for (let key: Uint8Array | null = null; ;) {
      try {
        key = map.getNextKey(key);
      } catch {
        return found;
      }
      found.push(asU32(key));
    }
  };

  it('iterates in the order of the kernel where the seed is zero', () => {
    const map = createMap(spec(MapType.Hash, 4, 4, 16, MapFlag.ZERO_SEED), 1, testEnv());
    for (let key = 0; key < 16; key++) map.updateElem(u32(key), u32(key));
    expect(keys(map)).toEqual([10, 4, 15, 5, 0, 14, 7, 2, 13, 1, 8, 12, 11, 9, 6, 3]);
  });

  it('refuses a new key when full, but replaces and deletes', () => {
    const map = createMap(spec(MapType.Hash, 4, 8, 2), 1, testEnv());
    map.updateElem(u32(1), u64(1n));
    map.updateElem(u32(2), u64(2n));
    const put = (key: number, flags = 0) =>
      outcome(() => {
        map.updateElem(u32(key), u64(9n), flags);
      });
    expect([put(3), put(1), put(1, BPF_NOEXIST), put(3, BPF_EXIST)]).toEqual([
      'E2BIG',
      'OK',
      'EEXIST',
      'ENOENT',
    ]);
    map.deleteElem(u32(1));
    expect(put(3)).toBe('OK');
    expect(
      outcome(() => {
        map.deleteElem(u32(1));
      }),
    ).toBe('ENOENT');
    expect(map.lookupAndDeleteElem(u32(3))).toEqual(u64(9n));
  });

  it('keeps a deleted value where it is while a program runs', () => {
    const env = testEnv();
    const map = createMap(spec(MapType.Hash, 4, 8, 1), 1, env);
    const key = env.memory.alloc(16, RegionKind.Stack).base;
    map.updateElem(u32(0), u64(7n));
    env.busy = true;
    const held = map.lookup(key);
    expect(map.delete(key)).toBe(0);
    map.update(key, key, 0);
    expect(env.memory.view.getBigUint64(held, true)).toBe(7n);
    expect(map.lookup(key)).not.toBe(held);
  });

  it.each([1, 3, 4, 8, 12, 13, 27])('agrees with a model on random operations, key size %i', (keySize) => {
    const env = testEnv();
    const map = createMap(spec(MapType.Hash, keySize, 8, 64), 1, env);
    const model = new Map<string, bigint>();
    for (let i = 0; i < 5000; i++) {
      const key = new Uint8Array(keySize).fill(0x5a);
      key[keySize - 1] = env.random() % 100;
      const id = String(key[keySize - 1]);
      if (env.random() % 3 === 0) {
        expect(
          outcome(() => {
            map.deleteElem(key);
          }),
        ).toBe(model.delete(id) ? 'OK' : 'ENOENT');
      } else {
        const result = model.has(id) || model.size < 64 ? 'OK' : 'E2BIG';
        expect(
          outcome(() => {
            map.updateElem(key, u64(BigInt(i)));
          }),
        ).toBe(result);
        if (result === 'OK') model.set(id, BigInt(i));
      }
      if (model.has(id)) expect(map.lookupElem(key)).toEqual(u64(model.get(id)!));
    }
  });
});
