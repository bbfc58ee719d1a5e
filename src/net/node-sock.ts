/** Sockets of the operating system, through node:net and node:dgram, as sockets of a net. */
import type { Socket as DgramSocket } from 'node:dgram';
import { isIPv6, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { Errno } from '../errors.js';
import type { Net } from './net.js';
import type { Endpoint, NetSock } from './sock.js';
import { AF_INET, AF_INET6, TcpState } from './sock.js';
import { TcpSock } from './tcp-sock.js';
import type { TcpTransport } from './tcp-sock.js';
import { UdpSock } from './udp-sock.js';

/** Bytes that a socket of the outside may hold in each direction. */
const BUFFER = 262_144;

/** The bytes of an address that Node gives as text; an IPv4-mapped one is IPv4. Empty text gives 0.0.0.0. */
export function parseIp(text: string | undefined): Uint8Array {
  const plain = (text ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(plain)) {
    const parts = plain.split('.').map(Number);
    return Uint8Array.from(parts.length === 4 ? parts : [0, 0, 0, 0]);
  }
  const [head, tail] = plain.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const words =
    tail === undefined
      ? head
      : [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail];
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => {
    view.setUint16(2 * index, parseInt(word, 16));
  });
  return bytes;
}

const endpoint = (address: string | undefined, port: number | undefined): Endpoint => ({
  ip: parseIp(address),
  port: port ?? 0,
});

/** A stream of Node under a TCP socket: what is sent goes to it, what it reads is received. */
class NodeTransport implements TcpTransport {
  private readonly socket: Socket;
  private readonly sk: TcpSock;
  private throttled = false;

  constructor(sk: TcpSock, socket: Socket) {
    this.sk = sk;
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.take(chunk);
    });
    socket.on('drain', () => {
      sk.push();
      sk.net.run();
    });
    socket.on('end', () => {
      sk.receiveFin();
      sk.net.run();
    });
    socket.on('error', () => {
      sk.receiveReset();
      sk.net.run();
    });
    socket.on('close', () => {
      if (!sk.dead && !sk.rcvShutdown) sk.receiveReset();
      sk.wake('state');
      sk.net.run();
    });
  }

  private take(chunk: Buffer): void {
    // Buffers of Node's streams are never reused: the bytes are ours.
    this.sk.receive([new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)], false);
    this.sk.net.run();
    this.flow();
  }

  window(): number {
    return this.socket.destroyed ? Infinity : BUFFER - this.socket.writableLength;
  }

  deliver(frags: Uint8Array[], fin: boolean): void {
    const { socket } = this;
    if (socket.destroyed || socket.writableEnded) return;
    if (frags.length > 1) socket.cork();
    for (const frag of frags) socket.write(frag);
    if (frags.length > 1) socket.uncork();
    if (fin) socket.end();
  }

  fin(): void {
    if (!this.socket.destroyed) this.socket.end();
  }

  reset(): void {
    if (!this.socket.destroyed) this.socket.resetAndDestroy();
  }

  opened(): void {
    this.flow();
  }

  throttle(on: boolean): void {
    this.throttled = on;
    this.flow();
  }

  /** Reads from outside only while there is room for what comes. */
  private flow(): void {
    const stop = this.throttled || this.sk.receiveWindow <= 0;
    if (stop && !this.socket.isPaused()) this.socket.pause();
    else if (!stop && this.socket.isPaused()) this.socket.resume();
  }
}

/**
 * Takes over a connected stream of Node. Reading from it and writing to it go through the returned socket from now
 * on; it can be put into maps. The stream must allow half-open connections for ends to be passed on one by one.
 */
export function nodeTcpSock(net: Net, socket: Socket): TcpSock {
  const local = endpoint(socket.localAddress, socket.localPort);
  const sk = new TcpSock(net, local.ip.length === 16 ? AF_INET6 : AF_INET);
  sk.local = local;
  sk.remote = endpoint(socket.remoteAddress, socket.remotePort);
  sk.state = TcpState.ESTABLISHED;
  sk.rcvbuf = sk.sndbuf = BUFFER;
  sk.transport = new NodeTransport(sk, socket);
  return sk;
}

/** Takes over a bound datagram socket of Node; with `remote` it is connected. */
export function nodeUdpSock(net: Net, socket: DgramSocket, remote?: Endpoint): UdpSock {
  const { address, port, family } = socket.address();
  const sk = new UdpSock(net, family === 'IPv6' ? AF_INET6 : AF_INET);
  sk.local = endpoint(address, port);
  sk.bound = true;
  const adoptRemote = (to: Endpoint): void => {
    sk.remote = to;
    sk.state = TcpState.ESTABLISHED;
  };
  if (remote !== undefined) adoptRemote(remote);
  sk.transport = {
    send: (bytes, to) => {
      socket.send(bytes, to.port, formatIp(to.ip));
    },
    close: () => {
      socket.close();
    },
  };
  socket.on('message', (message, from) => {
    // A socket that was only bound answers whom it heard last.
    if (remote === undefined) adoptRemote(endpoint(from.address, from.port));
    sk.receive(new Uint8Array(message.buffer, message.byteOffset, message.length));
    net.run();
  });
  socket.on('error', () => {
    sk.reportError(Errno.ECONNREFUSED);
  });
  return sk;
}

export function formatIp(ip: Uint8Array): string {
  if (ip.length === 4) return ip.join('.');
  const view = new DataView(ip.buffer, ip.byteOffset, ip.length);
  return Array.from({ length: 8 }, (_, index) => view.getUint16(2 * index).toString(16)).join(':');
}

/**
 * A Duplex on a socket of a net: it stands where the application had its stream. What programs pass can be read,
 * what is written goes through them; closing it closes the socket.
 */
export class SockDuplex extends Duplex {
  readonly sock: NetSock;
  private wantsRead = false;
  private blocked: (() => void) | null = null;

  constructor(sock: NetSock) {
    super({ allowHalfOpen: true });
    this.sock = sock;
    sock.onEvent = (event) => {
      if (event === 'writable') this.retryWrite();
      else if (this.wantsRead) this.readMore();
      if (event === 'error' && sock.err !== 0) this.destroy(new Error(`socket error ${sock.takeError()}`));
    };
  }

  override _read(): void {
    this.wantsRead = true;
    this.readMore();
  }

  private readMore(): void {
    while (this.wantsRead) {
      const got = this.sock.recv(65_536);
      if (typeof got === 'number') return;
      if (got.length === 0) {
        this.wantsRead = false;
        this.push(null);
        return;
      }
      this.wantsRead = this.push(got);
    }
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    const sent = this.sock.send(chunk);
    if (sent === chunk.length) done();
    else if (sent >= 0) this.blocked = () => this._write(chunk.subarray(sent), _encoding, done);
    else if (sent === -Errno.EAGAIN) this.blocked = () => this._write(chunk, _encoding, done);
    else done(Object.assign(new Error(`send: errno ${-sent}`), { errno: sent }));
  }

  private retryWrite(): void {
    const retry = this.blocked;
    this.blocked = null;
    retry?.();
  }

  override _final(done: () => void): void {
    this.sock.shutdown(1);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.sock.onEvent = null;
    this.sock.close();
    done(error);
  }
}

/** Takes over a connected stream and returns a Duplex that stands where the application had it. */
export function adoptSocket(net: Net, socket: Socket): SockDuplex {
  return new SockDuplex(nodeTcpSock(net, socket));
}
