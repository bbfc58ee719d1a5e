/** What all sockets have: identity, addresses, state, receive queue, and the psock that a socket map hangs on. */
import { Errno, UsageError } from '../errors.js';
import type { Sock, SockLink } from '../maps/sock.js';
import type { SockProgs } from '../maps/sock-progs.js';
import type { SkBuff } from '../progs/ctx/sk-buff.js';
import type { SockFields } from '../progs/ctx/sock-fields.js';
import type { Net } from './net.js';
import { SkPsock } from './psock.js';
import type { StreamReader } from './strparser.js';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

/** Flags of send and recv (UAPI). Memory sockets never block, whether MSG_DONTWAIT is given or not. */
export const MSG_OOB = 1;
export const MSG_PEEK = 2;
export const MSG_DONTWAIT = 0x40;
export const MSG_MORE = 0x8000;

/** Bits of poll(2). */
export const POLLIN = 1;
export const POLLOUT = 4;
export const POLLERR = 8;
export const POLLHUP = 16;
export const POLLRDHUP = 0x2000;

export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

/** States (`enum` of the UAPI's tcp_states); unix and UDP sockets use ESTABLISHED and CLOSE. */
export const TcpState = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
} as const;

/** Address of an inet socket: bytes in network order, port in host order. */
export interface Endpoint {
  readonly ip: Uint8Array;
  readonly port: number;
}

const NO_ENDPOINT: Endpoint = { ip: new Uint8Array(4), port: 0 };
const NO_ENDPOINT6: Endpoint = { ip: new Uint8Array(16), port: 0 };

/** Memory that a queued buffer costs beyond its payload. */
export const SKB_OVERHEAD = 768;
export const DEFAULT_RCVBUF = 131_072;
export const DEFAULT_SNDBUF = 2_626_560;

export type SockEvent = 'readable' | 'writable' | 'error' | 'state';

export abstract class NetSock implements Sock, SockFields {
  readonly net: Net;
  readonly cookie: bigint;
  readonly fd: number;
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  readonly isTcp: boolean;
  readonly suitable = true;
  /** How a parser reads the stream; null where there is no stream to parse. */
  readonly stream: StreamReader | null = null;
  state: number = TcpState.CLOSE;
  local: Endpoint;
  remote: Endpoint;
  psock: SkPsock | null = null;
  rcvbuf = DEFAULT_RCVBUF;
  sndbuf = DEFAULT_SNDBUF;
  /** Pending error (SO_ERROR), a positive errno. */
  err = 0;
  rcvShutdown = false;
  sndShutdown = false;
  /** Closed by its owner. */
  dead = false;
  readonly rcvQueue: SkBuff[] = [];
  /** Memory charged to the receive side: queued buffers and those that other sockets redirected here. */
  rmem = 0;
  /** Called after something happened that a poll would show. */
  onEvent: ((event: SockEvent) => void) | null = null;

  constructor(net: Net, family: number, type: number, protocol: number) {
    this.net = net;
    this.family = family;
    this.type = type;
    this.protocol = protocol;
    this.isTcp = protocol === IPPROTO_TCP;
    this.local = this.remote = family === AF_INET6 ? NO_ENDPOINT6 : NO_ENDPOINT;
    const id = net.register(this);
    this.cookie = id.cookie;
    this.fd = id.fd;
  }

  get localIp(): Uint8Array {
    return this.local.ip;
  }
  get remoteIp(): Uint8Array {
    return this.remote.ip;
  }
  get localPort(): number {
    return this.local.port;
  }
  get remotePort(): number {
    return this.remote.port;
  }

  abstract readonly insertable: boolean;
  get receivesNew(): boolean {
    return this.state === TcpState.LISTEN;
  }
  get redirectable(): boolean {
    return this.state === TcpState.ESTABLISHED;
  }

  // System calls. Results are counts or negative errnos.

  /** send(2), sendmsg(2): bytes taken, or a negative errno. */
  send(bytes: Uint8Array, flags = 0): number {
    if (!(bytes instanceof Uint8Array)) throw noBytes(bytes);
    if (this.dead) return -Errno.EBADF;
    this.net.doPostponed();
    // The caller may reuse its buffer. (A slice of a Buffer would share it.)
    const sent = this.sendmsg([new Uint8Array(bytes)], flags);
    this.net.run();
    return sent;
  }

  /** writev(2). */
  sendv(parts: readonly Uint8Array[], flags = 0): number {
    if (this.dead) return -Errno.EBADF;
    const sent = this.sendmsg(
      parts.map((part) => new Uint8Array(part)),
      flags,
    );
    this.net.run();
    return sent;
  }

  /** recv(2): the bytes (none at the end of the stream), or a negative errno. */
  recv(length: number, flags = 0): Uint8Array | number {
    if (this.dead) return -Errno.EBADF;
    this.net.settle();
    const got = this.recvmsg(length, flags);
    this.net.run();
    return got;
  }

  /** Bits that poll(2) would report. */
  poll(): number {
    this.net.settle();
    return this.pollMask();
  }

  /** ioctl(FIONREAD): bytes that can be read, or a negative errno. */
  fionread(): number {
    this.net.settle();
    return this.inq();
  }

  /** SO_ERROR: the pending error as a positive errno, which is cleared. */
  takeError(): number {
    this.net.settle();
    const { err } = this;
    this.err = 0;
    return err;
  }

  close(): void {
    if (this.dead) return;
    this.net.settle();
    this.leaveMaps();
    this.closeProtocol();
    this.net.unregister(this);
    this.net.run();
  }

  abstract shutdown(how: number): number;

  // The protocol below the psock.

  /** Sends bytes that nobody changes any more, through the psock, without running queued work. */
  abstract sendmsg(parts: readonly Uint8Array[], flags: number): number;
  protected abstract recvmsg(length: number, flags: number): Uint8Array | number;
  abstract pollMask(): number;
  abstract inq(): number;
  protected abstract closeProtocol(): void;
  /** Hands queued buffers to the verdict program, as many as one wake-up does. Returns bytes or a negative errno. */
  abstract readSkb(actor: (skb: SkBuff) => number): number;
  /** A buffer was taken off for good by a redirect or a drop: the stream's window moves on. */
  eat(_bytes: number): void {
    return;
  }
  /** Whether the protocol may take a psock: -errno where not. */
  abstract checkPsock(): number;
  /** The last map went: what the psock held is gone. */
  psockGone(): void {
    return;
  }

  /** Buffers arrived: the psock's programs first, then whoever waits. */
  protected dataReady(): void {
    const { psock } = this;
    if (psock !== null && psock.dataReady()) return;
    this.wake('readable');
  }

  /** Stops or resumes reading from outside the process; sockets in memory have nothing to stop. */
  throttle(_on: boolean): void {
    return;
  }

  wake(event: SockEvent): void {
    this.onEvent?.(event);
  }

  /** Sets the pending error and tells. */
  reportError(errno: number): void {
    this.err = errno;
    this.wake('error');
  }

  /** Takes the pending error as a negative errno, 0 for none. */
  sockError(): number {
    const { err } = this;
    this.err = 0;
    return -err;
  }

  // For maps.

  psockGet(progs: SockProgs): number {
    const psock = this.psock;
    if (psock === null) {
      const errno = this.checkPsock();
      if (errno < 0) return errno;
    } else if (psock.conflicts(progs)) return -Errno.EBUSY;
    const held = psock ?? new SkPsock(this);
    if (psock === null) this.psock = held;
    else held.refs++;
    const errno = held.adopt(progs);
    if (errno < 0) this.psockPut();
    return errno;
  }

  psockPut(): void {
    const { psock } = this;
    if (psock === null || --psock.refs > 0) return;
    this.psock = null;
    psock.drop();
    this.psockGone();
  }

  linkAdd(link: SockLink): void {
    this.psock?.links.push(link);
  }

  linkDrop(link: SockLink): void {
    this.psock?.forget(link);
    this.psockPut();
  }

  /** Takes the socket out of every map. */
  protected leaveMaps(): void {
    const { psock } = this;
    if (psock === null) return;
    psock.refs++;
    for (const link of psock.links.splice(0)) link.remove();
    psock.stop();
    this.psockPut();
  }
}

function noBytes(value: unknown): UsageError {
  return new UsageError('ERR_BPF_USAGE_BYTES', `send: ${typeof value} is no Uint8Array`, {
    hint: 'new TextEncoder().encode(text) makes bytes of a text',
  });
}
