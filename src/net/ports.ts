/** The ports of one protocol: who is bound where, and who gets what arrives. */
import { Errno } from '../errors.js';
import type { SockProgram } from '../maps/sock.js';
import type { Endpoint, NetSock } from './sock.js';
import { TcpState } from './sock.js';

/** A socket that can be bound. */
export interface PortSock extends NetSock {
  /** SO_REUSEPORT. */
  reuseport: boolean;
  /** Shared by the sockets of a reuseport group. */
  group: ReuseportGroup | null;
}

/** Sockets that share an address, and the program that chooses among them. */
export class ReuseportGroup {
  readonly members: PortSock[] = [];
  program: SockProgram | null = null;
}

const isAny = (ip: Uint8Array): boolean => ip.every((byte) => byte === 0);

export function sameIp(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

export class PortTable<S extends PortSock> {
  private readonly byPort = new Map<number, S[]>();
  /** Next port that is tried for a socket that wants any. */
  private readonly takePort: () => number;

  constructor(takePort: () => number) {
    this.takePort = takePort;
  }

  /** 0, or -EADDRINUSE where another holds the address and not both share it. */
  bind(sock: S, to: Endpoint): number {
    const port = to.port === 0 ? this.freePort() : to.port;
    const others = this.byPort.get(port) ?? [];
    const clash = others.some(
      (other) =>
        !(other.reuseport && sock.reuseport) &&
        other.family === sock.family &&
        (isAny(other.local.ip) || isAny(to.ip) || sameIp(other.local.ip, to.ip)),
    );
    if (clash) return -Errno.EADDRINUSE;
    sock.local = { ip: to.ip, port };
    this.byPort.set(port, [...others, sock]);
    if (sock.reuseport) joinGroup(sock, others);
    return 0;
  }

  unbind(sock: S): void {
    const left = (this.byPort.get(sock.local.port) ?? []).filter((other) => other !== sock);
    if (left.length === 0) this.byPort.delete(sock.local.port);
    else this.byPort.set(sock.local.port, left);
    const members = sock.group?.members;
    members?.splice(members.indexOf(sock) >>> 0, 1);
  }

  /** The sockets that fit best: connected to `from`, else bound to the very address, else to any. */
  candidates(from: Endpoint, to: Endpoint, accepts: (sock: S) => boolean): S[] {
    let best = 0;
    let found: S[] = [];
    for (const sock of this.byPort.get(to.port) ?? []) {
      if (!accepts(sock)) continue;
      const score = scoreOf(sock, from, to);
      if (score > best) found = [];
      if (score >= best && score > 0) found.push(sock);
      best = Math.max(best, score);
    }
    return found;
  }

  private freePort(): number {
    let port = this.takePort();
    while (this.byPort.has(port)) port = this.takePort();
    return port;
  }
}

function joinGroup(sock: PortSock, others: readonly PortSock[]): void {
  const group = others.find((other) => other.reuseport && sameIp(other.local.ip, sock.local.ip))?.group;
  sock.group = group ?? new ReuseportGroup();
  sock.group.members.push(sock);
}

function scoreOf(sock: NetSock, from: Endpoint, to: Endpoint): number {
  const { local, remote } = sock;
  if (local.ip.length !== to.ip.length) return 0;
  if (!isAny(local.ip) && !sameIp(local.ip, to.ip)) return 0;
  const exact = isAny(local.ip) ? 1 : 2;
  if (sock.state !== TcpState.ESTABLISHED) return exact;
  return remote.port === from.port && sameIp(remote.ip, from.ip) ? exact + 4 : 0;
}
