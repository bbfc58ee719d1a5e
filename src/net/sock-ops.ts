/** Tells sock_ops programs about TCP connections, so that they can put sockets into maps. */
import type { SockProgram } from '../maps/sock.js';
import { SockOp, SockOps, STATE_CB_FLAG } from '../progs/ctx/sock-ops.js';
import type { Net } from './net.js';
import { TcpState } from './sock.js';
import type { TcpSock } from './tcp-sock.js';

export class SockOpsHooks {
  /** In the order in which they run: programs of one cgroup, attached one by one. */
  readonly programs: SockProgram[] = [];
  private readonly net: Net;

  constructor(net: Net) {
    this.net = net;
  }

  /** Attaches a program as BPF_CGROUP_SOCK_OPS does; the function returned detaches it. */
  attach(program: SockProgram): () => void {
    this.programs.push(program);
    return () => {
      const index = this.programs.indexOf(program);
      if (index >= 0) this.programs.splice(index, 1);
    };
  }

  /** connect(2) was called: the client is in SYN_SENT. */
  connecting(sock: TcpSock): void {
    sock.setState(TcpState.SYN_SENT);
    this.call(sock, SockOp.TCP_CONNECT_CB);
  }

  /** The handshake is over: the active side is established already when it is told, the passive side not yet. */
  established(sock: TcpSock, side: 'active' | 'passive'): void {
    if (side === 'active') {
      sock.setState(TcpState.ESTABLISHED);
      this.call(sock, SockOp.ACTIVE_ESTABLISHED_CB);
      return;
    }
    sock.setState(TcpState.SYN_RECV);
    this.call(sock, SockOp.PASSIVE_ESTABLISHED_CB);
    sock.setState(TcpState.ESTABLISHED);
  }

  listening(sock: TcpSock): void {
    this.call(sock, SockOp.TCP_LISTEN_CB);
  }

  /** Only for sockets for which a program has asked. */
  stateChanged(sock: TcpSock, from: number, to: number): void {
    if ((sock.cbFlags & STATE_CB_FLAG) !== 0) this.call(sock, SockOp.STATE_CB, [from, to]);
  }

  private call(sock: TcpSock, op: number, args: readonly number[] = []): void {
    for (const program of this.programs) {
      const subject = new SockOps(this.net.area, sock, op, args);
      subject.enter(program.ignoresSock === true ? 0 : this.net.addressOf(sock));
      program.run(subject);
    }
  }
}
