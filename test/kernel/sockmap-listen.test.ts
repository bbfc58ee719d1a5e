/**
 * test_sockmap_listen, unmodified: redirects between TCP, UDP and unix sockets through a sockmap and a sockhash, with
 * the counts that the programs keep of what the redirect helpers returned.
 */
import { describe, expect, it } from 'vitest';
import type { BpfObject, BpfVm, SockMapBase } from '../../src/index.js';
import { AttachType, Errno, progAttach } from '../../src/index.js';
import type { NetSock } from '../../src/net/sock.js';
import { TcpState } from '../../src/net/sock.js';
import { AF_INET, AF_INET6 } from '../../src/net/sock.js';
import type { TcpSock } from '../../src/net/tcp-sock.js';
import {
  VERDICT,
  ascii,
  describeEngines,
  drain,
  element,
  setElement,
  setGlobal,
  sockMap,
  u32,
} from './lib/sockmap.js';
import type { Loader } from './lib/sockmap.js';

type Kind = 'sock_map' | 'sock_hash';

interface Bench {
  readonly vm: BpfVm;
  readonly object: BpfObject;
  readonly map: SockMapBase;
}

/** The object with its programs told to use one of its two maps. */
function setUp(loader: Loader, kind: Kind): Bench {
  const { vm, object } = loader.load('test_sockmap_listen');
  setGlobal(object, 'test_sockmap', kind === 'sock_map' ? 1 : 0);
  return { vm, object, map: sockMap(object, kind) };
}

const counts = (object: BpfObject): { drop: number; pass: number } => ({
  drop: element(object.map('verdict_map'), VERDICT.DROP),
  pass: element(object.map('verdict_map'), VERDICT.PASS),
});

function attachStream({ object, map }: Bench): void {
  progAttach(object.program('prog_stream_parser'), map, AttachType.SkSkbStreamParser);
  progAttach(object.program('prog_stream_verdict'), map, AttachType.SkSkbStreamVerdict);
}

function attachMessage({ object, map }: Bench): void {
  progAttach(object.program('prog_msg_verdict'), map, AttachType.SkMsgVerdict);
}

interface TcpPairs {
  readonly c0: TcpSock;
  readonly p0: TcpSock;
  readonly c1: TcpSock;
  readonly p1: TcpSock;
}

/** Two TCP pairs whose second ends are in slots 0 and 1. */
function pairsInMap({ vm, map }: Bench): TcpPairs {
  const [[c0, p0], [c1, p1]] = [vm.net.tcpPair(), vm.net.tcpPair()];
  map.updateSock(u32(0), p0);
  map.updateSock(u32(1), p1);
  return { c0, p0, c1, p1 };
}

/** A listening socket in slot 0 and a connected one in slot 1. */
function listenerInMap({ vm, map }: Bench): { c1: TcpSock; p1: TcpSock } {
  const listener = vm.net.tcp();
  listener.state = TcpState.LISTEN;
  const [c1, p1] = vm.net.tcpPair();
  map.updateSock(u32(0), listener);
  map.updateSock(u32(1), p1);
  return { c1, p1 };
}

describe.each(['sock_map', 'sock_hash'] as const)('%s', (kind) => {
  describeEngines('TCP', (loader) => {
    it('a stream verdict redirects to a connected socket: its peer reads the byte', () => {
      const bench = setUp(loader, kind);
      attachStream(bench);
      const { c0, c1 } = pairsInMap(bench);
      expect(c1.send(ascii('a'))).toBe(1);
      expect(counts(bench.object)).toEqual({ drop: 0, pass: 1 });
      expect(drain(c0)).toEqual(ascii('a'));
    });

    it('a message verdict redirects to a connected socket: its peer reads the byte', () => {
      const bench = setUp(loader, kind);
      attachMessage(bench);
      const { c0, p1 } = pairsInMap(bench);
      expect(p1.send(ascii('a'))).toBe(1);
      expect(counts(bench.object)).toEqual({ drop: 0, pass: 1 });
      expect(drain(c0)).toEqual(ascii('a'));
    });

    it('a stream verdict cannot redirect to a listener: dropped, and the writer does not notice', () => {
      const bench = setUp(loader, kind);
      attachStream(bench);
      const { c1, p1 } = listenerInMap(bench);
      expect(c1.send(ascii('a'))).toBe(1);
      expect(counts(bench.object)).toEqual({ drop: 1, pass: 0 });
      expect(drain(p1)).toEqual(new Uint8Array());
    });

    it('a message verdict cannot redirect to a listener: the writer gets EACCES', () => {
      const bench = setUp(loader, kind);
      attachMessage(bench);
      const { p1 } = listenerInMap(bench);
      expect(p1.send(ascii('a'))).toBe(-Errno.EACCES);
      expect(counts(bench.object)).toEqual({ drop: 1, pass: 0 });
    });

    it('a parser that asks for 3 bytes lets 3 of 4 through', () => {
      const bench = setUp(loader, kind);
      attachStream(bench);
      setElement(bench.object.map('parser_map'), 0, 3);
      const { c0, c1 } = pairsInMap(bench);
      expect(c1.send(ascii('abc\0'))).toBe(4);
      expect(drain(c0)).toEqual(ascii('abc'));
    });
  });

  /** Pairs by name: what is written on `c1` arrives at p1, which is in slot 1; p0 is in slot 0. */
  const transports: Readonly<Record<string, (vm: BpfVm) => [NetSock, NetSock]>> = {
    'unix stream': (vm) => vm.net.unixPair('stream'),
    'unix datagram': (vm) => vm.net.unixPair('dgram'),
    'UDP over IPv4': (vm) => vm.net.udpPair(AF_INET),
    'UDP over IPv6': (vm) => vm.net.udpPair(AF_INET6),
  };
  const routes = Object.keys(transports).flatMap((from) =>
    Object.keys(transports).map((to) => [from, to] as const),
  );

  describeEngines('other sockets', (loader) => {
    function redirected(
      bench: Bench,
      from: string,
      to: string,
      ingress: boolean,
    ): [c0: NetSock, p0: NetSock] {
      setGlobal(bench.object, 'test_ingress', ingress ? 1 : 0);
      progAttach(bench.object.program('prog_skb_verdict'), bench.map, AttachType.SkSkbVerdict);
      const [c0, p0] = transports[to]!(bench.vm);
      const [c1, p1] = transports[from]!(bench.vm);
      bench.map.updateSock(u32(0), p0);
      bench.map.updateSock(u32(1), p1);
      expect(c1.send(ascii('ab'))).toBe(2);
      expect(counts(bench.object)).toEqual({ drop: 0, pass: 1 });
      expect(drain(p1)).toEqual(new Uint8Array());
      return [c0, p0];
    }

    it.each(routes)('%s to %s, egress: the peer of the target reads', (from, to) => {
      const [c0, p0] = redirected(setUp(loader, kind), from, to, false);
      expect([drain(c0), drain(p0)]).toEqual([ascii('ab'), new Uint8Array()]);
    });

    it.each(routes)('%s to %s, ingress: the target reads', (from, to) => {
      const [c0, p0] = redirected(setUp(loader, kind), from, to, true);
      expect([drain(c0), drain(p0)]).toEqual([new Uint8Array(), ascii('ab')]);
    });
  });

  describeEngines('operations', (loader) => {
    it('the value of a slot is the cookie of its socket, and gone after deletion or closing', () => {
      const { vm, map } = setUp(loader, kind);
      const [, sock] = vm.net.tcpPair();
      const missing = expect.objectContaining({ errno: Errno.ENOENT }) as unknown;
      map.updateSock(u32(0), sock);
      expect(new DataView(map.lookupElem(u32(0)).buffer).getBigUint64(0, true)).toBe(sock.cookie);
      map.deleteElem(u32(0));
      expect(() => map.lookupElem(u32(0))).toThrow(missing);
      map.updateSock(u32(0), sock);
      sock.close();
      expect(() => map.lookupElem(u32(0))).toThrow(missing);
    });

    it('what closed removed itself: deleting gives EINVAL in a sockmap, ENOENT in a sockhash', () => {
      const { vm, map } = setUp(loader, kind);
      const [, sock] = vm.net.tcpPair();
      map.updateSock(u32(0), sock);
      sock.close();
      const errno = kind === 'sock_map' ? Errno.EINVAL : Errno.ENOENT;
      expect(() => map.deleteElem(u32(0))).toThrow(expect.objectContaining({ errno }));
    });

    it('fresh TCP and UDP sockets are refused, listeners and bound UDP sockets are taken', () => {
      const { vm, map } = setUp(loader, kind);
      for (const sock of [vm.net.tcp(), vm.net.udp()]) {
        expect(() => map.updateSock(u32(0), sock)).toThrow(
          expect.objectContaining({ errno: Errno.EOPNOTSUPP }),
        );
      }
      const listener = vm.net.tcp();
      listener.state = TcpState.LISTEN;
      const [bound] = vm.net.udpPair();
      map.updateSock(u32(0), listener);
      map.updateSock(u32(1), bound);
    });

    it('descriptors that mean no socket: -1 is EINVAL, an unknown one EBADF', () => {
      const { map } = setUp(loader, kind);
      const insert = (fd: bigint) => (): void =>
        map.updateElem(u32(0), new Uint8Array(BigInt64Array.of(fd).buffer));
      expect(insert(-1n)).toThrow(expect.objectContaining({ errno: Errno.EINVAL }));
      expect(insert(0x7fff_ffffn)).toThrow(expect.objectContaining({ errno: Errno.EBADF }));
    });
  });
});
