/** `bpfvm exec`: one program on given bytes (BPF_PROG_TEST_RUN). */
import type { Command } from 'commander';
import type { BpfVm } from '../bpf-vm.js';
import type { BpfObject } from '../object.js';
import type { BpfProgram } from '../program.js';
import type { TestRunResult } from '../test-run.js';
import type { AddCommand } from './main.js';
import type { CliIo, GlobalOptions } from './output.js';
import { bold, dim, printJson } from './output.js';

interface ExecOptions {
  readonly prog?: string;
  readonly dataIn?: string;
  readonly dataHex?: string;
  readonly ctxIn?: string;
  readonly dataOut?: string;
  readonly ctxOut?: string;
  readonly repeat: string;
  readonly cpu: string;
  readonly cpus: string;
  readonly engine: 'auto' | 'interpreter' | 'wasm';
  readonly verify: boolean;
  readonly btf?: string;
  readonly saveMaps?: string;
}

const HELP = `
The packet starts with its Ethernet header, also for programs that do not see it. With --json:
{program, type, retval, dataOut, ctxOut, durationNs, printk}, bytes as hex.

  bpfvm exec filter.bpf.o --prog drop_all --data-in packet.bin
  bpfvm exec xdp.bpf.o --prog parse --data-hex "$(xxd -p packet.bin)" --repeat 1000000
  bpfvm exec count.bpf.o --data-in - --save-maps maps.json && bpfvm map dump --maps maps.json counters`;

export const addExec: AddCommand = (program, io) => {
  program
    .command('exec')
    .description('run one program on a packet or context, as BPF_PROG_TEST_RUN does')
    .argument('<object>', 'object file; - for standard input')
    .option('--prog <name>', 'program; needed where the object has several')
    .option('--data-in <file>', 'packet; - for standard input')
    .option('--data-hex <hex>', 'packet as hex')
    .option('--ctx-in <file>', 'context structure (__sk_buff, xdp_md, ...)')
    .option('--data-out <file>', 'write the packet afterwards')
    .option('--ctx-out <file>', 'write the context afterwards')
    .option('--repeat <n>', 'runs on the same packet', '1')
    .option('--cpu <n>', 'CPU that the program runs on', '0')
    .option('--cpus <n>', 'number of CPUs', '1')
    .option('--engine <name>', 'auto, interpreter or wasm', 'auto')
    .option('--no-verify', 'run without verification, every access checked')
    .option('--btf <file>', 'types to relocate against; default: those of the running kernel')
    .option('--save-maps <file>', 'write the maps afterwards, for bpfvm map')
    .addHelpText('after', HELP)
    .action((file: string, options: ExecOptions, command: Command) => exec(io, file, options, command));
};

async function exec(io: CliIo, file: string, options: ExecOptions, command: Command): Promise<void> {
  const { BpfVm } = await import('../bpf-vm.js');
  const { testRun } = await import('../test-run.js');
  const printk: string[] = [];
  const global = command.optsWithGlobals<GlobalOptions>();
  const onPrintk = (line: string): void => {
    printk.push(line);
    if (global.json !== true) io.err(`${line}\n`);
  };
  const vm = new BpfVm({
    engine: options.engine,
    cpus: await count(options.cpus, '--cpus', 1),
    verify: options.verify,
    onPrintk,
  });
  const { object, program } = await load(io, vm, file, options);
  const result = testRun(vm, program, {
    dataIn: await packet(io, options),
    ...(options.ctxIn === undefined ? {} : { ctxIn: await read(io, options.ctxIn) }),
    repeat: await count(options.repeat, '--repeat', 1),
    cpu: await count(options.cpu, '--cpu', 0),
  });
  await save(options, object, result);
  if (global.json === true) {
    printJson(io, { program: program.name, type: program.typeName, ...result, printk }, global);
  } else print(io, program, result);
}

async function load(
  io: CliIo,
  vm: BpfVm,
  file: string,
  options: ExecOptions,
): Promise<{ object: BpfObject; program: BpfProgram }> {
  const { basename } = await import('node:path');
  const { readObject } = await import('../elf/read-object.js');
  const { UsageError } = await import('../errors.js');
  const { coreTarget, loadObjects } = await import('./load-objects.js');
  const spec = readObject(await read(io, file), file === '-' ? 'stdin' : basename(file));
  const names = spec.programs.map(({ name }) => name);
  if (options.prog === undefined && names.length !== 1) {
    throw new UsageError('ERR_BPF_USAGE_PROGRAM', `${spec.name}: which of its ${names.length} programs?`, {
      hint: `give --prog; it has ${names.join(', ') || 'none'}`,
    });
  }
  const name = options.prog ?? names[0];
  const targets = new Set(spec.maps.flatMap(({ initialSlots }) => [...(initialSlots?.values() ?? [])]));
  // Programs that tail calls reach are loaded with it.
  const programs = names.filter((other) => other === name || targets.has(other));
  const [object] = loadObjects(vm, [spec], coreTarget([spec], options.btf), () => ({
    programs: programs.includes(name) ? programs : [name],
  }));
  return { object, program: object.program(name) };
}

async function read(io: CliIo, file: string): Promise<Uint8Array> {
  const { readInput } = await import('./input.js');
  return new Uint8Array(await readInput(io, file));
}

async function packet(io: CliIo, options: ExecOptions): Promise<Uint8Array> {
  if (options.dataHex === undefined) {
    return options.dataIn === undefined ? new Uint8Array(0) : read(io, options.dataIn);
  }
  const { requireHex } = await import('./input.js');
  return requireHex(options.dataHex, '--data-hex');
}

/** @throws UsageError */
async function count(text: string, option: string, least: number): Promise<number> {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  const { UsageError } = await import('../errors.js');
  throw new UsageError('ERR_BPF_USAGE_NUMBER', `${option} ${text}: a whole number from ${least} is wanted`);
}

async function save(options: ExecOptions, object: BpfObject, result: TestRunResult): Promise<void> {
  const { writeFileSync } = await import('node:fs');
  if (options.dataOut !== undefined) writeFileSync(options.dataOut, result.dataOut);
  if (options.ctxOut !== undefined && result.ctxOut !== null) writeFileSync(options.ctxOut, result.ctxOut);
  if (options.saveMaps === undefined) return;
  const { saveMaps } = await import('./map-file.js');
  writeFileSync(options.saveMaps, saveMaps(object));
}

/** Names of return values, by type. */
const VERDICTS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  xdp: { 0: 'XDP_ABORTED', 1: 'XDP_DROP', 2: 'XDP_PASS', 3: 'XDP_TX', 4: 'XDP_REDIRECT' },
  sched_cls: {
    0: 'TC_ACT_OK',
    2: 'TC_ACT_SHOT',
    3: 'TC_ACT_PIPE',
    4: 'TC_ACT_STOLEN',
    7: 'TC_ACT_REDIRECT',
    0xffff_ffff: 'TC_ACT_UNSPEC',
  },
  sk_skb: { 0: 'SK_DROP', 1: 'SK_PASS' },
  sk_msg: { 0: 'SK_DROP', 1: 'SK_PASS' },
  sk_lookup: { 0: 'SK_DROP', 1: 'SK_PASS' },
};

const BYTES_A_LINE = 16;

function print(io: CliIo, program: BpfProgram, result: TestRunResult): void {
  const verdict = VERDICTS[program.typeName]?.[result.retval];
  const name = verdict === undefined ? '' : ` (${verdict})`;
  io.out(`${bold(program.name)} returned ${result.retval}${name} in ${result.durationNs} ns\n`);
  const { dataOut } = result;
  if (dataOut.length > 0) io.out(dim(`${dataOut.length} bytes out\n`));
  for (let at = 0; at < dataOut.length; at += BYTES_A_LINE) {
    const line = Buffer.from(dataOut.subarray(at, at + BYTES_A_LINE)).toString('hex');
    io.out(`  ${at.toString(16).padStart(4, '0')}  ${line.replace(/(..)/g, '$1 ').trimEnd()}\n`);
  }
}
