/** The report of a run: one structure, printed for people or as JSON. */
import { bold, dim } from './output.js';

export interface MapReport {
  readonly name: string;
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** Sockets in it, for socket maps. */
  readonly sockets?: number;
}

export interface ProgramReport {
  readonly object: string;
  readonly name: string;
  readonly section: string;
  readonly type: string;
  readonly attachType: string | null;
  readonly map: string | null;
  readonly runs: number;
  readonly nsPerRun: number | null;
  readonly verdicts: { readonly pass: number; readonly drop: number } | null;
  /** Value of r0 -> how often. */
  readonly returns: Readonly<Record<string, number>>;
  /** Why the program is not attached. */
  readonly note?: string;
}

export interface SocketReport {
  readonly key: string;
  readonly local: string;
  readonly remote: string;
  /** Bytes that the socket's owner wrote and read, and its peer likewise. */
  readonly sent: number;
  readonly received: number;
  readonly peerSent: number;
  readonly peerReceived: number;
}

export interface SendReport {
  /** `peer of 0` or `socket 0`. */
  readonly from: string;
  readonly bytes: number;
  readonly text: string;
  /** Errno name where the send failed. */
  readonly error?: string;
  readonly arrived: readonly ArrivalReport[];
}

export interface ArrivalReport {
  readonly at: string;
  readonly bytes: number;
  readonly text: string;
}

export interface RunReport {
  readonly objects: readonly string[];
  readonly maps: readonly MapReport[];
  readonly programs: readonly ProgramReport[];
  readonly sockets: readonly SocketReport[];
  readonly sends: readonly SendReport[];
  readonly globals: Readonly<Record<string, string>>;
  readonly printk: readonly string[];
}

const MAX_TEXT = 64;

/** Payload for people: quoted text where it is printable, hex where not, shortened. */
export function preview(bytes: Uint8Array): string {
  const head = bytes.subarray(0, MAX_TEXT);
  const isText = head.every(
    (byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 9,
  );
  const text = isText ? JSON.stringify(String.fromCharCode(...head)) : Buffer.from(head).toString('hex');
  return bytes.length > MAX_TEXT ? `${text}...` : text;
}

/** Columns padded to their widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  return rows.map((row) => `  ${row.map((cell, index) => cell.padEnd(widths[index])).join('  ')}`.trimEnd());
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;

function programLine(program: ProgramReport): string[] {
  const place =
    program.map === null ? (program.note ?? 'not attached') : `${program.attachType} of ${program.map}`;
  const verdicts =
    program.verdicts === null ? '' : `${program.verdicts.pass} pass, ${program.verdicts.drop} drop`;
  // A few runs of cold code say nothing about its speed.
  const time = program.nsPerRun === null || program.runs < 100 ? '' : `${program.nsPerRun} ns/run`;
  return [program.name, program.type, place, count(program.runs, 'run'), verdicts, time];
}

function sendLines(send: SendReport): string[] {
  const head = `  ${send.from} sends ${send.text} ${dim(`(${count(send.bytes, 'byte')})`)}`;
  const outcomes = send.arrived.map(
    (arrival) => `${arrival.at} receives ${arrival.text} ${dim(`(${count(arrival.bytes, 'byte')})`)}`,
  );
  if (send.error !== undefined) outcomes.push(`the send fails: ${send.error}`);
  if (outcomes.length === 0) outcomes.push('nothing arrives');
  return outcomes.map((outcome, index) => `${index === 0 ? head : '   '} -> ${outcome}`);
}

/** The report for people. */
export function renderReport(report: RunReport): string {
  const lines = [
    bold('maps'),
    ...table(
      report.maps.map((map) => [
        map.name,
        map.type,
        `key ${map.keySize}, value ${map.valueSize}, max_entries ${map.maxEntries}`,
        map.sockets === undefined ? '' : count(map.sockets, 'socket'),
      ]),
    ),
    bold('traffic'),
    ...report.sends.flatMap(sendLines),
    bold('programs'),
    ...table(report.programs.map(programLine)),
    bold('sockets'),
    ...table([
      ['key', 'local', 'remote', 'sent', 'received', 'peer sent', 'peer received'],
      ...report.sockets.map((socket) => [
        socket.key,
        socket.local,
        socket.remote,
        ...[socket.sent, socket.received, socket.peerSent, socket.peerReceived].map(String),
      ]),
    ]),
  ];
  const globals = Object.entries(report.globals);
  if (globals.length > 0)
    lines.push(bold('globals'), ...table(globals.map(([name, value]) => [name, value])));
  return `${lines.join('\n')}\n`;
}
