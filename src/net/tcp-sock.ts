/** A TCP socket: a stream in each direction over a transport, and the calls that a psock replaces. */
import { Errno } from '../errors.js';
import { SkBuff, totalLength } from '../progs/ctx/sk-buff.js';
import type { Net } from './net.js';
import { join } from './psock.js';
import type { Endpoint } from './sock.js';
import { sendFiltered } from './send-verdict.js';
import {
  IPPROTO_TCP,
  MSG_MORE,
  MSG_PEEK,
  NetSock,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  SHUT_RD,
  SHUT_WR,
  SKB_OVERHEAD,
  SOCK_STREAM,
  TcpState,
} from './sock.js';
import type { PortSock, ReuseportGroup } from './ports.js';
import type { ReadStep, StreamReader } from './strparser.js';

/** ETH_P_IP and ETH_P_IPV6 in network order, as `__sk_buff.protocol` shows them. */
export const PROTO_IP = 0x0008;
export const PROTO_IPV6 = 0xdd86;
/** Payload of the largest segment: half the window that the receiver offers first. */
export const TCP_SEGMENT = 32_741;
const MAX_SKB_FRAGS = 17;
const LOOPBACK_IFINDEX = 1;

/** What carries the stream to the other end. */
export interface TcpTransport {
  /** Bytes that the other end takes now; at most 0 for none. */
  window(): number;
  /** A segment; `fin` where the stream ends with it. */
  deliver(frags: Uint8Array[], fin: boolean): void;
  fin(): void;
  reset(): void;
  /** The application read: the other end may send more. */
  opened(): void;
  /** Stops or resumes taking bytes from the other end, where it is outside the process. */
  throttle?(on: boolean): void;
}

interface Segment {
  readonly frags: Uint8Array[];
  length: number;
}

export class TcpSock extends NetSock implements StreamReader, PortSock {
  override readonly stream: StreamReader = this;
  transport: TcpTransport | null = null;
  /** Payload that came in and went out. */
  bytesReceived = 0;
  bytesSent = 0;
  reuseport = false;
  group: ReuseportGroup | null = null;
  /** Connections that accept has not taken yet. */
  backlog = 0;
  private readonly arrived: TcpSock[] = [];
  /** Callbacks that sock_ops programs have asked for. */
  cbFlags = 0;
  /** SO_LINGER with a time of 0: closing resets. */
  lingerZero = false;
  /** Stream positions: received, and taken off by readers and verdicts. */
  private rcvNxt = 0;
  private copiedSeq = 0;
  /** Position of the parser. */
  private parsedSeq = 0;
  /** Bytes of the first queued buffer that were read. */
  private readOffset = 0;
  /** The other end has closed its direction. */
  private done = false;
  private readonly unsent: Segment[] = [];
  private unsentBytes = 0;
  private finWaits = false;
  private held = false;
  private pushing = false;
  private parsing = false;
  /** The operation that brought the last buffer of the queue. */
  private tailOperation = -1;

  constructor(net: Net, family: number) {
    super(net, family, SOCK_STREAM, IPPROTO_TCP);
  }

  override get insertable(): boolean {
    return this.state === TcpState.ESTABLISHED || this.state === TcpState.LISTEN;
  }
  override get redirectable(): boolean {
    return this.state !== TcpState.LISTEN;
  }
  override checkPsock(): number {
    return 0;
  }

  /** Changes the state and tells sock_ops programs that want to know. */
  setState(state: number): void {
    const from = this.state;
    if (from === state) return;
    if (this.cbFlags !== 0) this.net.sockOps.stateChanged(this, from, state);
    this.state = state;
  }

  // Listening and connecting.

  /** bind(2): port 0 takes a free one. 0 or -EADDRINUSE. */
  bind(to: Endpoint): number {
    return this.net.inet.tcp.bind(this, to);
  }

  /** listen(2): 0 or a negative errno. */
  listen(backlog?: number): number {
    return this.net.inet.listen(this, backlog);
  }

  /** connect(2), over when it returns: 0 or a negative errno. */
  connect(to: Endpoint): number {
    const errno = this.net.inet.connect(this, to);
    this.net.run();
    return errno;
  }

  /** accept(2): the next connection, or a negative errno. */
  accept(): TcpSock | number {
    if (this.state !== TcpState.LISTEN) return -Errno.EINVAL;
    return this.arrived.shift() ?? -Errno.EAGAIN;
  }

  get isBacklogFull(): boolean {
    return this.arrived.length > this.backlog;
  }

  /** A connection is ready to be accepted. */
  offer(child: TcpSock): void {
    this.arrived.push(child);
    this.wake('readable');
  }

  // Sending.

  /** Everything that was sent has left. */
  get isFlushed(): boolean {
    return this.unsent.length === 0 && (this.psock?.pending.length ?? 0) === 0;
  }

  hasSendRoom(): boolean {
    return this.unsentBytes < this.sndbuf;
  }

  override sendmsg(parts: readonly Uint8Array[], flags: number): number {
    const { psock } = this;
    if (psock?.filtersSend === true) return sendFiltered(this, psock, parts, flags);
    return this.sendPlain(parts, flags);
  }

  /** Queues bytes that nobody changes any more: how many, or a negative errno. */
  sendPlain(frags: readonly Uint8Array[], flags: number): number {
    const open = this.state === TcpState.ESTABLISHED || this.state === TcpState.CLOSE_WAIT;
    if (this.err !== 0 || this.sndShutdown || !open) return this.err !== 0 ? this.sockError() : -Errno.EPIPE;
    const queued = this.queue(frags);
    this.push((flags & MSG_MORE) !== 0);
    const wanted = totalLength(frags);
    return queued === 0 && wanted > 0 ? -Errno.EAGAIN : queued;
  }

  private queue(frags: readonly Uint8Array[]): number {
    let queued = 0;
    for (const frag of frags) {
      let rest = frag;
      while (rest.length > 0) {
        const segment = this.openSegment();
        if (segment === null) return queued;
        const piece = rest.subarray(0, TCP_SEGMENT - segment.length);
        appendFrag(segment.frags, compact(piece));
        segment.length += piece.length;
        this.unsentBytes += piece.length;
        queued += piece.length;
        rest = rest.subarray(piece.length);
      }
    }
    return queued;
  }

  private openSegment(): Segment | null {
    const last = this.unsent.at(-1);
    if (last !== undefined && last.length < TCP_SEGMENT) return last;
    if (!this.hasSendRoom()) return null;
    const segment: Segment = { frags: [], length: 0 };
    this.unsent.push(segment);
    return segment;
  }

  /** Sends what the other end takes. With `hold`, a last short segment waits for more. */
  push(hold = this.held): void {
    const { transport } = this;
    this.held = hold;
    // The other end may open its window while it takes a segment: the loop that is running goes on.
    if (transport === null || this.pushing) return;
    const wasFull = !this.hasSendRoom();
    this.pushing = true;
    while (this.unsent.length > 0 && transport.window() > 0) {
      const [segment] = this.unsent;
      if (this.held && this.unsent.length === 1 && segment.length < TCP_SEGMENT) {
        this.net.holds(this);
        break;
      }
      this.unsent.shift();
      this.unsentBytes -= segment.length;
      this.bytesSent += segment.length;
      const fin = this.finWaits && this.unsent.length === 0;
      if (fin) this.finWaits = false;
      transport.deliver(segment.frags, fin);
    }
    this.pushing = false;
    if (wasFull && this.hasSendRoom()) this.writeSpace();
  }

  /** There is room to send again. */
  writeSpace(): void {
    if (this.psock !== null) this.net.schedule(this.psock);
    this.wake('writable');
  }

  // Receiving.

  /** Free room in the receive buffer. */
  get receiveWindow(): number {
    return this.rcvbuf - this.rmem;
  }

  /** A segment from the other end; the bytes are not changed any more. */
  receive(frags: Uint8Array[], fin: boolean): void {
    if (this.dead) {
      this.transport?.reset();
      this.setState(TcpState.CLOSE);
      return;
    }
    if (this.state === TcpState.CLOSE) return;
    const skb = new SkBuff(this.net.area, frags, 0, {
      protocol: this.localIp.length === 4 ? PROTO_IP : PROTO_IPV6,
      ingressIfindex: LOOPBACK_IFINDEX,
    });
    this.rcvNxt += skb.len;
    this.bytesReceived += skb.len;
    this.enqueue(skb);
    if (fin) this.receiveFin();
    else this.dataReady();
  }

  private enqueue(skb: SkBuff): void {
    const tail = this.rcvQueue.at(-1);
    // A segment that is not acknowledged yet belongs to the sender too, and is not added to.
    const isShared = this.tailOperation === this.net.operations;
    if (tail !== undefined && !isShared && !tail.fin && tail.fragCount + skb.fragCount <= MAX_SKB_FRAGS) {
      tail.append(skb);
      this.rmem += skb.len;
      return;
    }
    this.rcvQueue.push(skb);
    this.tailOperation = this.net.operations;
    this.rmem += skb.len + SKB_OVERHEAD;
  }

  /** The other end has closed its direction. */
  receiveFin(): void {
    if (this.done) return;
    this.rcvNxt++;
    this.rcvShutdown = true;
    this.done = true;
    const tail = this.rcvQueue.at(-1);
    if (tail !== undefined) tail.fin = true;
    else {
      const skb = new SkBuff(this.net.area, [], 0);
      skb.fin = true;
      this.rcvQueue.push(skb);
      this.rmem += SKB_OVERHEAD;
    }
    switch (this.state) {
      case TcpState.ESTABLISHED:
        this.setState(TcpState.CLOSE_WAIT);
        break;
      case TcpState.FIN_WAIT1:
      case TcpState.FIN_WAIT2:
        this.setState(TcpState.TIME_WAIT);
        break;
      default:
        break;
    }
    // Programs first: who is woken finds the stream at its end.
    if (!this.dead) this.dataReady();
    this.wake('state');
  }

  receiveReset(): void {
    if (this.state === TcpState.CLOSE) return;
    const errno = this.state === TcpState.CLOSE_WAIT ? Errno.EPIPE : Errno.ECONNRESET;
    this.finish();
    this.reportError(errno);
  }

  /** The connection is over in both directions. */
  private finish(): void {
    this.unsent.length = 0;
    this.unsentBytes = 0;
    this.finWaits = false;
    this.setState(TcpState.CLOSE);
    this.rcvShutdown = this.sndShutdown = true;
  }

  override readSkb(actor: (skb: SkBuff) => number): number {
    if (this.state === TcpState.LISTEN) return -Errno.ENOTCONN;
    let copied = 0;
    while (this.rcvQueue.length > 0) {
      const skb = this.unqueue();
      const used = actor(skb);
      if (used < 0) return copied === 0 ? used : copied;
      copied += used;
      if (skb.fin) break;
    }
    return copied;
  }

  /** Takes the first buffer off the queue, without what was read of it. */
  private unqueue(): SkBuff {
    const skb = this.rcvQueue.shift()!;
    this.rmem -= skb.len + SKB_OVERHEAD;
    const read = this.readOffset;
    this.readOffset = 0;
    if (read === 0) return skb;
    const rest = new SkBuff(this.net.area, skb.range(read, skb.len - read), 0, skb.meta);
    rest.fin = skb.fin;
    return rest;
  }

  override eat(bytes: number): void {
    this.copiedSeq += bytes;
    this.transport?.opened();
  }

  override psockGone(): void {
    // Deviation: what the psock held is lost, but the stream goes on; the kernel's socket stays stuck.
    let queued = 0;
    for (const skb of this.rcvQueue) queued += skb.len;
    const fin = this.done && this.rcvQueue.length > 0 ? 1 : 0;
    this.copiedSeq = this.rcvNxt - queued - fin + this.readOffset;
    this.transport?.opened();
  }

  override throttle(on: boolean): void {
    this.transport?.throttle?.(on);
  }

  // For the parser.

  startParsing(): void {
    this.parsedSeq = this.copiedSeq;
  }

  peekLength(): number {
    const unread = this.rcvNxt - this.copiedSeq;
    return unread !== 0 && this.done ? unread - 1 : unread;
  }

  readStream(actor: (skb: SkBuff, offset: number) => ReadStep): void {
    const { psock } = this;
    // A reader that is woken by a message may come back here: what is left is taken when it has returned.
    if (psock === null || this.parsing) return;
    this.parsing = true;
    psock.passedBytes = 0;
    try {
      this.parseQueue(actor);
    } finally {
      this.parsing = false;
    }
    this.copiedSeq = this.parsedSeq - psock.passedBytes;
    this.transport?.opened();
  }

  private parseQueue(actor: (skb: SkBuff, offset: number) => ReadStep): void {
    while (this.rcvQueue.length > 0) {
      const [skb] = this.rcvQueue;
      let stop = false;
      if (this.readOffset < skb.len) {
        const step = actor(skb, this.readOffset);
        if (step.taken <= 0) break;
        this.readOffset += step.taken;
        this.parsedSeq += step.taken;
        if (this.readOffset < skb.len) continue;
        ({ stop } = step);
      }
      this.readOffset = skb.len;
      this.drop(skb);
      if (skb.fin) {
        this.parsedSeq++;
        break;
      }
      if (stop) break;
    }
  }

  private drop(skb: SkBuff): void {
    this.rcvQueue.shift();
    this.rmem -= skb.len + SKB_OVERHEAD;
    this.readOffset = 0;
  }

  // Reading.

  protected override recvmsg(length: number, flags: number): Uint8Array | number {
    if (length === 0) return new Uint8Array(0);
    const { psock } = this;
    const peek = (flags & MSG_PEEK) !== 0;
    if (psock === null) return this.recvPlain(length, peek);
    if (psock.filtersRecv) return this.recvFiltered(length, peek);
    if (this.rcvQueue.length > 0 && psock.ingress.length === 0) return this.recvPlain(length, peek);
    const got = psock.read(length, peek, () => undefined);
    if (typeof got !== 'number' || got < 0) return got;
    return this.rcvShutdown ? this.recvPlain(length, peek) : -Errno.EAGAIN;
  }

  /** With a verdict program everything comes through the psock's list. */
  private recvFiltered(length: number, peek: boolean): Uint8Array | number {
    const psock = this.psock!;
    if (this.rcvQueue.length > 0 && !this.parsing) {
      if (psock.mode === 'parser') psock.parseLater();
      else this.dataReady();
      if (this.rcvQueue.length > 0) return -Errno.EAGAIN;
    }
    let own = 0;
    const got = psock.read(length, peek, (bytes) => (own = bytes));
    if (got === -Errno.EFAULT) {
      if (!peek) this.copiedSeq++;
      return new Uint8Array(0);
    }
    if (!peek) this.copiedSeq += own;
    if (typeof got !== 'number') {
      if (!peek) this.transport?.opened();
      return got;
    }
    return this.nothing();
  }

  /** What recv gives when there are no bytes. */
  private nothing(): Uint8Array | number {
    if (this.done) return new Uint8Array(0);
    if (this.err !== 0) return this.sockError();
    if (this.rcvShutdown) return new Uint8Array(0);
    return this.state === TcpState.CLOSE ? -Errno.ENOTCONN : -Errno.EAGAIN;
  }

  private recvPlain(length: number, peek: boolean): Uint8Array | number {
    if (this.state === TcpState.LISTEN) return -Errno.ENOTCONN;
    const parts: Uint8Array[] = [];
    let got = peek ? this.peekQueue(length, parts) : 0;
    while (!peek && got < length && this.rcvQueue.length > 0) {
      got += this.readQueue(length - got, parts);
      // Room for what the other end holds back: it may come in time for this very call.
      this.transport?.opened();
    }
    return got > 0 ? join(parts, got) : this.nothing();
  }

  private peekQueue(length: number, parts: Uint8Array[]): number {
    let left = length;
    let offset = this.readOffset;
    for (const skb of this.rcvQueue) {
      const take = Math.min(left, skb.len - offset);
      if (take > 0) parts.push(...skb.range(offset, take));
      left -= take;
      offset = 0;
      if (left === 0 || skb.fin) break;
    }
    return length - left;
  }

  private readQueue(length: number, parts: Uint8Array[]): number {
    let left = length;
    while (left > 0 && this.rcvQueue.length > 0) {
      const [skb] = this.rcvQueue;
      const take = Math.min(left, skb.len - this.readOffset);
      if (take > 0) parts.push(...skb.range(this.readOffset, take));
      left -= take;
      this.readOffset += take;
      if (this.readOffset < skb.len) break;
      this.drop(skb);
      if (skb.fin) this.copiedSeq++;
    }
    this.copiedSeq += length - left;
    return length - left;
  }

  override inq(): number {
    if (this.state === TcpState.LISTEN) return -Errno.EINVAL;
    const { psock } = this;
    if (psock === null) return this.peekLength();
    return psock.ingressBytes + (psock.filtersRecv ? 0 : this.peekLength());
  }

  override pollMask(): number {
    const readable = this.rcvNxt > this.copiedSeq || (this.psock?.ingress.length ?? 0) > 0;
    if (this.state === TcpState.LISTEN) return this.arrived.length > 0 ? POLLIN : 0;
    let mask = readable || this.rcvShutdown ? POLLIN : 0;
    if (this.rcvShutdown) mask |= POLLRDHUP;
    if (this.state === TcpState.CLOSE || (this.rcvShutdown && this.sndShutdown)) mask |= POLLHUP;
    if (this.err !== 0) mask |= POLLERR;
    if (this.hasSendRoom() || this.sndShutdown) mask |= POLLOUT;
    return mask;
  }

  // Ending.

  override shutdown(how: number): number {
    if (this.state === TcpState.CLOSE || this.state === TcpState.LISTEN) return -Errno.ENOTCONN;
    if (how !== SHUT_WR) this.rcvShutdown = true;
    if (how !== SHUT_RD) this.endSending();
    this.wake('state');
    this.net.run();
    return 0;
  }

  private endSending(): void {
    if (this.sndShutdown) return;
    this.sndShutdown = true;
    const passive = this.state === TcpState.CLOSE_WAIT;
    this.setState(passive ? TcpState.LAST_ACK : TcpState.FIN_WAIT2);
    if (this.unsent.length > 0) {
      this.finWaits = true;
      this.push(false);
    } else this.transport?.fin();
    if (passive) this.setState(TcpState.CLOSE);
  }

  protected override closeProtocol(): void {
    this.dead = true;
    if (this.state === TcpState.LISTEN) {
      this.closeListener();
      return;
    }
    const unread = this.rcvQueue.some((skb) => skb.len > 0);
    const open = this.state === TcpState.ESTABLISHED || this.state === TcpState.CLOSE_WAIT;
    this.rcvQueue.length = 0;
    if (this.lingerZero || (unread && (open || this.state === TcpState.FIN_WAIT2))) this.abort();
    else if (open) this.endSending();
  }

  /** Connections that nobody accepted are reset. */
  private closeListener(): void {
    this.setState(TcpState.CLOSE);
    this.net.inet.tcp.unbind(this);
    for (const child of this.arrived.splice(0)) {
      child.abort();
      child.close();
    }
  }

  /** Resets the connection. */
  abort(): void {
    const { transport, state } = this;
    this.finish();
    if (state !== TcpState.CLOSE) transport?.reset();
  }

  /** connect(2) to AF_UNSPEC: the connection is reset; maps keep the socket. */
  disconnect(): void {
    this.abort();
    this.rcvQueue.length = 0;
    this.rcvShutdown = this.sndShutdown = this.done = false;
    if (this.group !== null) this.net.inet.tcp.unbind(this);
    this.wake('state');
    this.net.run();
  }
}

/** Adds a piece, joined with the one before where both lie side by side in the same buffer. */
/** A small piece of a large array would keep all of it alive. */
function compact(piece: Uint8Array): Uint8Array {
  return piece.buffer.byteLength > 4 * piece.length + 4096 ? new Uint8Array(piece) : piece;
}

function appendFrag(frags: Uint8Array[], piece: Uint8Array): void {
  const last = frags.at(-1);
  if (last?.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset) {
    frags[frags.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + piece.length);
  } else frags.push(piece);
}
