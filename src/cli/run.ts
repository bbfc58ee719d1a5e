/** `bpfvm run`: loads objects, attaches their programs to a socket map, puts sockets into it and moves bytes. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { CliIo, GlobalOptions } from './output.js';

export interface RunOptions extends GlobalOptions {
  readonly map: readonly string[];
  readonly prog: readonly string[];
  readonly attach: readonly string[];
  readonly sockets?: number;
  readonly input?: string;
  readonly send: readonly string[];
  readonly listen: readonly string[];
  readonly connect: readonly string[];
  readonly pair?: boolean;
  readonly stats?: string;
  readonly verify: boolean;
  readonly engine: 'auto' | 'interpreter' | 'wasm';
  readonly key?: string;
  readonly target?: string;
}

const collect = (value: string, all: readonly string[]): string[] => [...all, value];

const EXAMPLES = `
Examples:
  bpfvm run redirect.bpf.o --map sockmap                 two in-memory sockets and a built-in sample
  bpfvm run redirect.bpf.o --map sockmap --send 0=hello  one message, to the socket at key 0
  bpfvm run parse.o verdict.o --attach parse.o:prog1=sk_skb_stream_parser@map_rx \\
                              --attach verdict.o:prog2=sk_skb_stream_verdict@map_rx --map map_rx`;

export function addRunCommand(program: Command, io: CliIo): void {
  program
    .command('run')
    .description('attach sk_skb and sk_msg programs to a socket map and move bytes through its sockets')
    .argument('<object...>', 'BPF object files')
    .option('--map <name|type>', 'the map that gets the sockets and programs; may be repeated', collect, [])
    .option('--prog <name>', 'load only this program; may be repeated', collect, [])
    .option('--attach <[file:]prog=type@map>', 'attach a program, whatever its section says', collect, [])
    .option(
      '--sockets <n>',
      'in-memory sockets, at keys 0 to n-1 (default 2, or what the map holds)',
      positive,
    )
    .option('--key <template>', 'key of a socket: index, tuple, or fields such as remote_ip4,remote_port')
    .option('--input <file>', 'send this file (- is stdin) to the socket at key 0')
    .option(
      '--send <key=text>',
      'send text on one socket; in:KEY from its peer, out:KEY by itself',
      collect,
      [],
    )
    .option(
      '--listen <key=addr>',
      'accept connections and put them at the key: 0=127.0.0.1:8000',
      collect,
      [],
    )
    .option('--connect <key=addr>', 'connect and put the socket at the key: 1=127.0.0.1:9000', collect, [])
    .option('--pair', 'keys 2n and 2n+1 for the nth accepted connection, instead of one connection at a time')
    .option('--stats <format>', 'json: one line a second')
    .option('--no-verify', 'check the structure of programs only, and every access as they run')
    .option('--engine <name>', 'auto, interpreter or wasm', 'auto')
    .option('--target <file>', 'BTF file that CO-RE relocates against (default: that of the running kernel)')
    .addHelpText('after', EXAMPLES)
    .action(async (objects: readonly string[], _options: unknown, command: Command) => {
      const { runCommand } = await import('./run-command.js');
      await runCommand(objects, command.optsWithGlobals<RunOptions>(), io);
    });
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= 10_000) return value;
  throw new InvalidArgumentError('a number from 1 to 10000 is wanted');
}
