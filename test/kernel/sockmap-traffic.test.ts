/**
 * The traffic test of the kernel's test_maps, on its unmodified objects: a parser that writes, a verdict that rewrites
 * and redirects by what the first two bytes say, and a message program on the sender.
 */
import { expect, it } from 'vitest';
import type { BpfObject, BpfVm, SockMapBase } from '../../src/index.js';
import {
  AttachType,
  BPF_ANY,
  BPF_EXIST,
  BPF_NOEXIST,
  Errno,
  ProgType,
  progAttach,
  progDetach,
} from '../../src/index.js';
import type { TcpSock } from '../../src/net/tcp-sock.js';
import type { Loader } from './lib/sockmap.js';
import { describeEngines, drain, sockMap, u32 } from './lib/sockmap.js';

/** Slots as the selftest numbers them: 2 and 3 connected, 4 and 5 are what they connected to. */
const [SENDER, READER, IN, OUT] = [2, 3, 4, 5];
const MESSAGE_SIZE = 20;
const RX_MAP = 0;
const TX_MAP = 1;

interface Bench {
  vm: BpfVm;
  verdict: BpfObject;
  rx: SockMapBase;
  tx: SockMapBase;
  socks: Map<number, TcpSock>;
  attachAll(): void;
  /** Sends a message whose first bytes choose map and key; what arrives at READER. */
  traffic(map: number, key: number): Uint8Array;
}

function setUp(loader: Loader): Bench {
  const vm = loader.newVm();
  const load = (name: string, program: string, progType: ProgType): BpfObject =>
    loader.load(name, { types: { [program]: { progType } } }, vm).object;
  const parse = load('sockmap_parse_prog', 'bpf_prog1', ProgType.SkSkb);
  const message = load('sockmap_tcp_msg_prog', 'bpf_prog1', ProgType.SkMsg);
  const verdict = load('sockmap_verdict_prog', 'bpf_prog2', ProgType.SkSkb);
  const [rx, tx] = [sockMap(verdict, 'sock_map_rx'), sockMap(verdict, 'sock_map_tx')];
  const [[client1, server1], [client2, server2]] = [vm.net.tcpPair(), vm.net.tcpPair()];
  const socks = new Map<number, TcpSock>([
    [SENDER, client1],
    [READER, client2],
    [IN, server1],
    [OUT, server2],
  ]);
  return {
    vm,
    verdict,
    rx,
    tx,
    socks,
    attachAll() {
      progAttach(parse.program('bpf_prog1'), rx, AttachType.SkSkbStreamParser);
      progAttach(verdict.program('bpf_prog2'), rx, AttachType.SkSkbStreamVerdict);
      progAttach(message.program('bpf_prog1'), verdict.map('sock_map_msg'), AttachType.SkMsgVerdict);
      for (const slot of [IN, OUT]) for (const map of [rx, tx]) map.updateSock(u32(slot), socks.get(slot)!);
      sockMap(verdict, 'sock_map_msg').updateSock(u32(0), client1);
    },
    traffic(map, key) {
      const bytes = new Uint8Array(MESSAGE_SIZE);
      bytes.set([map, key, 3, 2, 1, 0]);
      expect(client1.send(bytes)).toBe(MESSAGE_SIZE);
      return drain(client2);
    },
  };
}

describeEngines('sockmap_parse_prog, sockmap_verdict_prog and sockmap_tcp_msg_prog', (loader) => {
  const rewritten = Uint8Array.from([0xd, 0xe, 0xa, 0xd, 0xb, 0xe, 0xe, 0xf, ...new Uint8Array(12)]);

  it.each([RX_MAP, TX_MAP])(
    'a message for key 5 of map %d arrives rewritten at the peer of socket 5',
    (map) => {
      const bench = setUp(loader);
      bench.attachAll();
      expect(bench.traffic(map, OUT)).toEqual(rewritten);
      expect(drain(bench.socks.get(IN)!)).toEqual(new Uint8Array());
    },
  );

  it('a message for an empty key is dropped, which the sender does not notice', () => {
    const bench = setUp(loader);
    bench.attachAll();
    expect(bench.traffic(TX_MAP, 12)).toEqual(new Uint8Array());
    expect(bench.traffic(RX_MAP, OUT)).toEqual(rewritten);
  });

  it('every program ran once a message', () => {
    const bench = setUp(loader);
    bench.attachAll();
    for (let round = 0; round < 3; round++) bench.traffic(RX_MAP, OUT);
    const runs = [...bench.vm.programs].map((program) => [program.name, program.stats.runs]);
    expect(runs).toEqual([
      ['bpf_prog1', 3],
      ['bpf_prog1', 3],
      ['bpf_prog2', 3],
    ]);
  });

  it('after deletion from both maps bytes take their normal way', () => {
    const bench = setUp(loader);
    bench.attachAll();
    for (const map of [bench.rx, bench.tx]) map.deleteElem(u32(IN));
    expect(bench.traffic(RX_MAP, OUT)).toEqual(new Uint8Array());
    expect(drain(bench.socks.get(IN)!).length).toBe(MESSAGE_SIZE);
  });

  it('a parser cannot be attached to an array, nor be detached where it is not', () => {
    const { verdict, rx } = setUp(loader);
    const program = verdict.program('bpf_prog2');
    const attach = (): void =>
      progAttach(program, verdict.map('sock_map_break'), AttachType.SkSkbStreamParser);
    expect(attach).toThrow(expect.objectContaining({ errno: Errno.EOPNOTSUPP }));
    const detach = (): void => progDetach(program, rx, AttachType.SkSkbStreamParser);
    expect(detach).toThrow(expect.objectContaining({ errno: Errno.ENOENT }));
  });

  it('a socket that holds programs cannot enter a second map with programs, whatever the flags', () => {
    const bench = setUp(loader);
    bench.attachAll();
    const second = bench.vm.createMap({ type: 'sockmap', maxEntries: 6 }) as SockMapBase;
    const parser = [...bench.vm.programs].find((program) => program.name === 'bpf_prog1')!;
    progAttach(parser, second, AttachType.SkSkbStreamParser);
    progAttach(bench.verdict.program('bpf_prog2'), second, AttachType.SkSkbStreamVerdict);
    for (const flags of [BPF_ANY, BPF_NOEXIST, BPF_EXIST]) {
      const update = (): void => second.updateSock(u32(IN), bench.socks.get(IN)!, flags);
      expect(update).toThrow(expect.objectContaining({ errno: Errno.EBUSY }));
    }
  });

  it('without programs a socket may replace itself, but not enter an occupied slot as new', () => {
    const { vm, socks } = setUp(loader);
    const map = vm.createMap({ type: 'sockmap', maxEntries: 6 }) as SockMapBase;
    const sock = socks.get(SENDER)!;
    map.updateSock(u32(SENDER), sock);
    const again = (): void => map.updateSock(u32(SENDER), sock, BPF_NOEXIST);
    expect(again).toThrow(expect.objectContaining({ errno: Errno.EEXIST }));
    map.updateSock(u32(SENDER), sock, BPF_ANY);
    map.updateSock(u32(SENDER), sock, BPF_EXIST);
    map.deleteElem(u32(SENDER));
    const gone = (): void => map.deleteElem(u32(SENDER));
    expect(gone).toThrow(expect.objectContaining({ errno: Errno.EINVAL }));
  });

  it('an unbound UDP socket is refused', () => {
    const { vm, rx } = setUp(loader);
    const insert = (): void => rx.updateSock(u32(0), vm.net.udp());
    expect(insert).toThrow(expect.objectContaining({ errno: Errno.EOPNOTSUPP }));
  });
});
