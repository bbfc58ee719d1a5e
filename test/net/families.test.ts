/** All families: what verdicts do, and who can be a target. Recorded in mapops.txt ("other families" and after). */
import { describe, expect, it } from 'vitest';
import { errnoName } from '../../src/errors.js';
import type { Net } from '../../src/net/net.js';
import { AF_INET6 } from '../../src/net/sock.js';
import type { NetSock } from '../../src/net/sock.js';
import { ENGINES, Lab, printable, text, u32 } from './lab.js';

const BPF_F_INGRESS = 1;
const [DROP, PASS, REDIRECT] = [0, 1, 2];

type Family = 'tcp' | 'tcp6' | 'udp' | 'udp6' | 'unix stream' | 'unix dgram';
const FAMILIES: readonly Family[] = ['tcp', 'tcp6', 'udp', 'udp6', 'unix stream', 'unix dgram'];

function pairOf(net: Net, family: Family): [NetSock, NetSock] {
  switch (family) {
    case 'tcp':
      return net.tcpPair();
    case 'tcp6':
      return net.tcpPair(AF_INET6);
    case 'udp':
      return net.udpPair();
    case 'udp6':
      return net.udpPair(AF_INET6);
    case 'unix stream':
      return net.unixPair('stream');
    case 'unix dgram':
      return net.unixPair('dgram');
  }
}

/** What one recv gives: text, or the errno. */
function read(sock: NetSock): string {
  const got = sock.recv(64);
  return typeof got === 'number' ? errnoName(got) : printable(got);
}

function send(sock: NetSock, data: string): string {
  const sent = sock.send(text(data));
  return sent < 0 ? errnoName(sent) : String(sent);
}

describe.each(ENGINES)('on %s', (engine) => {
  describe.each<Family>(['udp', 'unix stream', 'unix dgram'])('a verdict on %s', (family) => {
    function setUp(): { lab: Lab; x: NetSock; y: NetSock; p: NetSock; q: NetSock } {
      const lab = new Lab(engine);
      const [x, y] = pairOf(lab.vm.net, family);
      const [p, q] = pairOf(lab.vm.net, family);
      lab.attach('skb', 'msg');
      lab.map('src_map').updateSock(u32(0), y);
      lab.map('dst_map').updateSock(u32(0), p);
      lab.map('dst_map').updateSock(u32(1), q);
      return { lab, x, y, p, q };
    }

    it('passes and drops, and sees all data at once', () => {
      const { lab, x, y } = setUp();
      lab.verdict(PASS);
      expect([send(x, 'PASSED'), read(y)]).toEqual(['6', 'PASSED']);
      lab.verdict(DROP);
      expect([send(x, 'DROPPD'), read(y)]).toEqual(['6', 'EAGAIN']);
      expect(lab.events().map(({ size, dlen }) => [size, dlen])).toEqual([
        [6, 6],
        [6, 6],
      ]);
    });

    it('redirects out of a socket and into one, where the bounds of messages are lost', () => {
      const { lab, x, y, p, q } = setUp();
      lab.verdict(REDIRECT);
      expect([send(x, 'EGRESS'), read(y), read(p), read(q)]).toEqual(['6', 'EAGAIN', 'EAGAIN', 'EGRESS']);
      lab.set({ key: 1, flags: BPF_F_INGRESS });
      send(x, 'ONE');
      send(x, 'TWO22');
      expect(q.fionread()).toBe(family === 'udp' ? 3 : 0);
      expect(read(q)).toBe('ONETWO22');
    });

    it('leaves sends alone that an sk_msg program would judge on TCP', () => {
      const { lab, x, y } = setUp();
      lab.verdict(DROP);
      expect([send(y, 'MSG'), read(x)]).toEqual(['3', 'MSG']);
      expect(lab.runs).toBe(0);
    });
  });

  describe.each(['map', 'hash'] as const)('redirects through a sock%s', (kind) => {
    function setUp(
      slot: 'msg' | 'skb',
      from: Family,
      to: Family,
      ingress: boolean,
    ): {
      lab: Lab;
      sent: string;
      arrived: string;
    } {
      const lab = new Lab(engine);
      const [x, y] = pairOf(lab.vm.net, from);
      const [target, peer] = pairOf(lab.vm.net, to);
      lab.attach(slot);
      lab.map('src_map').updateSock(u32(0), slot === 'msg' ? x : y);
      lab.map(kind === 'map' ? 'dst_map' : 'dst_hash').updateSock(u32(7), target);
      lab.verdict(REDIRECT);
      lab.set({ key: 7, flags: ingress ? BPF_F_INGRESS : 0, hash: kind === 'map' ? 0 : 1 });
      const sent = send(x, 'payload');
      return { lab, sent, arrived: read(ingress ? target : peer) };
    }

    for (const from of FAMILIES) {
      it(`sk_skb: what ${from} receives goes out of and into every family`, () => {
        for (const to of FAMILIES) {
          for (const ingress of [false, true]) {
            const { lab, sent, arrived } = setUp('skb', from, to, ingress);
            expect([to, ingress, sent, arrived, lab.events()[0].ret]).toEqual([
              to,
              ingress,
              '7',
              'payload',
              1,
            ]);
          }
        }
      });
    }

    it('sk_msg: what TCP sends goes out of TCP only, and into every family', () => {
      for (const from of ['tcp', 'tcp6'] as const) {
        for (const to of FAMILIES) {
          const isTcp = to.startsWith('tcp');
          const out = setUp('msg', from, to, false);
          expect([to, out.sent, out.arrived]).toEqual([
            to,
            isTcp ? '7' : 'EACCES',
            isTcp ? 'payload' : 'EAGAIN',
          ]);
          const into = setUp('msg', from, to, true);
          expect([to, into.sent, into.arrived]).toEqual([to, '7', 'payload']);
        }
      }
    });

    it('refuse a listener and an unconnected datagram socket', () => {
      for (const slot of ['msg', 'skb'] as const) {
        for (const target of ['listener', 'unconnected'] as const) {
          const lab = new Lab(engine);
          const { net } = lab.vm;
          const listener = net.tcp();
          listener.listen();
          lab.attach(slot);
          lab.map('src_map').updateSock(u32(0), slot === 'msg' ? lab.a : lab.b);
          const map = lab.map(kind === 'map' ? 'dst_map' : 'dst_hash');
          map.updateSock(u32(7), target === 'listener' ? listener : net.unix('dgram'));
          lab.verdict(REDIRECT);
          lab.set({ key: 7, hash: kind === 'map' ? 0 : 1, flags: BPF_F_INGRESS });
          expect(send(lab.a, 'x')).toBe(slot === 'msg' ? 'EACCES' : '1');
          expect(lab.events()[0].ret).toBe(DROP);
        }
      }
    });
  });

  describe('a listener in a map', () => {
    it('has children that are plain sockets, and leaves the map when it closes', () => {
      const lab = new Lab(engine);
      const { net } = lab.vm;
      const listener = net.tcp();
      listener.bind({ ip: Uint8Array.of(127, 0, 0, 1), port: 0 });
      listener.listen();
      lab.attach('msg', 'stream');
      lab.verdict(DROP);
      lab.map('src_map').updateSock(u32(0), listener);
      const client = net.tcp();
      expect(client.connect(listener.local)).toBe(0);
      const child = listener.accept() as NetSock;
      expect([send(child, 'hi'), read(client), send(client, 'yo'), read(child)]).toEqual([
        '2',
        'hi',
        '2',
        'yo',
      ]);
      expect(lab.runs).toBe(0);
      lab.map('src_map').updateSock(u32(1), child);
      expect(errnoName(listener.fionread())).toBe('EINVAL');
      listener.close();
      expect([lab.lookup('src', 0), lab.lookup('src', 1)]).toEqual(['ENOENT', 'ok']);
    });
  });

  describe('a full target', () => {
    it('takes any number of bytes from an sk_msg program', () => {
      const lab = new Lab(engine);
      lab.attach('msg');
      lab.verdict(REDIRECT);
      lab.set({ flags: BPF_F_INGRESS });
      lab.c.rcvbuf = 8192;
      lab.map('src_map').updateSock(u32(0), lab.a);
      lab.map('dst_map').updateSock(u32(0), lab.c);
      const chunk = new Uint8Array(4096);
      for (let i = 0; i < 2000; i++) expect(lab.a.send(chunk)).toBe(4096);
      expect(lab.c.fionread()).toBe(8_192_000);
    });

    it('takes its receive buffer from a verdict program; the rest waits and is not lost', () => {
      const lab = new Lab(engine);
      lab.attach('stream');
      lab.verdict(REDIRECT);
      lab.set({ flags: BPF_F_INGRESS });
      lab.c.rcvbuf = 8192;
      lab.map('src_map').updateSock(u32(0), lab.b);
      lab.map('dst_map').updateSock(u32(0), lab.c);
      const chunk = new Uint8Array(4096);
      let sent = 0;
      for (let i = 0; i < 4000; i++) sent += lab.a.send(chunk);
      expect([sent, lab.c.fionread()]).toEqual([16_384_000, 8192]);
      let drained = 0;
      for (;;) {
        const got = lab.c.recv(65_536);
        if (typeof got === 'number') break;
        drained += got.length;
      }
      expect(drained).toBe(sent);
    });
  });

  describe('redirects that go round', () => {
    it('for ever end with an error instead of a hang', () => {
      const lab = new Lab(engine);
      lab.attach('stream');
      lab.verdict(REDIRECT);
      lab.map('src_map').updateSock(u32(0), lab.b);
      lab.map('dst_map').updateSock(u32(0), lab.a);
      lab.vm.net.maxDeliveries = 100;
      // What b receives is sent on a, which sends it to b.
      expect(() => lab.a.send(text('ping'))).toThrow(/redirects in one go/);
    });
  });
});
