/** A socket buffer: what is linear, what moves into the VM's memory, and the helpers of sk_skb programs. */
import { describe, expect, it } from 'vitest';
import { Errno } from '../../../src/errors.js';
import { BpfMemory, RegionKind } from '../../../src/memory/memory.js';
import { PacketArea } from '../../../src/progs/ctx/packet-area.js';
import { SKB, SKB_MAX_LEN, SkBuff } from '../../../src/progs/ctx/sk-buff.js';

const memory = new BpfMemory();
const area = new PacketArea(memory);
const scratch = memory.alloc(256, RegionKind.Mem).base;

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const word = (skb: SkBuff, offset: number): number => memory.u32[(skb.ctx + offset) >>> 2];

function buffer(parts: readonly string[], linear = 0): SkBuff {
  const skb = new SkBuff(area, parts.map(text), linear);
  skb.enter(0, true);
  return skb;
}

/** The linear part, through the context. */
const visible = (skb: SkBuff): string =>
  Buffer.from(memory.u8.slice(word(skb, SKB.data), word(skb, SKB.dataEnd))).toString();

const all = (skb: SkBuff): string => Buffer.concat(skb.contents()).toString();

function load(skb: SkBuff, offset: number, size: number): string | number {
  const errno = skb.loadBytes(offset, scratch, size);
  return errno === 0 ? Buffer.from(memory.u8.slice(scratch, scratch + size)).toString() : errno;
}

describe('a buffer', () => {
  it('shows nothing until it is pulled where it is not linear', () => {
    const skb = buffer(['hello', 'world']);
    expect([word(skb, SKB.len), visible(skb)]).toEqual([10, '']);
    expect(skb.pullData(7)).toBe(0);
    expect(visible(skb)).toBe('hellowo');
    expect(skb.pullData(11)).toBe(-Errno.ENOMEM);
    expect(skb.pullData(0)).toBe(0);
    expect(visible(skb)).toBe('hellowo');
    expect(all(skb)).toBe('helloworld');
  });

  it('shows all of it where it is linear', () => {
    expect(visible(buffer(['data', 'gram'], -1))).toBe('datagram');
  });

  it('loads over the bounds of fragments, and zeroes what it cannot load', () => {
    const skb = buffer(['abc', 'def', 'ghi']);
    skb.pullData(2);
    expect(load(skb, 0, 9)).toBe('abcdefghi');
    expect(load(skb, 4, 3)).toBe('efg');
    memory.u8.fill(1, scratch, scratch + 4);
    expect(load(skb, 6, 4)).toBe(-Errno.EFAULT);
    expect([...memory.u8.slice(scratch, scratch + 4)]).toEqual([0, 0, 0, 0]);
  });

  it('keeps writes of one clone from the other', () => {
    const skb = buffer(['0123456789']);
    const clone = skb.clone();
    skb.pullData(4);
    memory.u8[word(skb, SKB.data)] = 0x78;
    expect([all(clone), all(skb)]).toEqual(['0123456789', 'x123456789']);
  });

  it('stores bytes, making them linear', () => {
    const skb = buffer(['abc', 'def']);
    memory.u8.set(text('XY'), scratch);
    expect(skb.storeBytes(2, scratch, 2, 0)).toBe(0);
    expect([visible(skb), all(skb)]).toEqual(['abXY', 'abXYef']);
    expect(skb.storeBytes(5, scratch, 2, 0)).toBe(-Errno.EFAULT);
    expect(skb.storeBytes(0, scratch, 2, 4)).toBe(-Errno.EINVAL);
  });

  it('gives its place to the next one without losing anything', () => {
    const first = buffer(['first'], -1);
    memory.u8[word(first, SKB.data)] = 0x46;
    const second = buffer(['second'], -1);
    expect([visible(second), all(first), all(second)]).toEqual(['second', 'First', 'second']);
  });
});

describe('changing the size', () => {
  it('trims and grows the end', () => {
    const skb = buffer(['abcdef']);
    expect(skb.changeTail(3, 0)).toBe(0);
    expect(skb.changeTail(5, 0)).toBe(0);
    expect([visible(skb), word(skb, SKB.len)]).toEqual(['abc\0\0', 5]);
    expect([skb.changeTail(SKB_MAX_LEN + 1, 0), skb.changeTail(3, 1)]).toEqual([
      -Errno.EINVAL,
      -Errno.EINVAL,
    ]);
  });

  it('grows the front beyond the headroom', () => {
    const skb = buffer(['tail']);
    skb.pullData(4);
    expect(skb.changeHead(1000, 0)).toBe(0);
    expect(word(skb, SKB.len)).toBe(1004);
    expect(visible(skb)).toBe(`${'\0'.repeat(1000)}tail`);
    expect(skb.changeHead(SKB_MAX_LEN, 0)).toBe(-Errno.EINVAL);
  });

  it('adds and removes room in front', () => {
    const skb = buffer(['0123456789']);
    expect(skb.adjustRoom(-4, 0, 0)).toBe(0);
    expect(skb.adjustRoom(2, 0, 0)).toBe(0);
    expect([all(skb), word(skb, SKB.len)]).toEqual(['\0\x00456789', 8]);
    expect(skb.adjustRoom(-9, 0, 0)).toBe(-Errno.ENOMEM);
    expect(skb.adjustRoom(5000, 0, 0)).toBe(-Errno.EFAULT);
    expect(skb.adjustRoom(1, 1, 0)).toBe(-Errno.EINVAL);
  });

  it('reaches buffers that are longer than the area was', () => {
    const skb = new SkBuff(area, [new Uint8Array(300_000).fill(9)]);
    skb.enter(0, true);
    expect(skb.pullData(300_000)).toBe(0);
    expect(word(skb, SKB.dataEnd) - word(skb, SKB.data)).toBe(300_000);
    expect(memory.u8[word(skb, SKB.dataEnd) - 1]).toBe(9);
  });
});
