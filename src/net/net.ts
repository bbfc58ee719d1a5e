/** The sockets of a VM: their descriptors and cookies, their addresses in memory, and the work that is queued. */
import { BpfError, Errno } from '../errors.js';
import type { Sock, SockTable, SockTuple } from '../maps/sock.js';
import type { BpfMemory, Region } from '../memory/memory.js';
import { RegionKind } from '../memory/memory.js';
import { PacketArea } from '../progs/ctx/packet-area.js';
import { BPF_SOCK_SIZE, writeBpfSock } from '../progs/ctx/sock-fields.js';
import { Inet } from './inet.js';
import { SockOpsHooks } from './sock-ops.js';
import type { SkPsock } from './psock.js';
import type { Endpoint, NetSock } from './sock.js';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, TcpState } from './sock.js';
import { TcpSock } from './tcp-sock.js';
import { UdpSock } from './udp-sock.js';
import { UnixSock } from './unix-sock.js';

export interface NetEnv {
  readonly memory: BpfMemory;
  /** Runs `fn` when no program runs any more. */
  whenIdle(fn: () => void): void;
}

export type InetFamily = typeof AF_INET | typeof AF_INET6;

const FIRST_FD = 3;
const MAX_DELIVERIES = 100_000;

export function loopback(family: number): Uint8Array {
  const ip = new Uint8Array(family === AF_INET6 ? 16 : 4);
  ip[ip.length - 1] = 1;
  if (family !== AF_INET6) ip[0] = 127;
  return ip;
}

export class Net implements SockTable {
  /** Through which programs see payload. */
  readonly area: PacketArea;
  /** sock_ops programs: told about every TCP connection. */
  readonly sockOps: SockOpsHooks;
  /** Ports and listeners. */
  readonly inet: Inet;
  private readonly env: NetEnv;
  private readonly sockets = new Map<number, NetSock>();
  private readonly regions = new Map<NetSock, Region>();
  private readonly byRegion = new Map<number, NetSock>();
  private readonly queue = new Set<SkPsock>();
  /** Psocks whose target was full: tried again whenever work runs. */
  private readonly stalled = new Set<SkPsock>();
  private readonly held = new Set<TcpSock>();
  /** Deliveries in one go after which a loop of redirects is assumed. */
  maxDeliveries = MAX_DELIVERIES;
  /** Counts operations: what one of them sends is acknowledged before the next. */
  operations = 0;
  private readonly postponed: (() => void)[] = [];
  /** Operations follow each other so closely that nothing that was postponed happens in between. */
  hurried = false;
  private running = false;
  /** Called when all work is done that an operation caused. */
  readonly onQuiet = new Set<() => void>();
  private nextCookie = 1n;
  private nextFd = FIRST_FD;

  constructor(env: NetEnv, area = new PacketArea(env.memory)) {
    this.env = env;
    this.area = area;
    this.sockOps = new SockOpsHooks(this);
    this.inet = new Inet(this);
  }

  // Sockets.

  /**
   * Two connected TCP sockets: the one that connected, and the one that was accepted; on loopback with ports of the
   * VM's choice where `ends` does not say.
   */
  tcpPair(
    family: InetFamily = AF_INET,
    ends: { readonly client?: Endpoint; readonly server?: Endpoint } = {},
  ): [client: TcpSock, server: TcpSock] {
    const client = new TcpSock(this, family);
    const server = new TcpSock(this, family);
    client.local = server.remote = ends.client ?? { ip: loopback(family), port: this.inet.takePort() };
    client.remote = server.local = ends.server ?? { ip: loopback(family), port: this.inet.takePort() };
    this.sockOps.connecting(client);
    this.inet.join(client, server);
    return [client, server];
  }

  /** Two UDP sockets connected to each other. */
  udpPair(family: InetFamily = AF_INET): [UdpSock, UdpSock] {
    const a = new UdpSock(this, family);
    const b = new UdpSock(this, family);
    a.bind({ ip: loopback(family), port: 0 });
    b.bind({ ip: loopback(family), port: 0 });
    a.connect(b.local);
    b.connect(a.local);
    return [a, b];
  }

  /** socketpair(AF_UNIX). */
  unixPair(type: 'stream' | 'dgram'): [UnixSock, UnixSock] {
    const a = this.unix(type);
    const b = this.unix(type);
    a.peer = b;
    b.peer = a;
    a.state = b.state = TcpState.ESTABLISHED;
    return [a, b];
  }

  /** An unconnected unix socket. */
  unix(type: 'stream' | 'dgram'): UnixSock {
    return new UnixSock(this, type === 'stream' ? SOCK_STREAM : SOCK_DGRAM);
  }

  tcp(family: InetFamily = AF_INET): TcpSock {
    return new TcpSock(this, family);
  }

  udp(family: InetFamily = AF_INET): UdpSock {
    return new UdpSock(this, family);
  }

  /** Sockets that are open, in order of creation. */
  list(): NetSock[] {
    return [...this.sockets.values()];
  }

  // SockTable.

  register(sock: NetSock): { cookie: bigint; fd: number } {
    const fd = this.nextFd++;
    this.sockets.set(fd, sock);
    return { cookie: this.nextCookie++, fd };
  }

  unregister(sock: NetSock): void {
    this.sockets.delete(sock.fd);
    const region = this.regions.get(sock);
    if (region === undefined) return;
    this.regions.delete(sock);
    this.byRegion.delete(region.base);
    this.env.whenIdle(() => {
      this.env.memory.free(region);
    });
  }

  owns(sock: Sock): boolean {
    return (sock as Partial<NetSock> | undefined)?.net === this;
  }

  byFd(fd: number): Sock | number {
    return this.sockets.get(fd) ?? -Errno.EBADF;
  }

  byAddress(address: number): Sock | undefined {
    return this.byRegion.get(address);
  }

  find(protocol: 'tcp' | 'udp', tuple: SockTuple): Sock | undefined {
    return this.inet.lookup(protocol, tuple);
  }

  addressOf(sock: Sock): number {
    const sk = sock as NetSock;
    let region = this.regions.get(sk);
    if (region === undefined) {
      const label = `socket ${sk.cookie}`;
      region = this.env.memory.alloc(BPF_SOCK_SIZE, RegionKind.Sock, { label, writable: false });
      this.regions.set(sk, region);
      this.byRegion.set(region.base, sk);
    }
    writeBpfSock(this.env.memory, region.base, sk);
    return region.base;
  }

  // Work.

  /** Queues the delivery of what waits at a psock. */
  schedule(psock: SkPsock): void {
    if (psock.pending.length > 0) this.queue.add(psock);
  }

  /** A socket holds back a short segment (MSG_MORE) until more comes or `settle`. */
  holds(sock: TcpSock): void {
    this.held.add(sock);
  }

  /** Does all queued work. Every operation on a memory socket ends with it. */
  run(): void {
    if (this.running) return;
    this.running = true;
    try {
      for (const psock of this.stalled) this.queue.add(psock);
      this.stalled.clear();
      let deliveries = 0;
      for (const psock of this.queue) {
        this.queue.delete(psock);
        if (psock.work()) this.stalled.add(psock);
        if (++deliveries > this.maxDeliveries) throw endlessRedirect(deliveries);
      }
    } finally {
      this.running = false;
    }
    for (const listener of this.onQuiet) listener();
  }

  /** Has `fn` done when the next operation begins. */
  later(fn: () => void): void {
    this.postponed.push(fn);
  }

  doPostponed(): void {
    this.operations++;
    if (!this.hurried) for (const fn of this.postponed.splice(0)) fn();
  }

  /** Does all queued work and lets time pass: segments that were held back are sent. */
  settle(): void {
    this.doPostponed();
    this.run();
    if (this.held.size === 0) return;
    for (const sock of this.held) {
      this.held.delete(sock);
      sock.push(false);
    }
    this.run();
  }
}

function endlessRedirect(deliveries: number): BpfError {
  return new BpfError('ERR_BPF_NET_LOOP', `${deliveries} redirects in one go`, {
    hint: 'do two sockets redirect to each other for ever?',
  });
}
