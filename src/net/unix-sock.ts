/** Unix sockets: connected streams and datagrams. */
import { Errno } from '../errors.js';
import { SkBuff } from '../progs/ctx/sk-buff.js';
import { dequeue, enqueue, readDatagram } from './datagram-queue.js';
import type { Net } from './net.js';
import { join } from './psock.js';
import {
  AF_UNIX,
  MSG_OOB,
  MSG_PEEK,
  NetSock,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  SHUT_RD,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  TcpState,
} from './sock.js';

const UNIX_BUFFER = 212_992;
/** A stream's buffer: this much linear at most, and pages behind it. */
const STREAM_HEAD = 3776;
const STREAM_PAGES = 32_768;
const DGRAM_HEAD = 16_064;
const PAGE = 4096;
const MAX_DGRAM_QUEUE = 10;

/** Linear bytes of a buffer of `size` bytes whose head holds `head`; the rest goes to whole pages. */
function linearPart(size: number, head: number): number {
  return Math.max(0, size - Math.ceil(Math.max(0, size - head) / PAGE) * PAGE);
}

export class UnixSock extends NetSock {
  peer: UnixSock | null = null;
  /** Bytes of the first buffer that a stream reader has taken. */
  private readOffset = 0;

  constructor(net: Net, type: typeof SOCK_STREAM | typeof SOCK_DGRAM) {
    super(net, AF_UNIX, type, 0);
    this.rcvbuf = this.sndbuf = UNIX_BUFFER;
  }

  override get insertable(): boolean {
    return !this.dead && (this.type === SOCK_DGRAM || this.state === TcpState.ESTABLISHED);
  }
  override checkPsock(): number {
    return this.type === SOCK_STREAM && this.peer === null ? -Errno.EINVAL : 0;
  }

  override sendmsg(parts: readonly Uint8Array[], flags: number): number {
    let length = 0;
    for (const part of parts) length += part.length;
    if (this.sndShutdown) return -Errno.EPIPE;
    if (this.err !== 0) return this.sockError();
    const { peer } = this;
    if (peer === null) return -Errno.ENOTCONN;
    const bytes = join(parts, length);
    return this.type === SOCK_STREAM ? this.sendStream(peer, bytes, flags) : this.sendDatagram(peer, bytes);
  }

  private sendStream(peer: UnixSock, bytes: Uint8Array, flags: number): number {
    if (peer.dead || peer.rcvShutdown) return -Errno.EPIPE;
    let sent = 0;
    while (sent < bytes.length) {
      if (peer.rmem >= this.sndbuf) return sent > 0 ? sent : -Errno.EAGAIN;
      const size = Math.min(bytes.length - sent, STREAM_HEAD + STREAM_PAGES, (this.sndbuf >> 1) - 64);
      peer.receive(bytes.subarray(sent, sent + size), linearPart(size, STREAM_HEAD));
      sent += size;
    }
    if ((flags & MSG_OOB) !== 0 && sent > 0) peer.oob = true;
    return sent;
  }

  /** An urgent byte is waiting in the stream. */
  private oob = false;

  private sendDatagram(peer: UnixSock, bytes: Uint8Array): number {
    if (peer.dead) return -Errno.ECONNREFUSED;
    if (peer.rcvShutdown) return -Errno.EPIPE;
    if (bytes.length > this.sndbuf - 32) return -Errno.EMSGSIZE;
    if (peer.rcvQueue.length > MAX_DGRAM_QUEUE || peer.rmem >= this.sndbuf) return -Errno.EAGAIN;
    peer.receive(bytes, linearPart(bytes.length, DGRAM_HEAD));
    return bytes.length;
  }

  private receive(bytes: Uint8Array, linear: number): void {
    enqueue(this, new SkBuff(this.net.area, [bytes], linear));
    this.dataReady();
  }

  override readSkb(actor: (skb: SkBuff) => number): number {
    if (this.type === SOCK_STREAM && this.state !== TcpState.ESTABLISHED) return -Errno.ENOTCONN;
    const skb = dequeue(this);
    if (skb === undefined) return -Errno.EAGAIN;
    const read = this.readOffset;
    this.readOffset = 0;
    const rest = read === 0 ? skb : new SkBuff(this.net.area, skb.range(read, skb.len - read), -1);
    const used = actor(rest);
    this.peer?.wake('writable');
    return used;
  }

  protected override recvmsg(length: number, flags: number): Uint8Array | number {
    const { psock } = this;
    if ((flags & MSG_OOB) !== 0)
      return psock !== null || this.type === SOCK_DGRAM ? -Errno.EOPNOTSUPP : this.recvOob();
    if (length === 0) return new Uint8Array(0);
    const peek = (flags & MSG_PEEK) !== 0;
    if (psock === null || (this.rcvQueue.length > 0 && psock.ingress.length === 0)) {
      return this.recvPlain(length, peek);
    }
    const got = psock.read(length, peek, () => undefined);
    if (got !== 0) return got;
    return this.rcvShutdown ? this.recvPlain(length, peek) : -Errno.EAGAIN;
  }

  private recvOob(): number {
    return this.oob && this.rcvQueue.length > 0 ? -Errno.EAGAIN : -Errno.EINVAL;
  }

  private recvPlain(length: number, peek: boolean): Uint8Array | number {
    const got =
      this.type === SOCK_DGRAM ? readDatagram(this, length, peek) : this.readStreamBytes(length, peek);
    if (got !== undefined) {
      if (!peek) this.peer?.writeSpace();
      return got;
    }
    if (this.err !== 0) return this.sockError();
    return this.rcvShutdown ? new Uint8Array(0) : -Errno.EAGAIN;
  }

  private readStreamBytes(length: number, peek: boolean): Uint8Array | undefined {
    const parts: Uint8Array[] = [];
    let left = length;
    let offset = this.readOffset;
    let index = 0;
    while (left > 0 && index < this.rcvQueue.length) {
      const skb = this.rcvQueue[index];
      const take = Math.min(left, skb.len - offset);
      parts.push(...skb.range(offset, take));
      left -= take;
      offset += take;
      if (offset < skb.len) break;
      offset = 0;
      if (peek) index++;
      else dequeue(this);
    }
    if (left === length) return undefined;
    if (!peek) this.readOffset = offset;
    return join(parts, length - left);
  }

  private writeSpace(): void {
    if (this.psock !== null) this.net.schedule(this.psock);
    this.wake('writable');
  }

  /** Bytes in the queue: all of a stream, the first datagram; what the psock holds does not count. */
  override inq(): number {
    if (this.type === SOCK_DGRAM) return this.rcvQueue[0]?.len ?? 0;
    let bytes = 0;
    for (const skb of this.rcvQueue) bytes += skb.len;
    return bytes - this.readOffset;
  }

  override pollMask(): number {
    let mask = 0;
    if (this.rcvQueue.length > 0 || (this.psock?.ingress.length ?? 0) > 0 || this.rcvShutdown) mask |= POLLIN;
    if (this.rcvShutdown) mask |= POLLRDHUP;
    if (this.rcvShutdown && this.sndShutdown) mask |= POLLHUP;
    if (this.err !== 0) mask |= POLLERR;
    if ((this.peer?.rmem ?? 0) < this.sndbuf) mask |= POLLOUT;
    return mask;
  }

  override shutdown(how: number): number {
    const { peer } = this;
    if (how !== SHUT_WR) this.rcvShutdown = true;
    if (how !== SHUT_RD) this.sndShutdown = true;
    if (peer !== null && this.type === SOCK_STREAM) {
      if (how !== SHUT_RD) peer.rcvShutdown = true;
      if (how !== SHUT_WR) peer.sndShutdown = true;
      peer.hungUp();
    }
    this.wake('state');
    this.net.run();
    return 0;
  }

  /** The other end shut down: a poll shows it; a verdict program is not run. */
  private hungUp(): void {
    this.wake('readable');
  }

  protected override closeProtocol(): void {
    const { peer } = this;
    const unread = this.rcvQueue.length > 0;
    this.dead = true;
    this.state = TcpState.CLOSE;
    this.rcvQueue.length = 0;
    this.rmem = 0;
    this.peer = null;
    if (peer?.peer !== this) return;
    if (this.type === SOCK_DGRAM) return;
    peer.rcvShutdown = peer.sndShutdown = true;
    if (unread) peer.reportError(Errno.ECONNRESET);
    peer.hungUp();
  }
}
