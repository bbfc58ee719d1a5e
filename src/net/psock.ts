/**
 * What a socket map hangs on a socket: its copy of the programs, the list of messages that were passed or redirected
 * to it, the buffers that wait to be redirected to it, and the state of the sk_msg verdict.
 */
import { Errno } from '../errors.js';
import type { Sock, SockLink, SockProgram } from '../maps/sock.js';
import { SK_PASS } from '../maps/sock.js';
import type { SockProgs } from '../maps/sock-progs.js';
import type { Redirect } from '../progs/ctx/contexts.js';
import type { SkBuff } from '../progs/ctx/sk-buff.js';
import { totalLength } from '../progs/ctx/sk-buff.js';
import type { SkMsg } from '../progs/ctx/sk-msg.js';
import type { NetSock } from './sock.js';
import { IPPROTO_UDP, MSG_MORE, SKB_OVERHEAD } from './sock.js';
import { StrParser } from './strparser.js';

/** A message in a psock's list, readable before the protocol's own queue. */
export interface IngressMsg {
  frags: Uint8Array[];
  /** It came in through this very socket: reading it moves the stream on. */
  readonly own: boolean;
  /** It carries the end of the stream and no bytes. */
  readonly fin: boolean;
  /** Memory to give back when it is freed. */
  readonly charge: number;
}

/** A buffer on its way to a target. */
interface Pending {
  readonly skb: SkBuff;
  offset: number;
  length: number;
  readonly ingress: boolean;
}

/** Bytes that may wait at a target before the sockets of the outside that feed it are throttled. */
const MAX_PENDING = 262_144;

export type Verdict = 'none' | 'pass' | 'drop' | 'redirect';

/** A range of a buffer: the message that a parser found, or all of it. */
export interface SkbRange {
  readonly offset: number;
  readonly length: number;
}

function verdictOf(returned: number, redirect: Redirect | null): Verdict {
  if (returned !== SK_PASS) return 'drop';
  return redirect === null ? 'pass' : 'redirect';
}

export class SkPsock {
  readonly sk: NetSock;
  refs = 1;
  readonly links: SockLink[] = [];
  msgVerdict: SockProgram | null = null;
  streamParser: SockProgram | null = null;
  streamVerdict: SockProgram | null = null;
  skbVerdict: SockProgram | null = null;
  /** Who is called when data arrive: nobody, the parser, or the verdict program. */
  mode: 'plain' | 'parser' | 'verdict' = 'plain';
  /** Which system calls are replaced; brought up to date only when programs come or are stopped. */
  filtersSend = false;
  filtersRecv = false;
  strp: StrParser | null = null;
  readonly ingress: IngressMsg[] = [];
  ingressBytes = 0;
  /** Buffers redirected here and not yet delivered. */
  readonly pending: Pending[] = [];
  /** Bytes of `pending`. */
  pendingBytes = 0;
  /** Sockets of the outside whose reading waits until this one has drained. */
  private readonly waiting = new Set<NetSock>();
  /** False after a hard error or once the socket leaves its last map: nothing more is delivered. */
  enabled = true;
  /** Bytes passed to the own list while the parser reads. */
  passedBytes = 0;

  // State of the sk_msg verdict.
  eval: Verdict = 'none';
  applyBytes = 0;
  corkBytes = 0;
  cork: SkMsg | null = null;
  redirect: Redirect | null = null;

  constructor(sk: NetSock) {
    this.sk = sk;
  }

  /** Bytes of the first message of the list. */
  get firstLength(): number {
    return this.ingress.length > 0 ? totalLength(this.ingress[0].frags) : 0;
  }

  /** Whether the map has a program of a kind that is here already. */
  conflicts(progs: SockProgs): boolean {
    const hasVerdict = this.streamVerdict !== null || this.skbVerdict !== null;
    return (
      (progs.msgVerdict !== null && this.msgVerdict !== null) ||
      (progs.streamParser !== null && this.streamParser !== null) ||
      ((progs.skbVerdict !== null || progs.streamVerdict !== null) && hasVerdict)
    );
  }

  /** Copies a map's programs. 0, or -EOPNOTSUPP for a parser with a verdict on anything but TCP. */
  adopt(progs: SockProgs): number {
    this.msgVerdict = progs.msgVerdict ?? this.msgVerdict;
    this.streamParser = progs.streamParser ?? this.streamParser;
    this.streamVerdict = progs.streamVerdict ?? this.streamVerdict;
    this.skbVerdict = progs.skbVerdict ?? this.skbVerdict;
    this.updateCalls();
    if (this.mode !== 'plain') return 0;
    if (progs.streamParser !== null && progs.streamVerdict !== null) {
      const { stream } = this.sk;
      if (stream === null) return -Errno.EOPNOTSUPP;
      this.strp = new StrParser(this, stream);
      this.mode = 'parser';
    } else if (progs.streamVerdict !== null || progs.skbVerdict !== null) this.mode = 'verdict';
    return 0;
  }

  /** An entry of a map goes: the skb programs that the map has now stop, also where they came from another map. */
  forget(link: SockLink): void {
    const index = this.links.indexOf(link);
    if (index < 0) return;
    this.links.splice(index, 1);
    const { progs } = link.map;
    if (this.mode === 'plain') return;
    const stopsParser = progs.streamParser !== null;
    const stopsVerdict = progs.streamVerdict !== null || progs.skbVerdict !== null;
    if (stopsParser) this.stopParser();
    if (stopsVerdict) this.stopVerdict();
    if (stopsParser || stopsVerdict) this.updateCalls();
  }

  /** No more deliveries; a corked message is thrown away. */
  stop(): void {
    this.enabled = false;
    this.cork = null;
  }

  /** The socket is in no map any more. */
  drop(): void {
    if (this.streamParser !== null) this.stopParser();
    else if (this.streamVerdict !== null || this.skbVerdict !== null) this.stopVerdict();
    this.stop();
    for (const msg of this.ingress.splice(0)) this.sk.rmem -= msg.charge;
    this.ingressBytes = 0;
    this.pending.length = 0;
    this.pendingBytes = 0;
    this.release();
  }

  /** What a reader finds in the queue, the parser takes up a moment later: the reader holds the socket. */
  parseLater(): void {
    this.sk.net.later(() => {
      if (this.mode === 'parser') this.strp?.read();
    });
  }

  /** Data arrived. True where a program looks at them first; it wakes readers itself. */
  dataReady(): boolean {
    if (this.mode === 'parser') {
      this.strp?.dataReady();
      return true;
    }
    if (this.mode !== 'verdict') return false;
    const copied = this.sk.readSkb((skb) => this.receive(skb));
    if (copied >= 0) this.sk.wake('readable');
    return true;
  }

  // Verdicts on buffers.

  /** One buffer to the verdict program; its length, or a negative errno where it could not be placed. */
  private receive(skb: SkBuff): number {
    const { len } = skb;
    const program = this.streamVerdict ?? this.skbVerdict;
    const verdict = program === null ? 'drop' : this.judge(program, skb);
    const errno = this.apply(skb, verdict, { offset: 0, length: skb.len }, false);
    return errno < 0 ? errno : len;
  }

  /** A message that the parser found, to the verdict program. */
  receiveMessage(skb: SkBuff, range: SkbRange): void {
    const verdict = this.streamVerdict === null ? 'drop' : this.judge(this.streamVerdict, skb);
    this.apply(skb, verdict, range, true);
  }

  /** Runs a parser or verdict program; the low word of r0. */
  runSkb(program: SockProgram, skb: SkBuff): number {
    skb.sock = this.sk;
    skb.enter(this.sockAddress(program), program.ignoresData !== true);
    try {
      return program.run(skb);
    } finally {
      skb.leave();
    }
  }

  private judge(program: SockProgram, skb: SkBuff): Verdict {
    const returned = this.runSkb(program, skb);
    return verdictOf(returned, skb.redirect);
  }

  private apply(skb: SkBuff, verdict: Verdict, range: SkbRange, parsed: boolean): number {
    const { redirect } = skb;
    const toSelf = redirect !== null && redirect.ingress && redirect.sock === this.sk;
    if (verdict === 'pass' || (verdict === 'redirect' && toSelf)) return this.pass(skb, range, parsed);
    if (!parsed) this.sk.eat(skb.len);
    if (verdict !== 'redirect' || redirect === null) return 0;
    return redirectTo(redirect.sock, skb, range, redirect.ingress);
  }

  private pass(skb: SkBuff, range: SkbRange, parsed: boolean): number {
    if (this.sk.dead || !this.enabled) {
      if (!parsed) this.sk.eat(skb.len);
      return -Errno.EIO;
    }
    // Behind buffers that wait for room it must wait too, or it would overtake them.
    if (this.pending.length === 0) this.enqueue(skb, range, true);
    else this.await(skb, range, true);
    return 0;
  }

  private await(skb: SkBuff, range: SkbRange, ingress: boolean): void {
    this.pending.push({ skb, offset: range.offset, length: range.length, ingress });
    this.pendingBytes += range.length;
    this.sk.net.schedule(this);
  }

  /** Makes a socket of the outside wait until this one has drained; sockets in memory go on, as in the kernel. */
  holdBack(source: NetSock): void {
    if (this.pendingBytes < MAX_PENDING || this.waiting.has(source)) return;
    this.waiting.add(source);
    source.throttle(true);
  }

  private release(): void {
    for (const source of this.waiting) source.throttle(false);
    this.waiting.clear();
  }

  /** Puts a buffer on the own list. */
  private enqueue(skb: SkBuff, range: SkbRange, own: boolean): void {
    const frags = skb.range(range.offset, range.length);
    const length = totalLength(frags);
    const charge = length + SKB_OVERHEAD;
    this.sk.rmem += charge;
    this.passedBytes += length;
    this.put({ frags, own, fin: length === 0, charge }, length);
  }

  private put(msg: IngressMsg, length: number): void {
    this.ingress.push(msg);
    this.ingressBytes += length;
    this.sk.wake('readable');
  }

  /** Messages that an sk_msg program of another socket sends here. False where the psock takes no more. */
  queueMsg(frags: Uint8Array[]): boolean {
    if (!this.enabled) return false;
    const length = totalLength(frags);
    this.sk.rmem += length;
    if (length > 0) this.put({ frags, own: false, fin: false, charge: length }, length);
    return true;
  }

  /** A redirected buffer comes in; the work queue delivers it. -EIO where the psock takes no more. */
  accept(skb: SkBuff, range: SkbRange, ingress: boolean): number {
    if (!this.enabled) return -Errno.EIO;
    // Deviation: an empty buffer (the end of the stream) is no data; the kernel breaks the target with EPIPE.
    if (range.length > 0) this.await(skb, range, ingress);
    return 0;
  }

  /** Delivers what waits. True where it stopped for lack of room. */
  work(): boolean {
    // Only what waits now: a delivery may bring more, and others have their turn in between.
    for (let count = this.pending.length; count > 0 && this.enabled; count--) {
      const next = this.pending[0] as Pending | undefined;
      if (next === undefined) return false;
      while (next.length > 0) {
        const done = this.deliver(next);
        if (done === -Errno.EAGAIN) return true;
        if (done <= 0) {
          this.fail(done === 0 ? Errno.EPIPE : -done);
          return false;
        }
        next.offset += done;
        next.length -= done;
        this.pendingBytes -= done;
      }
      this.pending.shift();
      if (this.waiting.size > 0 && this.pendingBytes < MAX_PENDING / 2) this.release();
    }
    this.sk.net.schedule(this);
    return false;
  }

  private fail(errno: number): void {
    this.enabled = false;
    this.release();
    this.sk.reportError(errno);
  }

  /** Bytes delivered, or a negative errno. */
  private deliver(next: Pending): number {
    if (this.sk.dead) return -Errno.EIO;
    if (!next.ingress) return this.sendOut(next);
    const own = next.skb.sock === this.sk;
    if (!own && this.sk.rmem > this.sk.rcvbuf) return -Errno.EAGAIN;
    this.enqueue(next.skb, next, own);
    return next.length;
  }

  /** Each fragment is a send of its own that announces the next one; the socket's sk_msg program sees them one by one. */
  private sendOut(next: Pending): number {
    const frags = next.skb.range(next.offset, next.length);
    // Announced fragments of a UDP datagram are held back until it is whole.
    if (this.sk.protocol === IPPROTO_UDP) return this.sk.sendmsg(frags, 0);
    let sent = 0;
    for (const [index, frag] of frags.entries()) {
      const done = this.sk.sendmsg([frag], index < frags.length - 1 ? MSG_MORE : 0);
      if (done <= 0) return sent > 0 ? sent : done;
      sent += done;
      if (done < frag.length) break;
    }
    return sent;
  }

  /**
   * Reads from the own list: bytes, or a negative errno: -EFAULT where its head has none to give (the end of the
   * stream). `onOwn` is told how many came in through this socket.
   */
  read(length: number, peek: boolean, onOwn: (bytes: number) => void): Uint8Array | number {
    const parts: Uint8Array[] = [];
    let left = length;
    let own = 0;
    let index = 0;
    while (left > 0 && index < this.ingress.length) {
      const msg = this.ingress[index];
      if (msg.fin) break;
      const took = takeFrom(msg, left, peek, parts);
      left -= took;
      if (msg.own) own += took;
      if (peek) {
        index++;
        continue;
      }
      this.ingressBytes -= took;
      if (msg.frags.length > 0) break;
      this.sk.rmem -= msg.charge;
      this.ingress.shift();
    }
    const got = length - left;
    if (got === 0) return this.ingress.length > 0 && length > 0 ? -Errno.EFAULT : 0;
    onOwn(own);
    return join(parts, got);
  }

  // sk_msg.

  /** Runs the sk_msg program on a message and keeps what it decided. */
  judgeMessage(msg: SkMsg): Verdict {
    const program = this.msgVerdict;
    if (program === null) return 'pass';
    msg.sock = this.sk;
    msg.enter(this.sockAddress(program), program.ignoresData !== true);
    let returned: number;
    try {
      returned = program.run(msg);
    } finally {
      msg.leave();
    }
    this.applyBytes = msg.applyBytes;
    const verdict = verdictOf(returned, msg.redirect);
    if (verdict === 'redirect') this.redirect = msg.redirect;
    return verdict;
  }

  /** The verdict has been used for `bytes` of the bytes it applies to. */
  useApply(bytes: number): void {
    this.applyBytes = Math.max(0, this.applyBytes - bytes);
  }

  private sockAddress(program: SockProgram): number {
    return program.ignoresSock === true ? 0 : this.sk.net.addressOf(this.sk);
  }

  private updateCalls(): void {
    this.filtersSend = this.msgVerdict !== null;
    this.filtersRecv = this.streamVerdict !== null || this.skbVerdict !== null;
  }

  private stopParser(): void {
    this.streamParser = null;
    if (this.mode === 'plain') return;
    this.mode = 'plain';
    this.strp?.stop();
  }

  private stopVerdict(): void {
    this.streamVerdict = null;
    this.skbVerdict = null;
    this.mode = 'plain';
  }
}

/** Sends a buffer to another socket's psock; -EIO where it has none or takes no more. */
function redirectTo(target: Sock, skb: SkBuff, range: SkbRange, ingress: boolean): number {
  const sk = target as NetSock;
  if (sk.psock === null || sk.dead) return -Errno.EIO;
  const errno = sk.psock.accept(skb, range, ingress);
  if (errno === 0 && skb.sock !== null) sk.psock.holdBack(skb.sock as NetSock);
  return errno;
}

/** Moves (or, for a peek, copies the list of) up to `left` bytes of a message to `parts`. */
function takeFrom(msg: IngressMsg, left: number, peek: boolean, parts: Uint8Array[]): number {
  let took = 0;
  let used = 0;
  for (const frag of msg.frags) {
    const room = left - took;
    if (room === 0) break;
    if (frag.length > room) {
      parts.push(frag.subarray(0, room));
      took += room;
      if (!peek) msg.frags[used] = frag.subarray(room);
      break;
    }
    parts.push(frag);
    took += frag.length;
    used++;
  }
  if (!peek && used > 0) msg.frags.splice(0, used);
  return took;
}

export function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1) return only;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
