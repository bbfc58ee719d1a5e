/** The small sockmap objects of the kernel's test_progs sockmap_basic, unmodified. */
import { describe, expect, it } from 'vitest';
import type { BpfObject, BpfProgram, BpfVm } from '../../src/index.js';
import { AttachType, Errno, linkCreate, progAttach, progDetach, progQuery } from '../../src/index.js';
import { MSG_PEEK } from '../../src/net/sock.js';
import type { TcpSock } from '../../src/net/tcp-sock.js';
import { VERDICT, describeEngines, drain, getGlobal, pattern, sockMap, u32 } from './lib/sockmap.js';

const ebusy: unknown = expect.objectContaining({ errno: Errno.EBUSY });

/** A connected pair; the second end is in slot 0 of `sock_map_rx`. */
function receiver(vm: BpfVm, object: BpfObject): { sender: TcpSock; receiver: TcpSock } {
  const [sender, inMap] = vm.net.tcpPair();
  sockMap(object, 'sock_map_rx').updateSock(u32(0), inMap);
  return { sender, receiver: inMap };
}

describeEngines('test_sockmap_pass_prog', (loader) => {
  it('256 bytes pass: they count as unread, can be peeked at, and are read once', () => {
    const { vm, object } = loader.load('test_sockmap_pass_prog');
    progAttach(object.program('prog_skb_verdict'), object.map('sock_map_rx'), AttachType.SkSkbStreamVerdict);
    const { sender, receiver: sock } = receiver(vm, object);
    const bytes = pattern(256);
    expect(sender.send(bytes)).toBe(256);
    expect(sock.fionread()).toBe(256);
    expect(sock.recv(256, MSG_PEEK)).toEqual(bytes);
    expect(sock.fionread()).toBe(256);
    expect(sock.recv(256)).toEqual(bytes);
    expect(sock.fionread()).toBe(0);
  });

  it('the end of the stream passes a verdict program', () => {
    const { vm, object } = loader.load('test_sockmap_pass_prog');
    progAttach(object.program('prog_skb_verdict'), object.map('sock_map_rx'), AttachType.SkSkbStreamVerdict);
    const { sender, receiver: sock } = receiver(vm, object);
    sender.shutdown(1);
    expect(sock.recv(1)).toEqual(new Uint8Array());
  });

  it('a link is updated to a program of the same attach type, which then runs, and not to another', () => {
    const { vm, object } = loader.load('test_sockmap_pass_prog');
    const link = linkCreate(
      object.program('prog_skb_verdict'),
      object.map('sock_map_rx'),
      AttachType.SkSkbStreamVerdict,
    );
    link.update(object.program('prog_skb_verdict_clone'));
    const wrong = (): void => link.update(object.program('prog_skb_parser'));
    expect(wrong).toThrow(expect.objectContaining({ errno: Errno.EINVAL }));
    const { sender, receiver: sock } = receiver(vm, object);
    sender.send(pattern(256));
    expect(drain(sock).length).toBe(256);
    expect(getGlobal(object, 'clone_called')).toBe(1);
  });
});

describeEngines('test_sockmap_drop_prog', (loader) => {
  it('256 bytes are dropped: nothing to read, and the sender does not notice', () => {
    const { vm, object } = loader.load('test_sockmap_drop_prog');
    progAttach(object.program('prog_skb_verdict'), object.map('sock_map_rx'), AttachType.SkSkbVerdict);
    const { sender, receiver: sock } = receiver(vm, object);
    expect(sender.send(pattern(256))).toBe(256);
    expect(sock.fionread()).toBe(0);
    expect(sock.recv(256)).toBe(-Errno.EAGAIN);
    expect(object.program('prog_skb_verdict').stats.returns).toEqual(new Map([[VERDICT.DROP, 1]]));
  });
});

describeEngines('test_sockmap_skb_verdict_attach', (loader) => {
  const pairs: [string, AttachType, AttachType][] = [
    ['a stream verdict after an skb verdict', AttachType.SkSkbVerdict, AttachType.SkSkbStreamVerdict],
    ['an skb verdict after a stream verdict', AttachType.SkSkbStreamVerdict, AttachType.SkSkbVerdict],
  ];

  it.each(pairs)('%s is refused as busy until the first is detached', (_name, first, second) => {
    const { object } = loader.load('test_sockmap_skb_verdict_attach');
    const [program, map] = [object.program('prog_skb_verdict'), object.map('sock_map')];
    progAttach(program, map, first);
    expect(() => progAttach(program, map, second)).toThrow(ebusy);
    progDetach(program, map, first);
    progAttach(program, map, second);
  });

  it('a link of one kind is refused over a plain attachment of the other kind', () => {
    const { object } = loader.load('test_sockmap_skb_verdict_attach');
    const [program, map] = [object.program('prog_skb_verdict'), object.map('sock_map')];
    linkCreate(program, map, AttachType.SkSkbVerdict).detach();
    progAttach(program, map, AttachType.SkSkbStreamVerdict);
    expect(() => linkCreate(program, map, AttachType.SkSkbVerdict)).toThrow(ebusy);
  });

  it('attached, it drops what arrives', () => {
    const { vm, object } = loader.load('test_sockmap_skb_verdict_attach');
    progAttach(object.program('prog_skb_verdict'), object.map('sock_map'), AttachType.SkSkbVerdict);
    const [sender, inMap] = vm.net.tcpPair();
    sockMap(object, 'sock_map').updateSock(u32(0), inMap);
    sender.send(pattern(10));
    expect(drain(inMap)).toEqual(new Uint8Array());
  });
});

describeEngines('test_sockmap_progs_query', (loader) => {
  const rows: [string, string, AttachType][] = [
    ['a stream parser', 'prog_skb_verdict', AttachType.SkSkbStreamParser],
    ['a stream verdict', 'prog_skb_verdict', AttachType.SkSkbStreamVerdict],
    ['an skb verdict', 'prog_skb_verdict', AttachType.SkSkbVerdict],
    ['a message verdict', 'prog_skmsg_verdict', AttachType.SkMsgVerdict],
  ];

  it.each(rows)('a query tells nothing before and the program id after attaching %s', (_kind, name, type) => {
    const { object } = loader.load('test_sockmap_progs_query');
    const [program, map] = [object.program(name), object.map('sock_map')];
    expect(progQuery(map, type)).toEqual([]);
    progAttach(program, map, type);
    expect(progQuery(map, type)).toEqual([program.id]);
    progDetach(program, map, type);
    expect(progQuery(map, type)).toEqual([]);
  });

  it('both programs pass traffic', () => {
    const { vm, object } = loader.load('test_sockmap_progs_query');
    progAttach(object.program('prog_skb_verdict'), object.map('sock_map'), AttachType.SkSkbVerdict);
    progAttach(object.program('prog_skmsg_verdict'), object.map('sock_map'), AttachType.SkMsgVerdict);
    const [peer, inMap] = vm.net.tcpPair();
    sockMap(object, 'sock_map').updateSock(u32(0), inMap);
    peer.send(pattern(30));
    inMap.send(pattern(40));
    expect([drain(inMap).length, drain(peer).length]).toEqual([30, 40]);
  });
});

describeEngines('test_sockmap_update', (loader) => {
  const run = (program: BpfProgram): number => program.runAt(0);

  it('a classifier copies a socket from one map to a sockmap and a sockhash: the cookies are equal', () => {
    const { vm, object } = loader.load('test_sockmap_update');
    const [, sock] = vm.net.tcpPair();
    sockMap(object, 'src').updateSock(u32(0), sock);
    expect(run(object.program('copy_sock_map'))).toBe(VERDICT.PASS);
    const cookie = object.map('src').lookupElem(u32(0));
    expect(object.map('dst_sock_map').lookupElem(u32(0))).toEqual(cookie);
    expect(object.map('dst_sock_hash').lookupElem(u32(0))).toEqual(cookie);
  });

  describe('where the source slot is empty', () => {
    it('copies nothing', () => {
      const { object } = loader.load('test_sockmap_update');
      expect(run(object.program('copy_sock_map'))).toBe(VERDICT.DROP);
      expect(() => object.map('dst_sock_map').lookupElem(u32(0))).toThrow(
        expect.objectContaining({ errno: Errno.ENOENT }),
      );
    });
  });
});
