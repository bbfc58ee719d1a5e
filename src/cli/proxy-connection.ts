/**
 * One or two real sockets that belong together. Programs move what they redirect; what they pass is relayed to the
 * other socket as an application without programs would do it. Ends of streams are passed on one by one.
 */
import { Errno } from '../errors.js';
import type { TcpSock } from '../net/tcp-sock.js';
import { SHUT_WR } from '../net/sock.js';

const CHUNK = 65_536;

/** A socket of a connection and what it waits for. */
interface End {
  readonly sock: TcpSock;
  /** What it was read and could not be sent on yet. */
  rest: Uint8Array | null;
  ended: boolean;
  /** The end of its stream was passed on. */
  passedOn: boolean;
}

export interface RelayCounters {
  /** Bytes that programs passed and the proxy relayed. */
  relayed: number;
  /** Sends that an sk_msg program refused. */
  refused: number;
}

export interface ConnectionEvents {
  /** A stream has ended: the connection wants to be stepped whenever work was done. */
  ending(connection: ProxyConnection): void;
  closed(connection: ProxyConnection): void;
}

export class ProxyConnection {
  readonly socks: readonly TcpSock[];
  private readonly ends: readonly End[];
  private readonly counters: RelayCounters;
  private readonly events: ConnectionEvents;
  private closed = false;
  private busy = false;

  constructor(socks: readonly TcpSock[], counters: RelayCounters, events: ConnectionEvents) {
    this.socks = socks;
    this.counters = counters;
    this.events = events;
    this.ends = socks.map((sock) => ({ sock, rest: null, ended: false, passedOn: false }));
    for (const { sock } of this.ends) {
      sock.onEvent = () => {
        this.step();
      };
    }
  }

  /** Moves what can be moved; ends what has ended. */
  step(): void {
    if (this.closed || this.busy) return;
    this.busy = true;
    for (const end of this.ends) this.relay(end);
    for (const end of this.ends) this.passEnd(end);
    this.busy = false;
    if (this.isOver()) this.close();
    else if (this.ends.some((end) => end.ended)) this.events.ending(this);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const { sock } of this.ends) {
      sock.onEvent = null;
      sock.close();
    }
    this.events.closed(this);
  }

  /** No more is taken from either side; what was taken is delivered. */
  drain(): void {
    for (const end of this.ends) end.ended = true;
    this.step();
  }

  private otherOf(end: End): End | undefined {
    return this.ends.find((other) => other !== end);
  }

  private relay(end: End): void {
    const other = this.otherOf(end);
    while (!end.ended || end.rest !== null) {
      const bytes = end.rest ?? this.read(end);
      if (bytes === null) return;
      if (other === undefined) continue;
      const sent = other.sock.send(bytes);
      if (sent === -Errno.EACCES) this.counters.refused++;
      const refused = sent < 0 && sent !== -Errno.EAGAIN;
      const left = refused ? null : bytes.subarray(Math.max(0, sent));
      this.counters.relayed += Math.max(0, sent);
      end.rest = left === null || left.length === 0 ? null : left;
      if (end.rest !== null) return;
    }
  }

  private read(end: End): Uint8Array | null {
    const got = end.sock.recv(CHUNK);
    if (typeof got !== 'number' && got.length > 0) return got;
    // An error that a parser left is told by the socket; the connection cannot go on.
    end.ended = typeof got !== 'number' || got !== -Errno.EAGAIN || end.sock.err !== 0;
    return null;
  }

  private passEnd(end: End): void {
    const other = this.otherOf(end);
    if (!end.ended || end.passedOn || end.rest !== null) return;
    if (other === undefined || !other.sock.isFlushed) {
      if (other !== undefined) return;
    } else other.sock.shutdown(SHUT_WR);
    end.passedOn = true;
  }

  private isOver(): boolean {
    if (this.ends.some(({ sock }) => sock.err !== 0)) return true;
    return this.ends.every((end) => end.passedOn) && this.ends.every(({ sock }) => sock.isFlushed);
  }
}
