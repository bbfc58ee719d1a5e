/**
 * test_sockmap_kern and test_sockhash_kern, unmodified, set up as the kernel's test_sockmap does it:
 *
 *     c1 ──▶ p1 (port 10000)        c1 in sock_map_txmsg[0], p1 in sock_map[1]
 *     c2 ──▶ p2 (port 10001)        c2 in sock_map[10] and sock_map_redir[0], p2 in sock_map_redir[2]
 *
 * The verdict on p1 sends what arrives there out of c2, so that p2 reads what c1 sent.
 */
import { describe, expect, it } from 'vitest';
import type { BpfObject, BpfVm } from '../../src/index.js';
import { AttachType, Errno, progAttach } from '../../src/index.js';
import type { TcpSock } from '../../src/net/tcp-sock.js';
import type { Loader } from './lib/sockmap.js';
import { describeEngines, drain, join, pattern, setElement, sockMap, u32 } from './lib/sockmap.js';

const FRONTEND_PORT = 10_000;
const BACKEND_PORT = 10_001;
const BPF_F_INGRESS = 1;
/** Elements of sock_bytes. */
const [PULL_START, PULL_END, PUSH_START, PUSH_SIZE, POP_START, POP_SIZE] = [0, 1, 2, 3, 4, 5];

interface Bench {
  readonly vm: BpfVm;
  readonly object: BpfObject;
  readonly c1: TcpSock;
  readonly c2: TcpSock;
  readonly p1: TcpSock;
  readonly p2: TcpSock;
}

function connectedTo(vm: BpfVm, port: number): [TcpSock, TcpSock] {
  const [client, server] = vm.net.tcpPair();
  server.local = client.remote = { ip: server.local.ip, port };
  return [client, server];
}

/** The bench with a message program on c1; `verdict` is what runs on p1, after a parser where one is wanted. */
function setUp(loader: Loader, name: string, message?: string, verdict = 'bpf_prog2', parse = true): Bench {
  const { vm, object } = loader.load(name);
  const [c1, p1] = connectedTo(vm, FRONTEND_PORT);
  const [c2, p2] = connectedTo(vm, BACKEND_PORT);
  const map = sockMap(object, 'sock_map');
  if (parse) progAttach(object.program('bpf_prog1'), map, AttachType.SkSkbStreamParser);
  progAttach(object.program(verdict), map, AttachType.SkSkbStreamVerdict);
  map.updateSock(u32(1), p1);
  map.updateSock(u32(10), c2);
  if (message !== undefined) {
    const messages = sockMap(object, 'sock_map_txmsg');
    progAttach(object.program(message), messages, AttachType.SkMsgVerdict);
    messages.updateSock(u32(0), c1);
    sockMap(object, 'sock_map_redir').updateSock(u32(0), c2);
    sockMap(object, 'sock_map_redir').updateSock(u32(2), p2);
  }
  return { vm, object, c1, c2, p1, p2 };
}

interface Options {
  readonly apply?: number;
  readonly cork?: number;
  readonly ingress?: boolean;
  readonly pull?: readonly [start: number, end: number];
  readonly push?: readonly [start: number, size: number];
  readonly pop?: readonly [start: number, size: number];
}

function configure(object: BpfObject, options: Options): void {
  const bytes = object.map('sock_bytes');
  setElement(object.map('sock_apply_bytes'), 0, options.apply ?? 0);
  setElement(object.map('sock_cork_bytes'), 0, options.cork ?? 0);
  setElement(object.map('sock_redir_flags'), 0, options.ingress === true ? BPF_F_INGRESS : 0);
  for (const [index, value] of [
    [PULL_START, options.pull?.[0]],
    [PULL_END, options.pull?.[1]],
    [PUSH_START, options.push?.[0]],
    [PUSH_SIZE, options.push?.[1]],
    [POP_START, options.pop?.[0]],
    [POP_SIZE, options.pop?.[1]],
  ] as const)
    setElement(bytes, index, value ?? 0);
}

/** Sizes of the sends of a group, as test_sockmap has them: iov_len x iov_cnt, rate times. */
const GROUPS: Readonly<Record<string, readonly [length: number, count: number, rate: number]>> = {
  one: [1, 1, 1],
  'one byte in 1024 parts': [1, 1024, 1],
  '1024 bytes': [1024, 1, 1],
  'three bytes 512 times': [3, 1, 512],
  'five bytes 100 times': [5, 1, 100],
  large: [8192, 32, 2],
};

/** Sends a group on c1 as the selftest does, and gives back what was sent. Reads at `reader` in between. */
function sendGroup(bench: Bench, group: string, reader: TcpSock): { sent: Uint8Array; received: Uint8Array } {
  const [length, count, rate] = GROUPS[group]!;
  const [sent, received]: Uint8Array[][] = [[], []];
  for (let round = 0; round < rate; round++) {
    const parts = Array.from({ length: count }, (_, part) => pattern(length, part));
    sent!.push(...parts);
    expect(bench.c1.sendv(parts)).toBe(length * count);
    received!.push(drain(reader));
  }
  return { sent: join(sent!), received: join(received!) };
}

interface Case {
  readonly name: string;
  readonly program: 'bpf_prog4' | 'bpf_prog6';
  readonly options: Options;
  readonly groups: readonly string[];
}

const EVERY_GROUP = Object.keys(GROUPS);
const SMALL = ['one byte in 1024 parts', '1024 bytes'];
const MANY = ['three bytes 512 times', 'five bytes 100 times'];

const INTACT: readonly Case[] = [
  { name: 'pass', program: 'bpf_prog4', options: {}, groups: EVERY_GROUP },
  { name: 'redirect', program: 'bpf_prog6', options: {}, groups: EVERY_GROUP },
  { name: 'redirect to ingress', program: 'bpf_prog6', options: { ingress: true }, groups: EVERY_GROUP },
  { name: 'apply 1', program: 'bpf_prog4', options: { apply: 1 }, groups: ['one'] },
  { name: 'apply 1 and redirect', program: 'bpf_prog6', options: { apply: 1 }, groups: ['one'] },
  {
    name: 'apply 1 and redirect to ingress',
    program: 'bpf_prog6',
    options: { apply: 1, ingress: true },
    groups: ['one'],
  },
  { name: 'apply 1024', program: 'bpf_prog4', options: { apply: 1024 }, groups: ['large'] },
  { name: 'apply 1024 and redirect', program: 'bpf_prog6', options: { apply: 1024 }, groups: ['large'] },
  {
    name: 'apply 1024 and redirect to ingress',
    program: 'bpf_prog6',
    options: { apply: 1024, ingress: true },
    groups: ['large'],
  },
  { name: 'cork 1', program: 'bpf_prog4', options: { cork: 1 }, groups: EVERY_GROUP },
  {
    name: 'cork 1 and apply 1',
    program: 'bpf_prog4',
    options: { cork: 1, apply: 1 },
    groups: ['one', ...SMALL],
  },
  { name: 'pull 1 to 2', program: 'bpf_prog4', options: { pull: [1, 2] }, groups: EVERY_GROUP },
  { name: 'pull 4096 to 9182', program: 'bpf_prog4', options: { pull: [4096, 9182] }, groups: ['large'] },
  { name: 'pull and redirect', program: 'bpf_prog6', options: { pull: [1, 2] }, groups: EVERY_GROUP },
];

describe.each(['test_sockmap_kern', 'test_sockhash_kern'])('%s', (name) => {
  describeEngines('messages', (loader) => {
    for (const { name: what, program, options, groups } of INTACT) {
      it.each(groups)(`${what}: all bytes of the group "%s" arrive in order`, (group) => {
        const bench = setUp(loader, name, program);
        configure(bench.object, options);
        const { sent, received } = sendGroup(bench, group, bench.p2);
        expect(received.length).toBe(sent.length);
        expect(Buffer.compare(received, sent)).toBe(0);
      });
    }

    it.each(EVERY_GROUP)('drop: the group "%s" is refused and nothing arrives', (group) => {
      const bench = setUp(loader, name, 'bpf_prog10');
      configure(bench.object, {});
      const [length, count] = GROUPS[group]!;
      const parts = Array.from({ length: count }, () => pattern(length));
      expect(bench.c1.sendv(parts)).toBe(-Errno.EACCES);
      expect(drain(bench.p2)).toEqual(new Uint8Array());
    });

    it('push 1 byte at 1: the receiver gets one byte more, at that place', () => {
      const bench = setUp(loader, name, 'bpf_prog4');
      configure(bench.object, { push: [1, 1] });
      const bytes = pattern(10, 100);
      expect(bench.c1.send(bytes)).toBe(10);
      const received = drain(bench.p2);
      expect([received[0], received.length, [...received.subarray(2)]]).toEqual([
        100,
        11,
        [...bytes.subarray(1)],
      ]);
    });

    it.each(MANY)('push 2 bytes at 1 and redirect, "%s": two bytes more for each message', (group) => {
      const bench = setUp(loader, name, 'bpf_prog6');
      configure(bench.object, { push: [1, 2] });
      const { sent, received } = sendGroup(bench, group, bench.p2);
      expect(received.length).toBe(sent.length + 2 * GROUPS[group]![2]);
    });

    it('push 4096 bytes at 4096 into large messages', () => {
      const bench = setUp(loader, name, 'bpf_prog4');
      configure(bench.object, { push: [4096, 4096] });
      const bytes = pattern(20_000);
      bench.c1.send(bytes);
      const received = drain(bench.p2);
      expect(received.length).toBe(24_096);
      expect(received.subarray(0, 4096)).toEqual(bytes.subarray(0, 4096));
      expect(received.subarray(8192)).toEqual(bytes.subarray(4096));
    });

    it.each(['bpf_prog4', 'bpf_prog6'])('pop 2 bytes at 1 with %s: the receiver gets the rest', (program) => {
      const bench = setUp(loader, name, program);
      configure(bench.object, { pop: [1, 2] });
      const bytes = pattern(10, 100);
      expect(bench.c1.send(bytes)).toBe(10);
      expect([...drain(bench.p2)]).toEqual([100, ...bytes.subarray(3)]);
    });

    it('push 10 bytes at 1 and pop 4 at 5 in one run', () => {
      const bench = setUp(loader, name, 'bpf_prog4');
      configure(bench.object, { push: [1, 10], pop: [5, 4] });
      const bytes = pattern(20, 100);
      expect(bench.c1.send(bytes)).toBe(20);
      const received = drain(bench.p2);
      expect([received.length, received[0], [...received.subarray(7)]]).toEqual([
        26,
        100,
        [...bytes.subarray(1)],
      ]);
    });

    it('cork 512: messages wait until 512 bytes are there and then leave together', () => {
      const bench = setUp(loader, name, 'bpf_prog4');
      configure(bench.object, { cork: 512 });
      for (let sent = 0; sent < 500; sent += 100) {
        expect(bench.c1.send(pattern(100))).toBe(100);
        expect(drain(bench.p2)).toEqual(new Uint8Array());
      }
      expect(bench.c1.send(pattern(100))).toBe(100);
      expect(drain(bench.p2).length).toBe(600);
    });
  });

  describeEngines('buffers', (loader) => {
    it('what arrives at port 10000 leaves by socket 10; what arrives elsewhere goes to socket 1', () => {
      const bench = setUp(loader, name);
      bench.c1.send(pattern(100));
      expect(drain(bench.p2)).toEqual(pattern(100));
      bench.p2.send(pattern(50));
      // c2 is in the map too: its verdict sends out of p1, so that c1 reads.
      expect(drain(bench.c1)).toEqual(pattern(50));
    });

    it('a parser that asks for 512 bytes holds two messages of 256 together', () => {
      const bench = setUp(loader, name);
      setElement(bench.object.map('sock_skb_opts'), 2, 512);
      bench.c1.send(pattern(256));
      expect(drain(bench.p2)).toEqual(new Uint8Array());
      bench.c1.send(pattern(256));
      expect(drain(bench.p2).length).toBe(512);
    });

    it('a parser that asks for 10 bytes cuts a message of 20 in two, and nothing is read twice', () => {
      const bench = setUp(loader, name);
      setElement(bench.object.map('sock_skb_opts'), 2, 10);
      bench.c1.send(pattern(20));
      expect(drain(bench.p2)).toEqual(pattern(20));
      expect(bench.object.program('bpf_prog2').stats.runs).toBe(2);
    });

    it('without a parser, bpf_prog3 makes room of four bytes and writes PASS at offset 13', () => {
      const bench = setUp(loader, name, undefined, 'bpf_prog3', false);
      bench.c1.send(pattern(100));
      const received = drain(bench.p1);
      expect([received.length, Buffer.from(received.subarray(13, 17)).toString()]).toEqual([104, 'PASS']);
    });

    it('with a parser, only as many bytes pass as it asked for, room or not', () => {
      const bench = setUp(loader, name, undefined, 'bpf_prog3');
      bench.c1.send(pattern(100));
      expect(drain(bench.p1).length).toBe(100);
    });
  });
});
