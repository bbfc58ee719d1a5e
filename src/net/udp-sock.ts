/** A UDP socket on the loopback of a net. */
import { Errno } from '../errors.js';
import { SkBuff } from '../progs/ctx/sk-buff.js';
import { dequeue, enqueue, readDatagram } from './datagram-queue.js';
import type { Net } from './net.js';
import { join } from './psock.js';
import type { PortSock, ReuseportGroup } from './ports.js';
import type { Endpoint } from './sock.js';
import {
  IPPROTO_UDP,
  MSG_PEEK,
  NetSock,
  POLLERR,
  POLLIN,
  POLLOUT,
  SHUT_RD,
  SHUT_WR,
  SOCK_DGRAM,
  TcpState,
} from './sock.js';
import { PROTO_IP, PROTO_IPV6 } from './tcp-sock.js';

const MAX_DATAGRAM = 65_507;
/** Longer datagrams keep their payload outside the linear part. */
const MAX_LINEAR = 16_000;
const UDP_BUFFER = 212_992;

/** What carries datagrams out of the process. */
export interface UdpTransport {
  send(bytes: Uint8Array, to: Endpoint): void;
  close(): void;
}

export class UdpSock extends NetSock implements PortSock {
  bound = false;
  reuseport = false;
  group: ReuseportGroup | null = null;
  /** Null for sockets in memory. */
  transport: UdpTransport | null = null;

  constructor(net: Net, family: number) {
    super(net, family, SOCK_DGRAM, IPPROTO_UDP);
    this.rcvbuf = this.sndbuf = UDP_BUFFER;
  }

  override get insertable(): boolean {
    return this.bound && !this.dead;
  }
  override get receivesNew(): boolean {
    return this.state !== TcpState.ESTABLISHED;
  }
  override checkPsock(): number {
    return 0;
  }

  /** bind(2): port 0 takes a free one. 0 or -EADDRINUSE. */
  bind(to: Endpoint): number {
    const errno = this.net.inet.udp.bind(this, to);
    if (errno === 0) this.bound = true;
    return errno;
  }

  /** connect(2): 0 or a negative errno. */
  connect(to: Endpoint): number {
    if (!this.bound) this.bind({ ip: to.ip, port: 0 });
    this.remote = to;
    this.state = TcpState.ESTABLISHED;
    return 0;
  }

  override sendmsg(parts: readonly Uint8Array[], _flags: number): number {
    if (this.state !== TcpState.ESTABLISHED) return -Errno.EDESTADDRREQ;
    return this.transmit(parts, this.remote);
  }

  /** sendto(2): bytes sent, or a negative errno. */
  sendTo(bytes: Uint8Array, to: Endpoint): number {
    const sent = this.transmit([new Uint8Array(bytes)], to);
    this.net.run();
    return sent;
  }

  private transmit(parts: readonly Uint8Array[], to: Endpoint): number {
    if (this.sndShutdown) return -Errno.EPIPE;
    if (this.err !== 0) return this.sockError();
    if (!this.bound) this.bind({ ip: to.ip, port: 0 });
    let length = 0;
    for (const part of parts) length += part.length;
    if (length > MAX_DATAGRAM) return -Errno.EMSGSIZE;
    const bytes = join(parts, length);
    if (this.transport !== null) {
      this.transport.send(bytes, to);
      return length;
    }
    const target = this.net.inet.udpTarget(this, to);
    if (target !== undefined) target.receive(bytes);
    else if (this.state === TcpState.ESTABLISHED) this.reportError(Errno.ECONNREFUSED);
    return length;
  }

  /** A datagram arrives; it is lost where the buffer is full. */
  receive(bytes: Uint8Array): void {
    if (this.dead || this.rmem + bytes.length > this.rcvbuf) return;
    const skb = new SkBuff(this.net.area, [bytes], bytes.length > MAX_LINEAR ? 0 : -1, {
      protocol: this.localIp.length === 4 ? PROTO_IP : PROTO_IPV6,
      ingressIfindex: 1,
    });
    enqueue(this, skb);
    this.dataReady();
  }

  override readSkb(actor: (skb: SkBuff) => number): number {
    const skb = dequeue(this);
    return skb === undefined ? -Errno.EAGAIN : actor(skb);
  }

  protected override recvmsg(length: number, flags: number): Uint8Array | number {
    if (length === 0) return new Uint8Array(0);
    const { psock } = this;
    const peek = (flags & MSG_PEEK) !== 0;
    if (psock === null || (psock.ingress.length === 0 && psock.pending.length === 0)) {
      return this.recvPlain(length, peek);
    }
    const got = psock.read(length, peek, () => undefined);
    return got === 0 ? this.recvPlain(length, peek) : got;
  }

  private recvPlain(length: number, peek: boolean): Uint8Array | number {
    const got = readDatagram(this, length, peek);
    if (got !== undefined) return got;
    if (this.err !== 0) return this.sockError();
    return this.rcvShutdown ? new Uint8Array(0) : -Errno.EAGAIN;
  }

  /** The first message only, on the list and in the queue alike. */
  override inq(): number {
    const { psock } = this;
    if (psock === null) return this.rcvQueue[0]?.len ?? 0;
    return psock.firstLength;
  }

  override pollMask(): number {
    let mask = POLLOUT;
    if (this.rcvQueue.length > 0 || (this.psock?.ingress.length ?? 0) > 0 || this.rcvShutdown) mask |= POLLIN;
    if (this.err !== 0) mask |= POLLERR;
    return mask;
  }

  override shutdown(how: number): number {
    if (this.state !== TcpState.ESTABLISHED) return -Errno.ENOTCONN;
    if (how !== SHUT_WR) this.rcvShutdown = true;
    if (how !== SHUT_RD) this.sndShutdown = true;
    this.wake('state');
    return 0;
  }

  protected override closeProtocol(): void {
    this.dead = true;
    this.state = TcpState.CLOSE;
    this.rcvQueue.length = 0;
    if (this.transport === null) this.net.inet.udp.unbind(this);
    else this.transport.close();
  }
}
