/** TCP and UDP on the loopback of a net: binding, listening, connecting, and the programs that choose the receiver. */
import { Errno } from '../errors.js';
import type { SockProgram, SockTuple } from '../maps/sock.js';
import { SK_PASS } from '../maps/sock.js';
import { SkLookup, SkReuseport } from '../progs/ctx/sk-lookup.js';
import { linkPair } from './memory-link.js';
import type { Net } from './net.js';
import type { PortSock } from './ports.js';
import { PortTable, sameIp } from './ports.js';
import type { Endpoint } from './sock.js';
import { IPPROTO_TCP, IPPROTO_UDP, TcpState } from './sock.js';
import { TcpSock } from './tcp-sock.js';
import type { UdpSock } from './udp-sock.js';

const DEFAULT_BACKLOG = 4096;
const FIRST_PORT = 32_768;
const LAST_PORT = 60_999;

/** The socket that was found, `refused` where a program said so, or undefined. */
type Found<S> = S | 'refused' | undefined;

export class Inet {
  readonly tcp = new PortTable<TcpSock>(() => this.takePort());
  readonly udp = new PortTable<UdpSock>(() => this.takePort());
  /** sk_lookup programs of the namespace, in the order of attachment. */
  readonly lookups: SockProgram[] = [];
  private readonly net: Net;
  private nextPort = FIRST_PORT;

  constructor(net: Net) {
    this.net = net;
  }

  takePort(): number {
    const port = this.nextPort;
    this.nextPort = port === LAST_PORT ? FIRST_PORT : port + 1;
    return port;
  }

  /** Attaches an sk_lookup program to the namespace; the function returned detaches it. */
  attachLookup(program: SockProgram): () => void {
    this.lookups.push(program);
    return () => {
      const index = this.lookups.indexOf(program);
      if (index >= 0) this.lookups.splice(index, 1);
    };
  }

  /** listen(2): 0 or a negative errno. */
  listen(sock: TcpSock, backlog = DEFAULT_BACKLOG): number {
    if (sock.state !== TcpState.CLOSE && sock.state !== TcpState.LISTEN) return -Errno.EINVAL;
    if (sock.local.port === 0) {
      const errno = this.tcp.bind(sock, sock.local);
      if (errno < 0) return errno;
    }
    sock.backlog = backlog;
    sock.setState(TcpState.LISTEN);
    this.net.sockOps.listening(sock);
    return 0;
  }

  /** connect(2) of TCP, which is over when it returns: 0, -ECONNREFUSED, -EISCONN or -EINVAL. */
  connect(client: TcpSock, to: Endpoint): number {
    if (client.state === TcpState.ESTABLISHED) return -Errno.EISCONN;
    if (client.state !== TcpState.CLOSE) return -Errno.EINVAL;
    const port = client.local.port === 0 ? this.takePort() : client.local.port;
    client.local = { ip: to.ip, port };
    client.remote = to;
    this.net.sockOps.connecting(client);
    const listener = this.find(
      this.tcp,
      IPPROTO_TCP,
      client.local,
      to,
      (sock) => sock.state === TcpState.LISTEN,
    );
    if (listener === undefined || listener === 'refused' || listener.isBacklogFull) {
      client.setState(TcpState.CLOSE);
      return -Errno.ECONNREFUSED;
    }
    const child = new TcpSock(this.net, client.family);
    child.local = to;
    child.remote = client.local;
    this.join(client, child);
    listener.offer(child);
    return 0;
  }

  /** Completes the handshake of two sockets whose addresses are set. */
  join(client: TcpSock, child: TcpSock): void {
    linkPair(client, child);
    this.net.sockOps.established(client, 'active');
    this.net.sockOps.established(child, 'passive');
  }

  /** Who gets a datagram. */
  udpTarget(from: UdpSock, to: Endpoint): UdpSock | undefined {
    const found = this.find(this.udp, IPPROTO_UDP, from.local, to, () => true);
    return found === 'refused' ? undefined : found;
  }

  /** bpf_sk_lookup_*: connected sockets first, then those that are bound; no program is asked. */
  lookup(protocol: 'tcp' | 'udp', tuple: SockTuple): PortSock | undefined {
    const from = { ip: tuple.sourceIp, port: tuple.sourcePort };
    const to = { ip: tuple.destIp, port: tuple.destPort };
    if (protocol === 'udp') return this.udp.candidates(from, to, () => true)[0];
    return (
      this.connected(from, to) ?? this.tcp.candidates(from, to, (sock) => sock.state === TcpState.LISTEN)[0]
    );
  }

  private connected(from: Endpoint, to: Endpoint): TcpSock | undefined {
    return this.net
      .list()
      .find(
        (sock): sock is TcpSock =>
          sock instanceof TcpSock &&
          sock.state !== TcpState.LISTEN &&
          sock.local.port === to.port &&
          sock.remote.port === from.port &&
          sameIp(sock.local.ip, to.ip) &&
          sameIp(sock.remote.ip, from.ip),
      );
  }

  private find<S extends PortSock>(
    table: PortTable<S>,
    protocol: number,
    from: Endpoint,
    to: Endpoint,
    accepts: (sock: S) => boolean,
  ): Found<S> {
    const candidates = table.candidates(from, to, accepts);
    const isConnected = candidates.length > 0 && candidates[0].state === TcpState.ESTABLISHED;
    const hash = (from.port * 31 + to.port) >>> 0;
    if (this.lookups.length > 0 && !isConnected) {
      const chosen = this.runLookups(protocol, from, to);
      if (chosen === 'refused') return chosen;
      if (chosen !== undefined) {
        const sock = chosen.sock as unknown as S;
        return chosen.noReuseport ? sock : this.reuseport(sock, protocol, hash);
      }
    }
    const [first] = candidates;
    if (candidates.length === 0 || isConnected) return first;
    return this.reuseport(first, protocol, hash);
  }

  private runLookups(
    protocol: number,
    from: Endpoint,
    to: Endpoint,
  ): Found<{ sock: unknown; noReuseport: boolean }> {
    const tuple: SockTuple = {
      sourceIp: from.ip,
      sourcePort: from.port,
      destIp: to.ip,
      destPort: to.port,
    };
    let refused = false;
    let chosen: { sock: unknown; noReuseport: boolean } | undefined;
    for (const program of this.lookups) {
      const subject = new SkLookup(this.net.area, protocol, tuple);
      subject.enter(0);
      const passed = program.run(subject) === SK_PASS;
      if (!passed) refused = true;
      else if (subject.selected !== null) {
        chosen = { sock: subject.selected, noReuseport: subject.noReuseport };
      }
    }
    // A selection wins over a refusal by another program.
    return chosen ?? (refused ? 'refused' : undefined);
  }

  /** The member of the socket's reuseport group that gets it. */
  private reuseport<S extends PortSock>(sock: S, protocol: number, hash: number): Found<S> {
    const { group } = sock;
    if (group === null) return sock;
    if (group.program !== null) {
      const subject = new SkReuseport(this.net.area, group, protocol, hash);
      subject.enter(this.net.addressOf(sock), sock.family);
      if (group.program.run(subject) !== SK_PASS) return 'refused';
      if (subject.selected !== null) return subject.selected as unknown as S;
    }
    return group.members[hash % group.members.length] as S;
  }
}
