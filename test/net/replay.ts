/** Random scenarios as commands, and what they give on in-memory sockets: see test/kernel/driver/sockmap_replay.c. */
import { BpfError, errnoName, ErrnoError } from '../../src/errors.js';
import { TcpState } from '../../src/net/sock.js';
import type { TcpSock } from '../../src/net/tcp-sock.js';
import { Random } from '../lib/random.js';
import type { Config, Slot } from './lab.js';
import { Lab, printable, text, u32 } from './lab.js';

const SOCKS = ['a', 'b', 'c', 'd'] as const;
type SockName = (typeof SOCKS)[number];
const MAPS = { src: 'src_map', dst: 'dst_map', hash: 'dst_hash' } as const;
type MapName = keyof typeof MAPS;
const [DROP, PASS, REDIRECT] = [0, 1, 2];
const KEYS = 3;

/** Milliseconds that a read waits; longer where a part of a message may be held back by TCP. */
const WAIT = 40;
const WAIT_HELD = 300;

export interface Replayed {
  readonly commands: readonly string[];
  readonly answers: readonly string[];
}

const CFG_ORDER: readonly (keyof Config)[] = [
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
];

/** One scenario: chosen, performed and noted operation by operation, so that what is known to differ is left out. */
export class RandomScenario {
  readonly commands: string[] = [];
  readonly answers: string[] = [];
  private readonly random: Random;
  private readonly lab = new Lab();
  private readonly closed = new Set<SockName>();
  private config: Config = {};
  private verdicts: number[] = [PASS];
  private letters = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Undefined where two sockets would redirect to each other for ever. */
  run(): Replayed | undefined {
    this.lab.vm.net.maxDeliveries = 1000;
    try {
      this.begin();
      const steps = 6 + this.random.below(14);
      for (let i = 0; i < steps; i++) this.step();
      this.finish();
    } catch (error) {
      if (error instanceof BpfError && error.code === 'ERR_BPF_NET_LOOP') return undefined;
      throw error;
    }
    const { commands, answers } = this;
    return { commands, answers };
  }

  private note(command: string, answer: string): void {
    this.commands.push(command);
    this.answers.push(answer);
  }

  private begin(): void {
    const { random } = this;
    const skb: readonly (readonly Slot[])[] = [[], ['stream'], ['skb'], ['parser', 'stream'], ['parser']];
    const slots = [...random.pick(skb), ...(random.chance(60) ? (['msg'] as const) : [])];
    for (const slot of slots) this.attach(slot);
    this.configure();
    const inserted = 1 + random.below(3);
    for (let i = 0; i < inserted; i++) this.update();
  }

  private attach(slot: Slot): void {
    const failed = outcome(() => {
      this.lab.attach(slot);
    });
    this.note(`attach ${slot}`, `attach ${failed || '0'}`);
  }

  private configure(): void {
    const { random } = this;
    const number = random.below(3) + 1;
    this.verdicts = Array.from({ length: number }, () =>
      random.pick([PASS, PASS, DROP, REDIRECT, REDIRECT, 5]),
    );
    const some = (limit: number): number => (random.chance(25) ? random.below(limit) : 0);
    this.config = {
      apply: some(24),
      cork: some(40),
      key: random.below(KEYS),
      flags: random.chance(45) ? 1 : 0,
      hash: random.chance(30) ? 1 : 0,
      parserMode: random.pick([0, 0, 1, 3]),
      parserValue: random.pick([1, 3, 4, 10, 16, 25]),
      verdictPull: random.chance(20) ? random.below(12) : 0,
      ...this.edits(),
    };
    // A program that pushes at least what its verdict applies to never ends on Linux.
    const { apply, pushLen } = this.config;
    if (pushLen !== undefined && (apply ?? 0) <= pushLen) this.config = { ...this.config, apply: 0 };
    this.lab.set({ ...NOTHING, ...this.config });
    this.lab.verdict(...this.verdicts);
    const words = CFG_ORDER.map((name) => this.config[name] ?? 0);
    const verdicts = [...this.verdicts, ...Array<number>(16 - this.verdicts.length).fill(0)];
    const { parserMode, parserValue, verdictPull } = this.config;
    const all = [
      ...words,
      this.verdicts.length,
      ...verdicts,
      parserMode ?? 0,
      parserValue ?? 0,
      verdictPull ?? 0,
    ];
    this.note(`cfg ${all.join(' ')}`, 'cfg 0');
  }

  /** Pull, push and pop, at most one of them. */
  private edits(): Config {
    const { random } = this;
    const start = random.below(20);
    const length = random.below(12);
    switch (random.below(8)) {
      case 0:
        return { pull: 1, pullStart: start, pullEnd: start + length };
      case 1:
        return { push: 1, pushStart: start, pushLen: length };
      case 2:
        return { pop: 1, popStart: start, popLen: length };
      default:
        return {};
    }
  }

  private step(): void {
    const { random } = this;
    const kind = random.below(100);
    if (kind < 38) this.send();
    else if (kind < 62) this.receive(this.anySock());
    else if (kind < 74) this.update();
    else if (kind < 80) this.remove();
    else if (kind < 85) this.fionread();
    else if (kind < 91) this.configure();
    else if (kind < 94) this.attach(random.pick(['msg', 'stream', 'skb', 'parser']));
    else if (kind < 97) this.end('shut');
    else this.end('close');
  }

  private finish(): void {
    for (const name of SOCKS) for (let i = 0; i < 2; i++) this.receive(name, 65_536);
    for (const name of SOCKS) this.error(name);
    this.runs();
  }

  private sock(name: SockName): TcpSock {
    return this.lab[name];
  }

  private anySock(): SockName {
    return this.random.pick(SOCKS);
  }

  private update(): void {
    const map = this.random.pick<MapName>(['src', 'src', 'dst', 'dst', 'hash']);
    const name = this.anySock();
    const key = this.random.below(KEYS);
    const flags = this.random.pick([0, 0, 0, 1, 2]);
    if (this.closed.has(name) || !this.mayLeave()) return;
    const failed = outcome(() => {
      this.lab.map(MAPS[map]).updateSock(u32(key), this.sock(name), flags);
    });
    this.lab.vm.net.settle();
    this.note(`upd ${map} ${key} ${name} ${flags}`, `upd ${failed || '0'}`);
  }

  private remove(): void {
    const map = this.random.pick<MapName>(['src', 'dst', 'hash']);
    const key = this.random.below(KEYS);
    if (!this.mayLeave()) return;
    const failed = outcome(() => {
      this.lab.map(MAPS[map]).deleteElem(u32(key));
    });
    this.lab.vm.net.settle();
    this.note(`del ${map} ${key}`, `del ${failed || '0'}`);
  }

  /** The kernel's sockets get stuck when they leave a map with unread data. */
  private mayLeave(): boolean {
    return SOCKS.every((name) => {
      const { psock } = this.sock(name);
      return psock === null || psock.ingress.length + psock.pending.length === 0;
    });
  }

  private send(): void {
    const name = this.anySock();
    const length = 1 + this.random.below(40);
    if (this.closed.has(name)) return;
    const data = Array.from({ length }, () => String.fromCharCode(97 + (this.letters++ % 26))).join('');
    const sent = this.sock(name).send(text(data));
    this.lab.vm.net.settle();
    this.note(`send ${name} ${length}`, `send ${sent < 0 ? errnoName(sent) : sent}`);
  }

  private receive(name: SockName, fixed?: number): void {
    if (this.closed.has(name)) return;
    // A buffer that was read in part and is judged later is judged, and delivered, as a whole by the kernel.
    const partly = this.sock(name).psock?.filtersRecv === true;
    const length = fixed ?? (partly ? this.random.pick([3, 10, 65_536]) : 65_536);
    const got = this.sock(name).recv(length);
    this.lab.vm.net.settle();
    const wait = (this.config.apply ?? 0) > 0 ? WAIT_HELD : WAIT;
    const answer =
      typeof got === 'number' ? errnoName(got) : got.length === 0 ? '0' : `${got.length} "${printable(got)}"`;
    this.note(`recv ${name} ${length} ${wait}`, `recv ${answer}`);
  }

  private fionread(): void {
    const name = this.anySock();
    const { psock } = this.sock(name);
    // Some kernels forget the socket's own queue in a map without a verdict program.
    if (this.closed.has(name) || psock?.filtersRecv === false) return;
    this.note(`fion ${name}`, `fion ${this.sock(name).fionread()}`);
  }

  private error(name: SockName): void {
    if (this.closed.has(name)) return;
    this.note(`err ${name}`, `err ${this.sock(name).takeError()}`);
  }

  /** Ends a stream, unless a program might redirect its end, which the kernel does not survive well. */
  private end(verb: 'shut' | 'close'): void {
    const name = this.anySock();
    if (this.closed.has(name) || this.verdicts.includes(REDIRECT) || !this.mayLeave()) return;
    const sock = this.sock(name);
    if (verb === 'close') {
      this.closed.add(name);
      sock.close();
      this.note(`close ${name}`, 'close 0');
    } else if (sock.state === TcpState.ESTABLISHED || sock.state === TcpState.CLOSE_WAIT) {
      const result = sock.shutdown(1);
      this.note(`shut ${name} 1`, `shut ${result < 0 ? errnoName(result) : result}`);
    }
    this.lab.vm.net.settle();
  }

  private runs(): void {
    const events = this.lab
      .events()
      .map(
        ({ prog, size, apply, cork, pull, push, pop, ret }) =>
          ` {${prog} size=${size} apply=${apply} cork=${cork} pull=${pull} push=${push} pop=${pop} ret=${ret}}`,
      );
    this.note('runs', `runs ${events.length}${events.join('')}`);
  }
}

const NOTHING: Config = { pull: 0, push: 0, pop: 0 };

function outcome(action: () => void): string {
  try {
    action();
    return '';
  } catch (error) {
    if (error instanceof ErrnoError) return errnoName(error.errno);
    throw error;
  }
}
