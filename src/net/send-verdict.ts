/** sendmsg on a TCP socket that has an sk_msg program: collect, judge, pass, redirect or drop. */
import { Errno } from '../errors.js';
import { SkMsg } from '../progs/ctx/sk-msg.js';
import type { SkPsock } from './psock.js';
import type { NetSock } from './sock.js';
import { MSG_MORE } from './sock.js';
import type { TcpSock } from './tcp-sock.js';

/** What sendmsg will return; verdicts take back from it what was counted and not delivered. */
interface Account {
  copied: number;
}

/** Bytes taken, or a negative errno. The count is of the user's bytes, whatever the program pushed or popped. */
export function sendFiltered(
  sk: TcpSock,
  psock: SkPsock,
  parts: readonly Uint8Array[],
  flags: number,
): number {
  const account: Account = { copied: 0 };
  const source = new Source(parts);
  const { size } = source;
  let errno = 0;
  while (source.left > 0 && errno === 0) {
    if (sk.err !== 0) {
      errno = -sk.err;
      break;
    }
    if (!sk.hasSendRoom()) {
      errno = -Errno.EAGAIN;
      break;
    }
    const corked = psock.cork;
    const msg = corked ?? new SkMsg(sk.net.area);
    const took = source.copyTo(msg);
    account.copied += took;
    const full = source.left > 0;
    if (took === 0) {
      // A corked list that is exactly full takes nothing and is not flushed, as in the kernel.
      errno = -Errno.ENOSPC;
      break;
    }
    if (psock.corkBytes > 0) {
      psock.corkBytes = size > psock.corkBytes ? 0 : psock.corkBytes - size;
      if (psock.corkBytes > 0 && !full) break;
      psock.eval = 'none';
      psock.corkBytes = 0;
    }
    errno = judge(sk, psock, msg, account, flags);
  }
  if (errno === -Errno.EPIPE && sk.err !== 0) errno = sk.sockError();
  return account.copied > 0 ? account.copied : errno;
}

/** Walks over what the caller gave. */
class Source {
  readonly size: number;
  left: number;
  private readonly parts: readonly Uint8Array[];
  private index = 0;
  private at = 0;

  constructor(parts: readonly Uint8Array[]) {
    this.parts = parts;
    let size = 0;
    for (const part of parts) size += part.length;
    this.size = this.left = size;
  }

  /** Copies what is left, or as much as fits; returns how much. */
  copyTo(msg: SkMsg): number {
    const before = this.left;
    while (this.left > 0) {
      const rest = this.parts[this.index].subarray(this.at);
      const took = msg.append(rest);
      this.left -= took;
      this.at += took;
      if (took < rest.length) break;
      this.index++;
      this.at = 0;
    }
    return before - this.left;
  }
}

/**
 * A verdict uses up at least a byte of the message. A program that pushes more bytes than its verdict applies to never
 * comes to an end: Linux goes on until its memory is used up, here the rest is dropped after this many rounds more.
 */
const EXTRA_ROUNDS = 4096;

/** Judges and handles a message until it is used up or corked; 0 or a negative errno. */
function judge(sk: TcpSock, psock: SkPsock, msg: SkMsg, account: Account, flags: number): number {
  const full = msg.isFull;
  // Bytes that the program took away (negative: added): a drop returns them too.
  let delta = 0;
  let rounds = msg.size + EXTRA_ROUNDS;
  for (;;) {
    if (rounds-- === 0) {
      account.copied -= msg.clear();
      return -Errno.ENOBUFS;
    }
    if (psock.eval === 'none') {
      const before = msg.size;
      psock.eval = psock.judgeMessage(msg);
      delta = before - msg.size;
    }
    if (msg.corkBytes > msg.size && !full) {
      psock.corkBytes = msg.corkBytes - msg.size;
      psock.cork = msg;
      return 0;
    }
    const bytes = psock.applyBytes > 0 ? Math.min(psock.applyBytes, msg.size) : msg.size;
    let errno: number;
    switch (psock.eval) {
      case 'pass':
        errno = pass(sk, psock, msg, bytes, account, flags);
        break;
      case 'redirect':
        errno = redirect(psock, msg, bytes, account, flags);
        break;
      default:
        msg.clear();
        psock.useApply(bytes);
        account.copied -= bytes + delta;
        return -Errno.EACCES;
    }
    if (errno !== 0) return errno;
    if (psock.applyBytes === 0) {
      psock.eval = 'none';
      psock.redirect = null;
    }
    if (msg.size === 0) return 0;
  }
}

function pass(
  sk: TcpSock,
  psock: SkPsock,
  msg: SkMsg,
  bytes: number,
  account: Account,
  flags: number,
): number {
  const errno = push(sk, msg, bytes, flags);
  if (errno < 0) {
    account.copied -= msg.clear();
    return errno;
  }
  psock.useApply(bytes);
  return 0;
}

function redirect(psock: SkPsock, msg: SkMsg, bytes: number, account: Account, flags: number): number {
  const note = psock.redirect;
  psock.useApply(bytes);
  if (psock.applyBytes === 0) {
    psock.eval = 'none';
    psock.redirect = null;
  }
  const wasCorked = psock.cork !== null;
  psock.cork = null;
  const errno = note === null ? -Errno.EPIPE : sendTo(note.sock as NetSock, note.ingress, msg, bytes, flags);
  if (errno < 0) {
    const freed = msg.clear();
    if (!wasCorked) account.copied -= freed;
  }
  if (!wasCorked) return errno;
  // The sends that filled the cork have succeeded already: what is left is thrown away and no error is told.
  msg.clear();
  return 0;
}

/** Sends the first `bytes` bytes on another socket, or into its list. */
function sendTo(target: NetSock, ingress: boolean, msg: SkMsg, bytes: number, flags: number): number {
  const { psock } = target;
  if (psock === null) return -Errno.EPIPE;
  if (!ingress) return push(target as TcpSock, msg, bytes, flags);
  psock.queueMsg(msg.take(bytes));
  return 0;
}

/** Gives the first `bytes` bytes to the protocol, an element a send; a part of an element asks for more to come. */
function push(sk: TcpSock, msg: SkMsg, bytes: number, flags: number): number {
  let left = bytes;
  while (left > 0) {
    const elem = msg.firstLength;
    const want = Math.min(left, elem);
    const sent = sk.sendPlain(msg.peek(want), want < elem ? flags | MSG_MORE : flags);
    if (sent <= 0) return sent;
    msg.take(sent);
    left -= sent;
  }
  return 0;
}
