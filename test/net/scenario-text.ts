/** Runs the `scenario` blocks of docs/sockmap.md: an operation a line, with what it gives behind `->`. */
import { errnoName, ErrnoError } from '../../src/errors.js';
import { SHUT_RD, SHUT_RDWR, SHUT_WR } from '../../src/net/sock.js';
import type { TcpSock } from '../../src/net/tcp-sock.js';
import type { Config, Lab, Slot } from './lab.js';
import { printable, text, u32 } from './lab.js';

const VERDICTS: Readonly<Record<string, number>> = { DROP: 0, PASS: 1, REDIRECT: 2 };
const PROG_NAMES: Readonly<Record<string, string>> = { sverdict: 'stream', kverdict: 'skb' };
const HOW: Readonly<Record<string, number>> = { read: SHUT_RD, write: SHUT_WR, both: SHUT_RDWR };
const MAPS = { src: 'src_map', dst: 'dst_map', hash: 'dst_hash' } as const;

const count = (result: number): string => (result < 0 ? errnoName(result) : String(result));

function outcome(action: () => unknown): string {
  try {
    action();
    return 'ok';
  } catch (error) {
    if (error instanceof ErrnoError) return errnoName(error.errno);
    throw error;
  }
}

const sockOf = (lab: Lab, name: string): TcpSock => lab[name as 'a' | 'b' | 'c' | 'd'];

/** `src[0]`: its map and key. */
function entryOf(lab: Lab, place: string): { map: ReturnType<Lab['map']>; key: Uint8Array } {
  const match = /^(src|dst|hash)\[(\d+)\]$/.exec(place);
  if (match === null) throw new Error(`no entry of a map: ${place}`);
  return { map: lab.map(MAPS[match[1] as keyof typeof MAPS]), key: u32(Number(match[2])) };
}

function read(lab: Lab, name: string): string {
  const got = sockOf(lab, name).recv(65_536);
  if (typeof got === 'number') return errnoName(got);
  return got.length === 0 ? 'EOF' : `"${printable(got)}"`;
}

function runs(lab: Lab): string {
  return lab
    .events()
    .map(({ prog, size }) => `${PROG_NAMES[prog] ?? prog} ${size}`)
    .join(', ');
}

/** Performs one operation; what it gives, or nothing where there is nothing to give. */
function perform(lab: Lab, operation: string): string | undefined {
  const update = /^(\S+) = ([a-d])$/.exec(operation);
  if (update !== null) {
    const { map, key } = entryOf(lab, update[1]);
    return outcome(() => {
      map.updateSock(key, sockOf(lab, update[2]));
    });
  }
  const [verb, ...args] = operation.split(' ');
  switch (verb) {
    case 'attach':
      lab.attach(...(args as Slot[]));
      return undefined;
    case 'detach':
      lab.detach(args[0] as Slot);
      return undefined;
    case 'verdicts':
      lab.verdict(...args.map((name) => VERDICTS[name] ?? Number(name)));
      return undefined;
    case 'set':
      lab.set(
        Object.fromEntries(args.map((arg) => arg.split('=')).map(([k, v]) => [k, Number(v)])) as Config,
      );
      return undefined;
    case 'delete':
      lab.remove(args[0].startsWith('src') ? 'src' : 'dst', Number(/\d+/.exec(args[0])![0]));
      return undefined;
    case 'lookup': {
      const { map, key } = entryOf(lab, args[0]);
      return outcome(() => map.lookupElem(key));
    }
    case 'send':
      return count(sockOf(lab, args[0]).send(text(/"(.*)"/.exec(operation)![1])));
    case 'recv':
      return read(lab, args[0]);
    case 'fionread':
      return count(sockOf(lab, args[0]).fionread());
    case 'error':
      return errnoName(sockOf(lab, args[0]).takeError());
    case 'close':
      sockOf(lab, args[0]).close();
      return undefined;
    case 'shutdown':
      sockOf(lab, args[0]).shutdown(HOW[args[1]]);
      return undefined;
    case 'runs':
      return runs(lab);
    default:
      throw new Error(`no operation: ${operation}`);
  }
}

/** The scenario with the results that it really gives. */
export function runScenario(lab: Lab, lines: readonly string[]): string[] {
  return lines.map((line) => {
    const [operation] = line.split(/ ->(?: |$)/);
    const result = perform(lab, operation);
    if (result === undefined) return operation;
    return result === '' ? `${operation} ->` : `${operation} -> ${result}`;
  });
}
