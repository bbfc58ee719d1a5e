/** Listeners, ports, and the programs that a network namespace runs: sock_ops, sk_lookup, sk_reuseport. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { progAttach } from '../../src/attach.js';
import { BpfVm } from '../../src/bpf-vm.js';
import { errnoName } from '../../src/errors.js';
import type { SockMapBase } from '../../src/maps/sock-map.js';
import type { Endpoint, NetSock } from '../../src/net/sock.js';
import type { TcpSock } from '../../src/net/tcp-sock.js';
import type { BpfObject } from '../../src/object.js';
import { AttachType } from '../../src/progs/prog-types.js';
import { printable, text, u32 } from './lab.js';

const OBJECT = readFileSync(fileURLToPath(new URL('../programs/namespace.bpf.o', import.meta.url)));
const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const ANY = new Uint8Array(4);

const TCP_CONNECT = 3;
const ACTIVE_ESTABLISHED = 4;
const PASSIVE_ESTABLISHED = 5;
const STATE = 10;
const TCP_LISTEN = 11;
const EOPNOTSUPP = -95;

class Namespace {
  readonly vm = new BpfVm();
  readonly object: BpfObject = this.vm.load(OBJECT, { name: 'namespace.bpf.o' });

  get listeners(): SockMapBase {
    return this.object.map('listeners') as SockMapBase;
  }
  get connections(): SockMapBase {
    return this.object.map('connections') as SockMapBase;
  }

  /** Address of a variable. */
  private at(name: string): number {
    const global = this.object.spec.globals.find((candidate) => candidate.name === name)!;
    return this.object.map(global.map).directValueAddress() + global.offset;
  }

  int(name: string, index = 0): number {
    return this.vm.memory.view.getInt32(this.at(name) + 4 * index, true);
  }

  set(name: string, value: number): void {
    this.vm.memory.view.setInt32(this.at(name), value, true);
  }

  /** Operations that the sock_ops program saw, with what entering the map gave. */
  ops(): [op: number, result: number][] {
    return Array.from({ length: this.int('count') }, (_, index) => [
      this.int('ops', index),
      this.int('results', index),
    ]);
  }

  listen(at: Endpoint, options: { reuseport?: boolean; backlog?: number } = {}): TcpSock {
    const sock = this.vm.net.tcp();
    sock.reuseport = options.reuseport ?? false;
    expect(sock.bind(at)).toBe(0);
    expect(sock.listen(options.backlog)).toBe(0);
    return sock;
  }

  /** `ok` or the errno, and the client. */
  connect(to: Endpoint): [outcome: string, client: TcpSock] {
    const client = this.vm.net.tcp();
    const errno = client.connect(to);
    return [errno === 0 ? 'ok' : errnoName(errno), client];
  }
}

const at = (port: number, ip = LOOPBACK): Endpoint => ({ ip, port });

function read(sock: NetSock): string {
  const got = sock.recv(64);
  return typeof got === 'number' ? errnoName(got) : printable(got);
}

describe('TCP in memory', () => {
  it('connects to listeners by port and address, and carries bytes', () => {
    const ns = new Namespace();
    const listener = ns.listen(at(80, ANY), { reuseport: true });
    const exact = ns.listen(at(80, Uint8Array.of(127, 0, 0, 2)), { reuseport: true });
    expect(errnoName(ns.vm.net.tcp().bind(at(80)))).toBe('EADDRINUSE');
    expect(ns.connect(at(81))[0]).toBe('ECONNREFUSED');
    const [outcome, client] = ns.connect(at(80));
    expect(outcome).toBe('ok');
    const child = listener.accept() as TcpSock;
    expect(errnoName(exact.accept() as number)).toBe('EAGAIN');
    client.send(text('hello'));
    expect(read(child)).toBe('hello');
    expect(child.remotePort).toBe(client.localPort);
  });

  it('refuses beyond the backlog, and resets what nobody accepted', () => {
    const ns = new Namespace();
    const listener = ns.listen(at(80), { backlog: 1 });
    const outcomes = [1, 2, 3].map(() => ns.connect(at(80)));
    expect(outcomes.map(([outcome]) => outcome)).toEqual(['ok', 'ok', 'ECONNREFUSED']);
    listener.close();
    expect(read(outcomes[0][1])).toBe('ECONNRESET');
    expect(ns.vm.net.list().filter((sock) => !outcomes.some(([, client]) => client === sock))).toEqual([]);
  });
});

describe('sock_ops programs', () => {
  it('see connections of both sides and put them into a SOCKHASH', () => {
    const ns = new Namespace();
    ns.vm.net.sockOps.attach(ns.object.program('fill'));
    ns.listen(at(80));
    const [, client] = ns.connect(at(80));
    expect(ns.ops()).toEqual([
      [TCP_LISTEN, 0],
      [TCP_CONNECT, EOPNOTSUPP],
      // The client asked for changes of its state; it is in the map only once it is established.
      [STATE, EOPNOTSUPP],
      [ACTIVE_ESTABLISHED, 0],
      [PASSIVE_ESTABLISHED, 0],
    ]);
    expect([...ns.connections.entries()]).toHaveLength(3);
    client.close();
    expect(ns.connections.count).toBe(2);
  });

  it('make a verdict work that nobody inserts sockets for', () => {
    const ns = new Namespace();
    progAttach(ns.object.program('echo'), ns.connections, AttachType.SkSkbStreamVerdict);
    ns.vm.net.sockOps.attach(ns.object.program('fill'));
    const server = ns.listen(at(80));
    const [, client] = ns.connect(at(80));
    const child = server.accept() as TcpSock;
    // Both ends echo: one of them leaves the map, or the bytes would go round for ever.
    for (const [key, sock] of ns.connections.entries()) if (sock === client) ns.connections.deleteElem(key);
    client.send(text('echo'));
    expect([read(client), read(child)]).toEqual(['echo', 'EAGAIN']);
  });

  it('are detached by what attaching returned', () => {
    const ns = new Namespace();
    const detach = ns.vm.net.sockOps.attach(ns.object.program('fill'));
    detach();
    ns.vm.net.tcpPair();
    expect(ns.ops()).toEqual([]);
  });
});

describe('sk_lookup programs', () => {
  function setUp(): Namespace {
    const ns = new Namespace();
    ns.vm.net.inet.attachLookup(ns.object.program('steer'));
    return ns;
  }

  it('send connections to a listener on another port', () => {
    const ns = setUp();
    const listener = ns.listen(at(8080));
    ns.listeners.updateSock(u32(0), listener);
    expect(ns.connect(at(7))[0]).toBe('ok');
    expect(ns.int('assigned')).toBe(0);
    expect(listener.accept()).toBeTypeOf('object');
  });

  it('refuse, or leave the choice to the ports', () => {
    const ns = setUp();
    ns.listen(at(80));
    ns.set('choice', 3);
    expect(ns.connect(at(80))[0]).toBe('ok');
    ns.set('answer', 0);
    expect(ns.connect(at(80))[0]).toBe('ECONNREFUSED');
  });

  it('cannot choose a connected socket, nor one of another protocol', () => {
    const ns = setUp();
    const [connected] = ns.vm.net.tcpPair();
    ns.listeners.updateSock(u32(0), connected);
    ns.connect(at(80));
    expect(errnoName(ns.int('assigned'))).toBe('ESOCKTNOSUPPORT');
    const udp = ns.vm.net.udp();
    udp.bind(at(53));
    ns.listeners.updateSock(u32(0), udp);
    ns.connect(at(80));
    expect(errnoName(ns.int('assigned'))).toBe('EPROTOTYPE');
    ns.set('assign_flags', 4);
    ns.connect(at(80));
    expect(errnoName(ns.int('assigned'))).toBe('EINVAL');
  });

  it('choose for datagrams too', () => {
    const ns = setUp();
    const target = ns.vm.net.udp();
    target.bind(at(5353));
    ns.listeners.updateSock(u32(0), target);
    const sender = ns.vm.net.udp();
    sender.sendTo(text('query'), at(53));
    expect(read(target)).toBe('query');
  });
});

describe('sk_reuseport programs', () => {
  function setUp(): { ns: Namespace; group: TcpSock[] } {
    const ns = new Namespace();
    const group = [0, 1, 2].map(() => ns.listen(at(80), { reuseport: true }));
    group.forEach((sock, index) => {
      ns.listeners.updateSock(u32(index), sock);
    });
    group[0].group!.program = ns.object.program('balance');
    return { ns, group };
  }

  it('choose a member of the group', () => {
    const { ns, group } = setUp();
    for (const index of [2, 0, 1]) {
      ns.set('choice', index);
      expect(ns.connect(at(80))[0]).toBe('ok');
      expect(group[index].accept()).toBeTypeOf('object');
    }
  });

  it('are refused by an empty slot, a socket of another group, and a connected one', () => {
    const { ns } = setUp();
    ns.set('choice', 3);
    expect(ns.connect(at(80))[0]).toBe('ECONNREFUSED');
    expect(errnoName(ns.int('assigned'))).toBe('ENOENT');
    ns.listeners.updateSock(u32(3), ns.listen(at(81), { reuseport: true }));
    expect(ns.connect(at(80))[0]).toBe('ECONNREFUSED');
    expect(ns.int('assigned')).toBe(-77);
    const [connected] = ns.vm.net.tcpPair();
    ns.listeners.updateSock(u32(3), connected);
    expect(ns.connect(at(80))[0]).toBe('ECONNREFUSED');
    expect(errnoName(ns.int('assigned'))).toBe('EINVAL');
  });

  it('are not needed: a group shares connections by itself', () => {
    const { ns, group } = setUp();
    group[0].group!.program = null;
    for (let i = 0; i < 30; i++) expect(ns.connect(at(80))[0]).toBe('ok');
    for (const sock of group) expect(sock.accept()).toBeTypeOf('object');
  });
});
