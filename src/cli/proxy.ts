/** A userspace socket proxy: real sockets in the maps of a run, moved by its programs. */
import type { Server, Socket } from 'node:net';
import { createConnection, createServer } from 'node:net';
import { ErrnoError, UsageError } from '../errors.js';
import type { SockMapBase } from '../maps/sock-map.js';
import type { Net } from '../net/net.js';
import { nodeTcpSock } from '../net/node-sock.js';
import type { TcpSock } from '../net/tcp-sock.js';
import { ProxyConnection } from './proxy-connection.js';
import type { KeySource, KeyTemplate } from './socket-keys.js';
import { compileKeyTemplate } from './socket-keys.js';

/** `KEY=HOST:PORT` or `KEY=unix:PATH`. */
export interface ProxyPlace {
  readonly key: number;
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
}

export interface ProxyOptions {
  readonly net: Net;
  /** Maps that get every socket; the first program-carrying one matters most. */
  readonly maps: readonly SockMapBase[];
  readonly listen: readonly ProxyPlace[];
  readonly connect: readonly ProxyPlace[];
  /** A new pair of keys for each connection: 2n for the accepted socket, 2n + 1 for the connected one. */
  readonly pair?: boolean;
  readonly keyTemplate?: string;
  /** Progress and refusals, one line each. */
  readonly log: (line: string) => void;
}

export interface ProxyStats {
  readonly open: number;
  readonly total: number;
  readonly failed: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes that programs passed and the proxy relayed itself. */
  readonly relayed: number;
  /** Sends that an sk_msg program refused. */
  readonly refused: number;
}

/** @throws UsageError where the text is no place. */
export function parsePlace(option: string, text: string): ProxyPlace {
  const match = /^(\d+)=(?:unix:(.+)|(?:\[([^\]]+)\]|([^:[\]]*)):(\d+))$/.exec(text);
  if (match === null || Number(match[5] ?? 0) > 65_535) {
    throw new UsageError('ERR_BPF_USAGE_ADDRESS', `${option} ${text}`, {
      hint: 'the form is KEY=HOST:PORT, KEY=[IPV6]:PORT or KEY=unix:PATH, e.g. 0=127.0.0.1:8000',
    });
  }
  const [, key, path, host6, host4, port] = match;
  if (path !== undefined) return { key: Number(key), path };
  return { key: Number(key), host: host6 ?? (host4 === '' ? '127.0.0.1' : host4), port: Number(port) };
}

const placeText = (place: ProxyPlace): string => place.path ?? `${place.host}:${place.port}`;

const sourceOf = (sock: TcpSock, index: number, peer?: KeySource): KeySource => ({
  index,
  localIp4: sock.localIp,
  remoteIp4: sock.remoteIp,
  localPort: sock.localPort,
  remotePort: sock.remotePort,
  ...(peer === undefined ? {} : { peer }),
});

export class Proxy {
  private readonly options: ProxyOptions;
  private readonly keys: readonly KeyTemplate[];
  private readonly servers: Server[] = [];
  private readonly open = new Set<ProxyConnection>();
  /** Pair numbers in use, and those that were given back. */
  private readonly pairs = new Map<ProxyConnection, number>();
  private readonly freePairs: number[] = [];
  /** Accepted connections that wait for their keys. */
  private readonly waiting: { readonly socket: Socket; readonly place: ProxyPlace }[] = [];
  private readonly counters = { relayed: 0, refused: 0 };
  private total = 0;
  private failed = 0;
  private closedIn = 0;
  private closedOut = 0;
  private starting = 0;
  private stopping = false;
  private onIdle: (() => void) | null = null;
  /** Connections that wait for the last bytes to leave. */
  private readonly ending = new Set<ProxyConnection>();
  private readonly quiet = (): void => {
    for (const connection of this.ending) connection.step();
  };

  /** @throws UsageError where the key template does not fit a map. */
  constructor(options: ProxyOptions) {
    this.options = options;
    this.keys = options.maps.map((map) => compileKeyTemplate(options.keyTemplate, map.spec.keySize));
  }

  /** Addresses that are listened on, in the order of the options. */
  get addresses(): { host: string; port: number }[] {
    return this.servers.map((server) => {
      const address = server.address();
      return typeof address === 'object' && address !== null
        ? { host: address.address, port: address.port }
        : { host: address ?? '', port: 0 };
    });
  }

  get stats(): ProxyStats {
    let bytesIn = this.closedIn;
    let bytesOut = this.closedOut;
    for (const connection of this.open) {
      for (const sock of connection.socks) {
        bytesIn += sock.bytesReceived;
        bytesOut += sock.bytesSent;
      }
    }
    const { total, failed } = this;
    return { open: this.open.size, total, failed, bytesIn, bytesOut, ...this.counters };
  }

  /** Listens; without a place to listen on, connects at once. @throws Error of the operating system. */
  async start(): Promise<void> {
    const { listen, connect, net } = this.options;
    net.onQuiet.add(this.quiet);
    for (const place of listen) await this.listenOn(place);
    if (listen.length === 0) await this.connectAll(connect);
  }

  /** Accepts no more, delivers what was taken, and closes. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const server of this.servers) server.close();
    for (const { socket } of this.waiting.splice(0)) socket.destroy();
    for (const connection of [...this.open]) connection.drain();
    if (this.open.size > 0) await this.idle(DRAIN_MS);
    for (const connection of [...this.open]) connection.close();
    this.options.net.onQuiet.delete(this.quiet);
  }

  /** Resolves when no connection is open, or after `timeout` milliseconds. */
  private idle(timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout);
      this.onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private listenOn(place: ProxyPlace): Promise<void> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      socket.on('error', () => undefined);
      this.accept(socket, place);
    });
    this.servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(place.path === undefined ? { host: place.host, port: place.port } : place, () => {
        server.off('error', reject);
        resolve();
      });
    });
  }

  /** One connection at a time where the keys are fixed; any number with a pair of keys each. */
  private accept(socket: Socket, place: ProxyPlace): void {
    if (this.options.pair !== true && this.open.size + this.starting > 0) {
      this.waiting.push({ socket, place });
      return;
    }
    this.starting++;
    void this.establish(socket, place).finally(() => {
      this.starting--;
      this.next();
    });
  }

  private next(): void {
    if (this.options.pair !== true && this.open.size + this.starting > 0) return;
    const waiting = this.waiting.shift();
    if (waiting !== undefined && !this.stopping) this.accept(waiting.socket, waiting.place);
    if (this.open.size === 0) this.onIdle?.();
  }

  private async establish(socket: Socket, place: ProxyPlace): Promise<void> {
    const targets: Socket[] = [];
    try {
      for (const target of this.options.connect) targets.push(await dial(target));
    } catch (error) {
      this.failed++;
      this.options.log(`connect: ${(error as Error).message}`);
      socket.resetAndDestroy();
      for (const target of targets) target.destroy();
      return;
    }
    if (socket.destroyed) {
      for (const target of targets) target.destroy();
      return;
    }
    this.enter([socket, ...targets], [place.key, ...this.options.connect.map((target) => target.key)]);
  }

  private async connectAll(places: readonly ProxyPlace[]): Promise<void> {
    const sockets: Socket[] = [];
    for (const place of places) sockets.push(await dial(place));
    this.enter(
      sockets,
      places.map((place) => place.key),
    );
  }

  /** Makes sockets of the net of them, puts these into the maps, and lets bytes flow. */
  private enter(sockets: readonly Socket[], keys: readonly number[]): void {
    const { net } = this.options;
    const socks = sockets.map((socket) => nodeTcpSock(net, socket));
    const connection = new ProxyConnection(socks, this.counters, {
      ending: (own) => void this.ending.add(own),
      closed: (own) => {
        this.forget(own);
      },
    });
    this.open.add(connection);
    this.total++;
    const pair = this.options.pair === true ? this.takePair(connection) : undefined;
    const indexes = pair === undefined ? keys : socks.map((_, at) => 2 * pair + at);
    socks.forEach((sock, at) => {
      net.sockOps.established(sock, at === 0 && this.servers.length > 0 ? 'passive' : 'active');
    });
    try {
      this.insert(socks, indexes);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      this.failed++;
      this.options.log(error.message);
      connection.close();
      return;
    }
    for (const socket of sockets) socket.resume();
  }

  private insert(socks: readonly TcpSock[], indexes: readonly number[]): void {
    this.options.maps.forEach((map, at) => {
      socks.forEach((sock, index) => {
        // Where a sock_ops program has put it already, it stays.
        if (sock.psock?.links.some((link) => link.map === map) === true) return;
        const other = socks.find((candidate) => candidate !== sock);
        const peer = other === undefined ? undefined : sourceOf(other, indexes[index ^ 1]);
        map.updateSock(this.keys[at](sourceOf(sock, indexes[index], peer)), sock);
      });
    });
  }

  private takePair(connection: ProxyConnection): number {
    const pair = this.freePairs.pop() ?? this.pairs.size;
    this.pairs.set(connection, pair);
    return pair;
  }

  private forget(connection: ProxyConnection): void {
    for (const sock of connection.socks) {
      this.closedIn += sock.bytesReceived;
      this.closedOut += sock.bytesSent;
    }
    this.open.delete(connection);
    this.ending.delete(connection);
    const pair = this.pairs.get(connection);
    if (pair !== undefined) this.freePairs.push(pair);
    this.pairs.delete(connection);
    this.next();
  }
}

/** How long `stop` waits for what was taken to be delivered. */
const DRAIN_MS = 5000;

function dial(place: ProxyPlace): Promise<Socket> {
  const target = place.path === undefined ? { host: place.host, port: place.port! } : { path: place.path };
  const socket = createConnection({ ...target, allowHalfOpen: true, noDelay: true });
  socket.pause();
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      reject(new Error(`${placeText(place)}: ${error.message}`));
    });
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}
