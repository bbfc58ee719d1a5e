/** A run on in-memory sockets: one peer each, a few messages, and what arrived where. */
import { Errno, errnoName, ErrnoError, UsageError } from '../errors.js';
import type { BpfMap } from '../maps/map.js';
import { mapTypeName } from '../maps/map-types.js';
import { SockMapBase } from '../maps/sock-map.js';
import { AF_INET } from '../net/sock.js';
import type { TcpSock } from '../net/tcp-sock.js';
import { AttachType } from '../progs/prog-types.js';
import { readFile } from './load-objects.js';
import type { RunSetup } from './run-command.js';
import { placeOf } from './run-command.js';
import type { RunOptions } from './run.js';
import type {
  ArrivalReport,
  MapReport,
  ProgramReport,
  RunReport,
  SendReport,
  SocketReport,
} from './run-report.js';
import { preview } from './run-report.js';
import { compileKeyTemplate } from './socket-keys.js';
import { allGlobals } from './globals.js';

/** Local ports of the sockets in the map are this plus their number, those of their peers PEER_PORT plus it. */
const LOCAL_PORT = 10_000;
const PEER_PORT = 20_000;
const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const CHUNK = 1 << 16;
const DEFAULT_SOCKETS = 2;

/** A socket in the map and the other end of its connection. */
interface Pair {
  readonly index: number;
  readonly sock: TcpSock;
  readonly peer: TcpSock;
  sent: number;
  received: number;
  peerSent: number;
  peerReceived: number;
}

interface Send {
  readonly index: number;
  readonly from: 'sock' | 'peer';
  readonly bytes: Uint8Array;
}

export function runInMemory(setup: RunSetup, options: RunOptions): RunReport {
  const smallest = Math.min(...setup.maps.map((map) => map.spec.maxEntries));
  const pairs = makePairs(setup, options.sockets ?? Math.min(DEFAULT_SOCKETS, smallest));
  for (const map of setup.maps) insert(map, pairs, options.key);
  const sends = planSends(setup, options, pairs).map((send) => perform(send, pairs));
  const report: RunReport = {
    objects: setup.objects.map((object) => object.name),
    maps: setup.objects.flatMap((object) => [...object.maps.values()].map(describeMap)),
    programs: describePrograms(setup),
    sockets: pairs.map(describePair),
    sends,
    globals: allGlobals(setup.objects),
    printk: setup.printk,
  };
  for (const { sock, peer } of pairs) {
    sock.close();
    peer.close();
  }
  return report;
}

function makePairs(setup: RunSetup, count: number): Pair[] {
  return Array.from({ length: count }, (_, index) => {
    const local = { ip: LOOPBACK, port: LOCAL_PORT + index };
    const remote = { ip: LOOPBACK, port: PEER_PORT + index };
    const [peer, sock] = setup.vm.net.tcpPair(AF_INET, { client: remote, server: local });
    return { index, sock, peer, sent: 0, received: 0, peerSent: 0, peerReceived: 0 };
  });
}

/** Puts every socket at its key; one that a sock_ops program has put into the map already stays where it is. */
function insert(map: BpfMap, pairs: readonly Pair[], template: string | undefined): void {
  if (!(map instanceof SockMapBase)) return;
  const keyOf = compileKeyTemplate(template, map.spec.keySize);
  const inside = new Set([...map.entries()].map(([, sock]) => sock));
  for (const { index, sock } of pairs) {
    if (inside.has(sock)) continue;
    const key = keyOf({
      index,
      localIp4: sock.localIp,
      remoteIp4: sock.remoteIp,
      localPort: sock.localPort,
      remotePort: sock.remotePort,
    });
    try {
      map.updateSock(key, sock);
    } catch (error) {
      if (!(error instanceof ErrnoError) || error.errno !== Errno.E2BIG) throw error;
      throw new UsageError('ERR_BPF_USAGE_SOCKETS', `socket ${index} does not fit: ${error.message}`, {
        hint: `map ${map.name} holds ${map.spec.maxEntries}; --sockets takes fewer`,
        cause: error,
      });
    }
  }
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What --send and --input say, else a greeting on every socket. */
function planSends(setup: RunSetup, options: RunOptions, pairs: readonly Pair[]): Send[] {
  const attached = new Set(setup.plan.attachments.map((attachment) => attachment.attachType));
  const runsOnSend = attached.has(AttachType.SkMsgVerdict);
  const runsOnReceive = [...attached].some((type) => type !== AttachType.SkMsgVerdict);
  // A message program runs where its socket sends, the others where their socket receives.
  const usual = runsOnSend && !runsOnReceive ? 'sock' : 'peer';
  const sends = options.send.map((text) => parseSend(text, usual, pairs.length));
  if (options.input !== undefined) sends.push({ index: 0, from: usual, bytes: readFile(options.input) });
  if (sends.length > 0) return sends;
  const ways: readonly Send['from'][] = runsOnSend && runsOnReceive ? ['peer', 'sock'] : [usual];
  return pairs.flatMap(({ index }) =>
    ways.map((from) => ({ index, from, bytes: encode(`hello from ${nameOf(index, from)}`) })),
  );
}

function nameOf(index: number, from: Send['from']): string {
  return from === 'peer' ? `peer of ${index}` : `socket ${index}`;
}

function parseSend(text: string, usual: Send['from'], sockets: number): Send {
  const match = /^(in:|out:)?(\d+)=(.*)$/s.exec(text);
  if (match === null || Number(match[2]) >= sockets) {
    throw new UsageError('ERR_BPF_USAGE_SEND', `--send ${text}`, {
      hint: `the form is KEY=TEXT, in:KEY=TEXT or out:KEY=TEXT with a key from 0 to ${sockets - 1}`,
    });
  }
  const [, way, key, body] = match;
  const from = way === 'in:' ? 'peer' : way === 'out:' ? 'sock' : usual;
  return { index: Number(key), from, bytes: encode(body) };
}

/** Sends in pieces that buffers hold, and reads everywhere after each. */
function perform(send: Send, pairs: readonly Pair[]): SendReport {
  const pair = pairs[send.index];
  const source = send.from === 'sock' ? pair.sock : pair.peer;
  const arrived = new Map<string, Uint8Array[]>();
  let done = 0;
  let error: string | undefined;
  do {
    const result = source.send(send.bytes.subarray(done, done + CHUNK));
    if (result < 0) error = errnoName(result);
    else done += result;
    collect(pairs, arrived);
  } while (error === undefined && done < send.bytes.length);
  if (send.from === 'sock') pair.sent += done;
  else pair.peerSent += done;
  return {
    from: nameOf(send.index, send.from),
    bytes: send.bytes.length,
    text: preview(send.bytes),
    ...(error === undefined ? {} : { error }),
    arrived: [...arrived].map(([at, parts]) => describeArrival(at, parts)),
  };
}

function describeArrival(at: string, parts: readonly Uint8Array[]): ArrivalReport {
  const bytes = new Uint8Array(Buffer.concat(parts));
  return { at, bytes: bytes.length, text: preview(bytes) };
}

function collect(pairs: readonly Pair[], arrived: Map<string, Uint8Array[]>): void {
  for (const pair of pairs) {
    for (const from of ['sock', 'peer'] as const) {
      for (;;) {
        const got = pair[from].recv(CHUNK);
        if (typeof got === 'number' || got.length === 0) break;
        const at = nameOf(pair.index, from);
        const parts = arrived.get(at);
        if (parts === undefined) arrived.set(at, [got]);
        else parts.push(got);
        if (from === 'sock') pair.received += got.length;
        else pair.peerReceived += got.length;
      }
    }
  }
}

function describeMap(map: BpfMap): MapReport {
  const { keySize, valueSize, maxEntries } = map.spec;
  return {
    name: map.name,
    type: mapTypeName(map.type),
    keySize,
    valueSize,
    maxEntries,
    ...(map instanceof SockMapBase ? { sockets: map.count } : {}),
  };
}

function describePrograms(setup: RunSetup): ProgramReport[] {
  return setup.objects.flatMap((object) =>
    [...object.programs.values()].map((program) => {
      const place = placeOf(setup.plan, program.id);
      const note = setup.plan.left.find((left) => left.program === program)?.reason;
      const { runs, runTimeNs, returns } = program.stats;
      const isVerdict = place !== undefined && place.attachType !== 'sk_skb_stream_parser';
      const pass = returns.get(1) ?? 0;
      return {
        object: object.name,
        name: program.name,
        section: program.section,
        type: program.typeName,
        attachType: place?.attachType ?? null,
        map: place?.map ?? null,
        runs,
        nsPerRun: runs === 0 ? null : Math.round(runTimeNs / runs),
        verdicts: isVerdict ? { pass, drop: runs - pass } : null,
        returns: Object.fromEntries(returns),
        ...(note === undefined ? {} : { note }),
      };
    }),
  );
}

function describePair(pair: Pair): SocketReport {
  const { sock } = pair;
  const address = (ip: Uint8Array, port: number): string => `${ip.join('.')}:${port}`;
  return {
    key: String(pair.index),
    local: address(sock.localIp, sock.localPort),
    remote: address(sock.remoteIp, sock.remotePort),
    sent: pair.sent,
    received: pair.received,
    peerSent: pair.peerSent,
    peerReceived: pair.peerReceived,
  };
}
