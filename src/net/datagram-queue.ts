/** Reading from a queue of buffers: one at a time for datagrams, across them for streams. */
import type { SkBuff } from '../progs/ctx/sk-buff.js';
import { join } from './psock.js';
import type { NetSock } from './sock.js';
import { SKB_OVERHEAD } from './sock.js';

/** Appends a buffer to the receive queue. */
export function enqueue(sk: NetSock, skb: SkBuff): void {
  sk.rcvQueue.push(skb);
  sk.rmem += skb.len + SKB_OVERHEAD;
}

/** Takes the first buffer off. */
export function dequeue(sk: NetSock): SkBuff | undefined {
  const skb = sk.rcvQueue.shift();
  if (skb !== undefined) sk.rmem -= skb.len + SKB_OVERHEAD;
  return skb;
}

/** The first `length` bytes of the first datagram; the rest of it is lost. Undefined where there is none. */
export function readDatagram(sk: NetSock, length: number, peek: boolean): Uint8Array | undefined {
  const skb = peek ? sk.rcvQueue[0] : dequeue(sk);
  if (skb === undefined) return undefined;
  const take = Math.min(length, skb.len);
  return join(skb.range(0, take), take);
}
