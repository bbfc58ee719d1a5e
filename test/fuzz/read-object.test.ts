/** Hostile bytes give a value or a BpfError. The long campaign is scripts/fuzz-objects.mjs; this is a sample of it. */
import { describe, expect, it } from 'vitest';
import { caseRandom, mutate } from '../../scripts/fuzz/mutate.mjs';
import { readObject } from '../../src/elf/read-object.js';
import { ElfError } from '../../src/errors.js';
import { testCount, testSeed } from '../lib/seed.js';
import { samples, unexpected } from './objects.js';

const SEED = testSeed();
const COUNT = testCount(5000);

const read = (bytes: Uint8Array): unknown => readObject(bytes, 'damaged.bpf.o');

describe('reading damaged objects', () => {
  it.each(samples)('$name: every truncation is refused as an ELF error', ({ bytes }) => {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => read(bytes.slice(0, length)), `${length} bytes`).toThrow(ElfError);
    }
  });

  it(`${COUNT} mutations give a value or a BpfError (BPFVM_SEED=${SEED})`, () => {
    for (let index = 0; index < COUNT; index++) {
      const rng = caseRandom(SEED, index);
      const { bytes, kinds } = mutate(rng.pick(samples).bytes, rng);
      expect(
        unexpected(() => read(bytes)),
        `seed ${SEED} case ${index}: ${kinds.join(', ')}`,
      ).toBeUndefined();
    }
  });

  it.each(samples)('$name: every single byte set to 0xff gives a value or a BpfError', ({ bytes }) => {
    const damaged = bytes.slice();
    for (let at = 0; at < bytes.length; at++) {
      damaged[at] = 0xff;
      expect(
        unexpected(() => read(damaged)),
        `offset ${at}`,
      ).toBeUndefined();
      damaged[at] = bytes[at]!;
    }
  });
});

/** Section header `index` of an object with 64-byte section headers; 0 is the null section. */
function sectionHeader(bytes: Uint8Array, index: number): DataView {
  const at = Number(new DataView(bytes.buffer).getBigUint64(40, true)) + 64 * index;
  return new DataView(bytes.buffer, at, 64);
}

const sectionCount = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint16(60, true);

const SH_TYPE = 4;
const SH_SIZE = 32;
const NOBITS = 8;

describe('objects that claim what nobody has', () => {
  const { bytes } = samples[0]!;

  it.each([2n ** 31n, 2n ** 32n, 2n ** 40n, 2n ** 53n, 2n ** 64n - 1n])(
    'a section without contents of %d bytes costs no memory',
    (size) => {
      for (let index = 1; index < sectionCount(bytes); index++) {
        const damaged = bytes.slice();
        const header = sectionHeader(damaged, index);
        header.setUint32(SH_TYPE, NOBITS, true);
        header.setBigUint64(SH_SIZE, size, true);
        const before = process.memoryUsage().arrayBuffers;
        expect(
          unexpected(() => read(damaged)),
          `section ${index}`,
        ).toBeUndefined();
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 28);
      }
    },
  );

  it('a thousand sections that all lie over the same megabyte are read without a thousand megabytes', () => {
    const [count, size] = [1000, 1 << 20];
    const object = new Uint8Array(64 + size + 64 * count).fill(0x41);
    object.set(bytes.subarray(0, 64));
    const view = new DataView(object.buffer);
    view.setBigUint64(40, BigInt(64 + size), true);
    view.setUint16(60, count, true);
    view.setUint16(62, 1, true);
    for (let index = 0; index < count; index++) {
      const header = new DataView(object.buffer, 64 + size + 64 * index, 64);
      header.setUint32(0, index, true);
      header.setUint32(4, index === 1 ? 3 : 1, true);
      header.setBigUint64(24, 64n, true);
      header.setBigUint64(32, BigInt(size), true);
    }
    expect(() => read(object)).toThrow(ElfError);
  });
});
