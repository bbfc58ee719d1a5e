/**
 * Cuts a TCP stream into messages. The parser program says how long the next message is; the verdict program then
 * sees each one once. A message keeps whole buffers: its context shows them from their start, and only its range counts.
 *
 *      buffer 1                 buffer 2
 *      [ done |  message ....   ][ .... |  next message ... ]
 *              ^ offset, fullLength bytes long, over both
 */
import { Errno } from '../errors.js';
import type { SkBuff } from '../progs/ctx/sk-buff.js';
import type { SkPsock } from './psock.js';

/** The message that is being collected. */
interface Head {
  readonly skb: SkBuff;
  readonly offset: number;
  /** 0 until the parser has said it. */
  fullLength: number;
  /** Bytes of it that earlier buffers brought. */
  collected: number;
}

/** What the stream gives to the parser. */
export interface StreamReader {
  /** The parser starts at what is unread now. */
  startParsing(): void;
  /** Bytes received and not yet taken off the stream. */
  peekLength(): number;
  /** Gives each buffer, from `offset` on, to `actor` until it takes nothing or says stop; returns bytes taken. */
  readStream(actor: (skb: SkBuff, offset: number) => ReadStep): void;
}

export interface ReadStep {
  readonly taken: number;
  readonly stop: boolean;
}

export class StrParser {
  private readonly psock: SkPsock;
  private readonly stream: StreamReader;
  private head: Head | null = null;
  private needBytes = 0;
  private stopped = false;

  constructor(psock: SkPsock, stream: StreamReader) {
    this.psock = psock;
    this.stream = stream;
    stream.startParsing();
  }

  stop(): void {
    this.stopped = true;
    this.head = null;
  }

  dataReady(): void {
    if (this.stopped) return;
    if (this.needBytes > 0 && this.stream.peekLength() < this.needBytes) return;
    this.read();
  }

  /** Takes what there is, even if it is less than the rest of the message. */
  read(): void {
    if (!this.stopped) this.stream.readStream((skb, offset) => this.receive(skb, offset));
  }

  /** Takes one buffer apart from `offset` on. */
  private receive(buffer: SkBuff, offset: number): ReadStep {
    const length = buffer.len - offset;
    let eaten = 0;
    while (eaten < length) {
      const skb = buffer.clone();
      const candidate = length - eaten;
      const isNew = this.head === null;
      const head = this.extend(skb, offset, eaten);
      if (head.fullLength === 0) {
        const found = this.parse(head, isNew ? head.skb.len : skb.len);
        if (found < 0) {
          this.abort(-found);
          break;
        }
        if (found === 0) {
          head.collected += candidate;
          eaten += candidate;
          break;
        }
        head.fullLength = found;
      }
      const missing = head.fullLength - head.collected - candidate;
      if (missing > 0) {
        const stop = head.fullLength - head.collected > this.stream.peekLength();
        head.collected += candidate;
        eaten += candidate;
        if (stop) {
          this.needBytes = head.fullLength - head.collected;
          return { taken: eaten, stop: true };
        }
        break;
      }
      eaten += candidate + missing;
      this.head = null;
      this.needBytes = 0;
      this.psock.receiveMessage(head.skb, { offset: head.offset, length: head.fullLength });
    }
    return { taken: eaten, stop: false };
  }

  /** Starts a message with a buffer, or adds the buffer to the one in progress. */
  private extend(skb: SkBuff, offset: number, eaten: number): Head {
    const { head } = this;
    if (head === null) {
      this.head = { skb, offset: offset + eaten, fullLength: 0, collected: 0 };
      return this.head;
    }
    head.skb.append(skb);
    return head;
  }

  /** Length of the message, 0 for not enough bytes to tell, or a negative errno. `fresh` bytes came with this buffer. */
  private parse(head: Head, fresh: number): number {
    const { psock } = this;
    const program = psock.streamParser;
    const length = program === null ? head.skb.len : psock.runSkb(program, head.skb);
    if (length === 0) return 0;
    if (length < 0) return length === -Errno.ESTRPIPE && head.collected > 0 ? -Errno.ENODATA : length;
    if (length > psock.sk.rcvbuf) return -Errno.EMSGSIZE;
    // The length must reach into the bytes that have just come.
    if (length <= head.skb.len - fresh - head.offset) return -Errno.EPROTO;
    return length;
  }

  /** The stream cannot be parsed any further; what was not taken stays unread. */
  private abort(errno: number): void {
    this.stop();
    this.needBytes = 0;
    this.psock.sk.reportError(errno);
  }
}
