/**
 * Four TCP sockets, a <-> b and c <-> d, the programs of scenario.bpf.c and a transcript in the form in which the
 * kernel's behaviour was recorded (test/golden/sockmap).
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { linkCreate, progAttach, progDetach } from '../../src/attach.js';
import { BpfVm } from '../../src/bpf-vm.js';
import type { EngineName } from '../../src/bpf-vm.js';
import { errnoName, ErrnoError } from '../../src/errors.js';
import type { SockMapBase } from '../../src/maps/sock-map.js';
import type { NetSock } from '../../src/net/sock.js';
import { MSG_MORE, POLLERR, POLLHUP, POLLIN } from '../../src/net/sock.js';
import type { TcpSock } from '../../src/net/tcp-sock.js';
import type { BpfObject } from '../../src/object.js';
import { AttachType } from '../../src/progs/prog-types.js';

const OBJECT = readFileSync(fileURLToPath(new URL('../programs/scenario.bpf.o', import.meta.url)));

/** Fields of `cfg` in scenario.bpf.c, in order; each is an int. */
const CFG = [
  'apply',
  'cork',
  'pull',
  'pullStart',
  'pullEnd',
  'push',
  'pushStart',
  'pushLen',
  'pop',
  'popStart',
  'popLen',
  'key',
  'flags',
  'hash',
] as const;
const CFG_TAIL = {
  verdictCount: 56,
  verdicts: 60,
  parserMode: 124,
  parserValue: 128,
  verdictPull: 132,
} as const;

export type Config = Partial<
  Record<(typeof CFG)[number] | 'parserMode' | 'parserValue' | 'verdictPull', number>
>;

const EVENT_INTS = 12;
const PROGS = ['?', 'msg', 'parser', 'sverdict', 'kverdict'];

/** One run of a program. */
export interface ProgEvent {
  readonly prog: string;
  readonly size: number;
  readonly dlen: number;
  readonly apply: number;
  readonly cork: number;
  readonly pull: number;
  readonly push: number;
  readonly pop: number;
  readonly dlen2: number;
  readonly ret: number;
}

export type Slot = 'msg' | 'parser' | 'stream' | 'skb';

const PROGRAMS: Readonly<Record<Slot, [program: string, type: AttachType]>> = {
  msg: ['msg_prog', AttachType.SkMsgVerdict],
  parser: ['parser', AttachType.SkSkbStreamParser],
  stream: ['stream_verdict', AttachType.SkSkbStreamVerdict],
  skb: ['skb_verdict', AttachType.SkSkbVerdict],
};

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** `0`, or the name of the errno. */
const outcome = (action: () => void): string => {
  try {
    action();
    return '';
  } catch (error) {
    if (error instanceof ErrnoError) return errnoName(error.errno);
    throw error;
  }
};

/** Every scenario runs on both. */
export const ENGINES: readonly EngineName[] = ['interpreter', 'wasm'];

export class Lab {
  readonly vm: BpfVm;
  readonly object: BpfObject;
  readonly lines: string[] = [];
  a: TcpSock;
  b: TcpSock;
  c: TcpSock;
  d: TcpSock;
  private config: Config = {};
  private verdicts: readonly number[] = [];
  private freed = false;

  constructor(engine: EngineName = 'auto') {
    this.vm = new BpfVm({ engine });
    this.object = this.vm.load(OBJECT, { name: 'scenario.bpf.o' });
    [this.a, this.b] = this.vm.net.tcpPair();
    [this.c, this.d] = this.vm.net.tcpPair();
  }

  map(name: 'src_map' | 'dst_map' | 'dst_hash'): SockMapBase {
    return this.object.map(name) as SockMapBase;
  }

  nameOf(sock: NetSock): string {
    const names = new Map<NetSock, string>([
      [this.a, 'a'],
      [this.b, 'b'],
      [this.c, 'c'],
      [this.d, 'd'],
    ]);
    return names.get(sock) ?? '?';
  }

  say(line: string): void {
    this.lines.push(line);
  }

  // Programs.

  attach(...slots: Slot[]): void {
    for (const slot of slots) {
      const [program, type] = PROGRAMS[slot];
      progAttach(this.object.program(program), this.map('src_map'), type);
    }
  }

  detach(slot: Slot): void {
    const [program, type] = PROGRAMS[slot];
    progDetach(this.object.program(program), this.map('src_map'), type);
    this.say('detach=0');
  }

  link(slot: Slot): ReturnType<typeof linkCreate> {
    const [program, type] = PROGRAMS[slot];
    return linkCreate(this.object.program(program), this.map('src_map'), type);
  }

  set(config: Config): void {
    this.config = { ...this.config, ...config };
    this.writeConfig();
  }

  /** 2 redirects, others are returned; the last one holds for all later runs. */
  verdict(...verdicts: number[]): void {
    this.verdicts = verdicts;
    this.writeConfig();
  }

  private global(name: string): { view: DataView; at: number } {
    const global = this.object.spec.globals.find((candidate) => candidate.name === name)!;
    const at = this.object.map(global.map).directValueAddress() + global.offset;
    return { view: this.vm.memory.view, at };
  }

  private writeConfig(): void {
    const { view, at } = this.global('cfg');
    CFG.forEach((name, index) => {
      view.setInt32(at + 4 * index, this.config[name] ?? 0, true);
    });
    view.setInt32(at + CFG_TAIL.verdictCount, this.verdicts.length, true);
    this.verdicts.forEach((value, index) => {
      view.setInt32(at + CFG_TAIL.verdicts + 4 * index, value, true);
    });
    view.setInt32(at + CFG_TAIL.parserMode, this.config.parserMode ?? 0, true);
    view.setInt32(at + CFG_TAIL.parserValue, this.config.parserValue ?? 0, true);
    view.setInt32(at + CFG_TAIL.verdictPull, this.config.verdictPull ?? 0, true);
  }

  get runs(): number {
    const { view, at } = this.global('nev');
    return view.getUint32(at, true);
  }

  /** Forgets the runs so far; the next one takes the first verdict. */
  resetRuns(): void {
    for (const name of ['nev', 'nrun']) {
      const { view, at } = this.global(name);
      view.setUint32(at, 0, true);
    }
  }

  events(): ProgEvent[] {
    const { view, at } = this.global('evs');
    return Array.from({ length: this.runs }, (_, index) => {
      const int = (field: number): number => view.getInt32(at + 4 * (EVENT_INTS * index + field), true);
      return {
        prog: PROGS[int(0)],
        size: int(1) >>> 0,
        dlen: int(2) >>> 0,
        apply: int(3),
        cork: int(4),
        pull: int(5),
        push: int(6),
        pop: int(7),
        dlen2: int(8) >>> 0,
        ret: int(9),
      };
    });
  }

  trace(): void {
    const { apply, cork, pull, push, pop, verdictPull } = this.config;
    const on = (value: number | undefined): boolean => (value ?? 0) !== 0;
    const runs = this.events()
      .slice(0, 24)
      .map((event) => {
        let line = ` {${event.prog} size=${event.size} dlen=${event.dlen}`;
        if (on(apply)) line += ` apply=${event.apply}`;
        if (on(cork)) line += ` cork=${event.cork}`;
        if (on(pull) || on(verdictPull)) line += ` pull=${event.pull} dlen2=${event.dlen2}`;
        if (on(push)) line += ` push=${event.push}`;
        if (on(pop)) line += ` pop=${event.pop}`;
        return `${line} ret=${event.ret}}`;
      });
    this.say(`prog runs ${this.runs}:${runs.join('')}`);
  }

  // Maps.

  update(map: 'src' | 'dst', key: number, sock: NetSock): void {
    const failed = outcome(() => {
      this.map(`${map}_map`).updateSock(u32(key), sock);
    });
    this.say(`update(${map}[${key}]=${this.nameOf(sock)}) ${failed === '' ? 'ok' : failed}`);
  }

  lookup(map: 'src' | 'dst', key: number): string {
    return outcome(() => this.map(`${map}_map`).lookupElem(u32(key))) || 'ok';
  }

  remove(map: 'src' | 'dst', key: number): void {
    this.map(`${map}_map`).deleteElem(u32(key));
    this.vm.net.run();
  }

  // Sockets.

  send(sock: NetSock, data: Uint8Array | string, flags = 0): void {
    const bytes = typeof data === 'string' ? text(data) : data;
    const sent = sock.send(bytes, flags);
    const more = (flags & MSG_MORE) !== 0 ? ',MSG_MORE' : '';
    const failed = sent < 0 ? ` ${errnoName(sent)}` : '';
    this.say(`send(${this.nameOf(sock)},${bytes.length}${more}) = ${sent < 0 ? -1 : sent}${failed}`);
  }

  /** Reads until there is nothing more, as poll and recv of 64 KiB do. */
  recv(sock: NetSock): void {
    let line = `recv(${this.nameOf(sock)}):`;
    let total = 0;
    sock.poll();
    // The loop of the recording left the kernel's workers no time.
    this.vm.net.hurried = true;
    for (let calls = 1; ; calls++) {
      const events = sock.poll() & (POLLIN | POLLERR | POLLHUP);
      if (events === 0) break;
      const got = sock.recv(65536);
      if (typeof got !== 'number' && got.length > 0) {
        total += got.length;
        line += got.length <= 48 ? ` ${got.length}:"${printable(got)}"` : ` ${got.length}`;
        continue;
      }
      const [count, failed] = typeof got === 'number' ? [-1, ` ${errnoName(got)}`] : [0, ''];
      line += ` [${count}${failed} revents=${events.toString(16)}]`;
      if (calls > 3 || count === 0 || failed !== ' EAGAIN') break;
    }
    this.vm.net.hurried = false;
    this.say(`${line}  (total ${total})`);
  }

  fionread(sock: NetSock): void {
    const bytes = sock.fionread();
    this.say(`FIONREAD(${this.nameOf(sock)})=${bytes < 0 ? `-1${errnoName(bytes)}` : bytes}`);
  }

  soError(sock: NetSock, named = true): void {
    const errno = sock.takeError();
    const suffix = errno === 0 ? ' ' : ` ${errnoName(errno)}`;
    this.say(named ? `SO_ERROR(${this.nameOf(sock)})=${errno}${suffix}` : `SO_ERROR=${errno}`);
  }

  close(sock: NetSock): void {
    sock.close();
  }

  /** Frees the object's maps, as closing its last descriptors does. */
  free(): void {
    if (this.freed) return;
    this.freed = true;
    for (const map of this.object.maps.values()) this.vm.destroyMap(map);
  }
}

export function printable(bytes: Uint8Array): string {
  return [...bytes].map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
}
