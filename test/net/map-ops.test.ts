/** Operations on SOCKMAP and SOCKHASH with the errnos and orders recorded on a live kernel (mapops.txt). */
import { describe, expect, it } from 'vitest';
import { BpfVm } from '../../src/bpf-vm.js';
import { errnoName, ErrnoError } from '../../src/errors.js';
import type { SockMapBase } from '../../src/maps/sock-map.js';
import { AF_INET6, SHUT_RD, SHUT_WR } from '../../src/net/sock.js';
import type { NetSock } from '../../src/net/sock.js';
import { u32 } from './lab.js';

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

/** `OK`, or the errno with which it failed. */
function outcome(action: () => unknown): string {
  try {
    action();
    return 'OK';
  } catch (error) {
    if (error instanceof ErrnoError) return errnoName(error.errno);
    throw error;
  }
}

describe('creating a map', () => {
  const cases: [type: string, key: number, value: number, max: number, flags: number, want: string][] = [
    ['sockmap', 4, 4, 1, 0, 'OK'],
    ['sockmap', 4, 8, 1, 0, 'OK'],
    ['sockmap', 8, 4, 1, 0, 'EINVAL'],
    ['sockmap', 4, 16, 1, 0, 'EINVAL'],
    ['sockmap', 4, 4, 0, 0, 'EINVAL'],
    ['sockmap', 4, 4, 0x8000_0000, 0, 'OK'],
    ['sockmap', 4, 4, 1, 0x1, 'EINVAL'],
    ['sockmap', 4, 4, 1, 0x8, 'OK'],
    ['sockmap', 4, 4, 1, 0x80, 'EINVAL'],
    ['sockmap', 4, 4, 1, 0x400, 'EINVAL'],
    ['sockmap', 4, 4, 1_000_000, 0, 'OK'],
    ['sockhash', 4, 4, 1, 0, 'OK'],
    ['sockhash', 0, 4, 1, 0, 'EINVAL'],
    ['sockhash', 512, 8, 1, 0, 'OK'],
    ['sockhash', 513, 8, 1, 0, 'E2BIG'],
    ['sockhash', 1, 8, 1, 0, 'OK'],
    ['sockhash', 4, 2, 1, 0, 'EINVAL'],
    ['sockhash', 4, 4, 0, 0, 'EINVAL'],
    ['sockhash', 4, 4, 1, 0x1, 'EINVAL'],
    ['sockhash', 4, 4, 0x8000_0001, 0, 'EINVAL'],
  ];
  it.each(cases)('%s key=%d value=%d max=%d flags=%d gives %s', (type, key, value, max, flags, want) => {
    const vm = new BpfVm();
    const spec = { type, keySize: key, valueSize: value, maxEntries: max, flags };
    expect(outcome(() => vm.createMap(spec))).toBe(want);
  });
});

function mapOf(vm: BpfVm, type: string, extra: { valueSize?: number; flags?: number } = {}): SockMapBase {
  return vm.createMap({ type, keySize: 4, valueSize: 8, maxEntries: 4, ...extra }) as SockMapBase;
}

const fdValue = (fd: bigint, size = 8): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, fd, true);
  return bytes.subarray(0, size);
};

/** Every kind of socket that the recording tried and that this project has, and whether a map takes it. */
function sockets(vm: BpfVm): [name: string, sock: NetSock, want: string][] {
  const { net } = vm;
  const bound = net.tcp();
  bound.bind({ ip: LOOPBACK, port: 0 });
  const listening = net.tcp();
  listening.listen();
  const boundUdp = net.udp();
  boundUdp.bind({ ip: LOOPBACK, port: 0 });
  const boundUdp6 = net.udp(AF_INET6);
  boundUdp6.bind({ ip: new Uint8Array(16), port: 0 });
  const [closing, waiting] = net.tcpPair();
  closing.shutdown(SHUT_WR);
  const [shutRead] = net.tcpPair();
  shutRead.shutdown(SHUT_RD);
  return [
    ['tcp unconnected', net.tcp(), 'EOPNOTSUPP'],
    ['tcp bound', bound, 'EOPNOTSUPP'],
    ['tcp listening', listening, 'OK'],
    ['tcp6 unconnected', net.tcp(AF_INET6), 'EOPNOTSUPP'],
    ['udp unbound', net.udp(), 'EOPNOTSUPP'],
    ['udp bound', boundUdp, 'OK'],
    ['udp6 bound', boundUdp6, 'OK'],
    ['unix stream unconnected', net.unix('stream'), 'EOPNOTSUPP'],
    ['unix dgram unconnected', net.unix('dgram'), 'OK'],
    ['unix stream pair', net.unixPair('stream')[0], 'OK'],
    ['unix dgram pair', net.unixPair('dgram')[0], 'OK'],
    ['tcp CLOSE_WAIT', waiting, 'EOPNOTSUPP'],
    ['tcp FIN_WAIT2', closing, 'EOPNOTSUPP'],
    ['tcp ESTABLISHED+SHUT_RD', shutRead, 'OK'],
    ['tcp6 established', net.tcpPair(AF_INET6)[0], 'OK'],
    ['tcp established', net.tcpPair()[0], 'OK'],
  ];
}

describe.each(['sockmap', 'sockhash'])('%s', (type) => {
  const isHash = type === 'sockhash';

  it('takes the sockets that the kernel takes', () => {
    const vm = new BpfVm();
    const map = mapOf(vm, type);
    for (const [name, sock, want] of sockets(vm)) {
      expect([name, outcome(() => map.updateSock(u32(0), sock))]).toEqual([name, want]);
    }
  });

  it('refuses values that are no descriptors of sockets', () => {
    const map = mapOf(new BpfVm(), type);
    expect(outcome(() => map.updateElem(u32(0), fdValue(-1n)))).toBe('EINVAL');
    expect(outcome(() => map.updateElem(u32(0), fdValue(0x8000_0000n)))).toBe('EINVAL');
    expect(outcome(() => map.updateElem(u32(0), fdValue(999n)))).toBe('EBADF');
    expect(outcome(() => map.updateElem(u32(0), fdValue(0x7fff_ffffn)))).toBe('EBADF');
  });

  it('checks flags, existence and room in the order of the kernel', () => {
    const vm = new BpfVm();
    const map = mapOf(vm, type);
    const [sock, other] = vm.net.tcpPair();
    const put = (key: number, flags: number, which = sock): string =>
      outcome(() => {
        map.updateSock(u32(key), which, flags);
      });
    expect(put(0, 2)).toBe('ENOENT');
    expect(put(0, 0)).toBe('OK');
    expect(put(0, 1)).toBe('EEXIST');
    expect(put(0, 3)).toBe('EINVAL');
    expect(put(0, 4)).toBe('EINVAL');
    expect(put(0, 2, other)).toBe('OK');
    expect(put(4, 0)).toBe(isHash ? 'OK' : 'E2BIG');
    if (isHash) map.deleteElem(u32(4));
    expect([put(1, 0), put(2, 0), put(3, 0)]).toEqual(['OK', 'OK', 'OK']);
    expect(put(17, 0)).toBe('E2BIG');
    // Replacing needs no room.
    expect(put(0, 0, other)).toBe('OK');
  });

  it('gives the cookie to callers, and the errnos of missing keys', () => {
    const vm = new BpfVm();
    const map = mapOf(vm, type);
    const [sock] = vm.net.tcpPair();
    map.updateElem(u32(0), fdValue(BigInt(sock.fd)));
    const view = new DataView(map.lookupElem(u32(0)).buffer);
    expect(view.getBigUint64(0, true)).toBe(sock.cookie);
    map.deleteElem(u32(0));
    expect(outcome(() => map.lookupElem(u32(0)))).toBe('ENOENT');
    expect(outcome(() => map.deleteElem(u32(0)))).toBe(isHash ? 'ENOENT' : 'EINVAL');
    expect(outcome(() => map.lookupElem(u32(100)))).toBe('ENOENT');
    expect(outcome(() => map.lookupElem(u32(0), 4))).toBe('EINVAL');
    expect(outcome(() => map.lookupAndDeleteElem(u32(0)))).toBe('ENOTSUPP');
  });

  it('needs 8 bytes for a cookie, and takes descriptors of 4', () => {
    const vm = new BpfVm();
    const map = mapOf(vm, type, { valueSize: 4 });
    const [sock] = vm.net.tcpPair();
    expect(outcome(() => map.updateElem(u32(0), fdValue(BigInt(sock.fd), 4)))).toBe('OK');
    expect(outcome(() => map.lookupElem(u32(0)))).toBe('ENOSPC');
    expect(outcome(() => map.updateElem(u32(0), fdValue(0xffff_ffffn, 4)))).toBe('EINVAL');
  });

  it('refuses callers to write when frozen or read-only', () => {
    const vm = new BpfVm();
    const [sock] = vm.net.tcpPair();
    const frozen = mapOf(vm, type);
    frozen.freeze();
    expect(outcome(() => frozen.updateSock(u32(0), sock))).toBe('EPERM');
    const readOnly = mapOf(vm, type, { flags: 8 });
    expect(outcome(() => readOnly.updateSock(u32(0), sock))).toBe('EPERM');
  });

  it('takes no socket that is closed', () => {
    const vm = new BpfVm();
    const map = mapOf(vm, type);
    const pairs = [vm.net.tcpPair(), vm.net.udpPair(), vm.net.unixPair('stream'), vm.net.unixPair('dgram')];
    for (const [sock] of pairs) {
      sock.close();
      expect(outcome(() => map.updateSock(u32(0), sock))).toBe('EOPNOTSUPP');
    }
    expect(map.count).toBe(0);
  });

  it('copies the key it is given, and refuses one of another size', () => {
    const vm = new BpfVm();
    const map = mapOf(vm, type);
    const [sock] = vm.net.tcpPair();
    const key = Buffer.from([1, 0, 0, 0]);
    map.updateSock(key, sock);
    key[0] = 9;
    expect(map.lookupSock(u32(1))).toBe(sock);
    expect([...map.entries()].map(([at]) => [...at])).toEqual([[1, 0, 0, 0]]);
    expect(outcome(() => map.getNextKey(new Uint8Array(1)))).toBe('EINVAL');
    expect(outcome(() => map.lookupSock(new Uint8Array(1)))).toBe('EINVAL');
  });

  it('loses a socket that is closed', () => {
    const vm = new BpfVm();
    const map = mapOf(vm, type);
    const [sock] = vm.net.tcpPair();
    map.updateSock(u32(0), sock);
    sock.close();
    expect(outcome(() => map.deleteElem(u32(0)))).toBe(isHash ? 'ENOENT' : 'EINVAL');
    expect(map.count).toBe(0);
  });

  it('holds a socket at many keys and in many maps, each entry by itself', () => {
    const vm = new BpfVm();
    const [map, other] = [mapOf(vm, type), mapOf(vm, type)];
    const [unix] = vm.net.unixPair('stream');
    map.updateSock(u32(0), unix);
    map.updateSock(u32(1), unix);
    map.updateSock(u32(0), unix);
    other.updateSock(u32(0), unix);
    map.deleteElem(u32(0));
    map.deleteElem(u32(1));
    expect(other.lookupSock(u32(0))).toBe(unix);
    other.deleteElem(u32(0));
    expect(unix.psock).toBeNull();
  });
});

/** Keys in the order of get_next_key, with the errno that ends it. */
function walk(map: SockMapBase): (number | string)[] {
  const keys: (number | string)[] = [];
  let key: Uint8Array | null = null;
  for (;;) {
    try {
      key = map.getNextKey(key);
      keys.push(new DataView(key.buffer).getUint32(0, true));
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      return [...keys, errnoName(error.errno)];
    }
  }
}

describe('iteration', () => {
  it('visits all slots of a sockmap, occupied or not', () => {
    const map = mapOf(new BpfVm(), 'sockmap');
    expect(walk(map)).toEqual([0, 1, 2, 3, 'ENOENT']);
    expect(map.getNextKey(u32(4))).toEqual(u32(0));
  });

  it.each([
    [16, [10, 4, 15, 5, 0, 14, 7, 2, 13, 1, 8, 12, 11, 9, 6, 3]],
    [5, [0, 4, 2, 1, 3]],
  ])('visits a sockhash of %d by bucket, newest first', (maxEntries, order) => {
    const vm = new BpfVm();
    const map = vm.createMap({ type: 'sockhash', keySize: 4, valueSize: 8, maxEntries }) as SockMapBase;
    const [sock] = vm.net.tcpPair();
    for (let key = 0; key < maxEntries; key++) map.updateSock(u32(key), sock);
    expect(walk(map)).toEqual([...order, 'ENOENT']);
    expect(map.getNextKey(u32(99))).toEqual(u32(order[0]));
  });
});
