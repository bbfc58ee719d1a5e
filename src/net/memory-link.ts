/** Connects two TCP sockets of one process. */
import type { TcpSock, TcpTransport } from './tcp-sock.js';

class MemoryLink implements TcpTransport {
  private readonly peer: TcpSock;

  constructor(peer: TcpSock) {
    this.peer = peer;
  }

  window(): number {
    return this.peer.dead ? Infinity : this.peer.receiveWindow;
  }

  deliver(frags: Uint8Array[], fin: boolean): void {
    this.peer.receive(frags, fin);
  }

  fin(): void {
    this.peer.receiveFin();
  }

  reset(): void {
    this.peer.receiveReset();
  }

  opened(): void {
    this.peer.push();
  }
}

export function linkPair(a: TcpSock, b: TcpSock): void {
  a.transport = new MemoryLink(b);
  b.transport = new MemoryLink(a);
}
