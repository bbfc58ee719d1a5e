/** The scatter list of a message: pull, push and pop over element bounds, and with all 17 elements in use. */
import { describe, expect, it } from 'vitest';
import { Errno } from '../../../src/errors.js';
import { BpfMemory } from '../../../src/memory/memory.js';
import { PacketArea } from '../../../src/progs/ctx/packet-area.js';
import { MAX_MSG_FRAGS, MSG, MSG_FRAG_BYTES, SkMsg } from '../../../src/progs/ctx/sk-msg.js';
import { Random } from '../../lib/random.js';
import { testSeed } from '../../lib/seed.js';

const memory = new BpfMemory();
const area = new PacketArea(memory);

const bytesOf = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, index) => index * 7);

function message(size: number): SkMsg {
  const msg = new SkMsg(area);
  expect(msg.append(bytesOf(size))).toBe(size);
  msg.enter(0, true);
  return msg;
}

/** What data to data_end covers. */
function visible(msg: SkMsg): Uint8Array {
  const from = memory.u32[(msg.ctx + MSG.data) >>> 2];
  const to = memory.u32[(msg.ctx + MSG.dataEnd) >>> 2];
  return memory.u8.slice(from, to);
}

function contents(msg: SkMsg): Uint8Array {
  const parts = msg.peek(msg.size);
  const out = new Uint8Array(msg.size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

describe('a message', () => {
  it('shows its first element, of at most 32 KiB', () => {
    expect(visible(message(40_000))).toHaveLength(MSG_FRAG_BYTES);
    expect(visible(message(10))).toEqual(bytesOf(10));
  });

  it('takes 17 elements and no more', () => {
    const msg = new SkMsg(area);
    const all = MAX_MSG_FRAGS * MSG_FRAG_BYTES;
    expect(msg.append(new Uint8Array(all + 5))).toBe(all);
    expect(msg.isFull).toBe(true);
  });

  it('makes a range over element bounds contiguous, and writes to it last', () => {
    const msg = message(70_000);
    expect(msg.pullData(32_760, 32_780, 0)).toBe(0);
    expect(visible(msg)).toEqual(bytesOf(32_780).subarray(32_760));
    memory.u8[memory.u32[(msg.ctx + MSG.data) >>> 2]] = 0xaa;
    expect(contents(msg)[32_760]).toBe(0xaa);
  });

  it.each([
    [5, 5],
    [0, 11],
    [12, 20],
    [9, 3],
  ])('refuses to pull %d..%d of 10 bytes', (start, end) => {
    expect(message(10).pullData(start, end, 0)).toBe(-Errno.EINVAL);
  });

  it('refuses flags', () => {
    const msg = message(10);
    expect([msg.pullData(0, 1, 1), msg.pushData(0, 1, 1), msg.popData(0, 1, 1)]).toEqual([
      -Errno.EINVAL,
      -Errno.EINVAL,
      -Errno.EINVAL,
    ]);
  });

  it('can be changed with all elements in use', () => {
    const size = MAX_MSG_FRAGS * MSG_FRAG_BYTES;
    for (const at of [0, 5, size]) {
      const msg = message(size);
      expect(msg.pushData(at, 3, 0)).toBe(0);
      const wanted = [...bytesOf(size)];
      wanted.splice(at, 0, 0, 0, 0);
      expect(Buffer.compare(contents(msg), Uint8Array.from(wanted))).toBe(0);
      expect(msg.popData(at, 3, 0)).toBe(0);
      expect(Buffer.compare(contents(msg), bytesOf(size))).toBe(0);
    }
  });
});

const seed = testSeed(7);

it(`does what the same changes do to an array (BPFVM_SEED=${seed})`, () => {
  const random = new Random(seed);
  for (let round = 0; round < 30; round++) {
    const size = 1 + random.below(40_000);
    const msg = message(size);
    let model = [...bytesOf(size)];
    for (let step = 0; step < 8 && model.length > 0; step++) {
      const start = random.below(model.length + 2);
      const length = random.below(random.chance(50) ? 16 : 40_000);
      if (random.chance(50)) {
        const legal = start <= model.length;
        expect(msg.pushData(start, length, 0)).toBe(legal || length === 0 ? 0 : -Errno.EINVAL);
        if (legal)
          model = [...model.slice(0, start), ...Array<number>(length).fill(0), ...model.slice(start)];
      } else {
        const legal = length === 0 || start + length <= model.length;
        expect(msg.popData(start, length, 0)).toBe(legal ? 0 : -Errno.EINVAL);
        if (legal) model = [...model.slice(0, start), ...model.slice(start + length)];
      }
      expect(msg.size).toBe(model.length);
    }
    expect(Buffer.compare(contents(msg), Uint8Array.from(model))).toBe(0);
  }
});
