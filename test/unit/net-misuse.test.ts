import { describe, expect, it } from 'vitest';
import { BpfVm, Errno, u32 } from '../../src/browser.js';

describe('sockets refuse', () => {
  it('every call once they are closed', () => {
    const [a] = new BpfVm().net.tcpPair();
    a.close();
    expect([a.send(Uint8Array.of(1)), a.recv(1)]).toEqual([-Errno.EBADF, -Errno.EBADF]);
  });

  it('text, which has no bytes yet', () => {
    const [a] = new BpfVm().net.tcpPair();
    expect(() => a.send('text' as unknown as Uint8Array)).toThrow(/TextEncoder/);
  });
});

describe('socket maps refuse', () => {
  const map = new BpfVm().createMap({ type: 'sockmap', maxEntries: 1 });

  it('a socket of another VM', () => {
    const [other] = new BpfVm().net.tcpPair();
    expect(() => {
      map.updateSock(u32(0), other);
    }).toThrow(/no socket of this VM: ENOTSOCK|ENOTSOCK.*no socket of this VM/);
  });

  it('a value that is no socket', () => {
    expect(() => {
      map.updateSock(u32(0), {} as never);
    }).toThrow(/ENOTSOCK/);
  });
});
