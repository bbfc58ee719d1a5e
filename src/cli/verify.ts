/** `bpfvm verify`: what the kernel would say to the programs of an object. */
import type { Command } from 'commander';
import type { CoreTarget } from '../btf/core.js';
import type { ObjectSpec, ProgramSpec } from '../elf/object-spec.js';
import type { VerifyResult } from '../verifier/verify.js';
import type { AddCommand } from './main.js';
import type { CliIo, GlobalOptions } from './output.js';
import { CliExit, Exit, bold, printJson } from './output.js';

interface VerifyCommandOptions {
  readonly prog?: string;
  readonly log?: string;
  readonly type?: string;
  readonly btf?: string;
}

const HELP = `
Says for each program whether the kernel would accept it. A refusal is explained: the source line, the rule, what was
needed and what was there. --log prints the kernel's own log: 1 for the path that fails, 2 for everything.

  bpfvm verify prog.bpf.o
  bpfvm verify *.bpf.o --prog verdict --log 2
  bpfvm verify prog.bpf.o --json

Exit code 4 when a program is refused.`;

export const addVerify: AddCommand = (program, io) => {
  program
    .command('verify')
    .description('say which programs the kernel would accept, and why not')
    .argument('<object...>', 'object files')
    .option('--prog <name>', 'this program only')
    .option('--log <level>', "the kernel's log: 1 or 2")
    .option('--type <type>', 'program type where the section name says none, e.g. xdp')
    .option('--btf <file>', 'kernel types to relocate against; default those of the running kernel, if any')
    .addHelpText('after', HELP)
    .action((files: string[], options: VerifyCommandOptions, command: Command) =>
      run(io, files, options, command),
    );
};

interface Verdict {
  readonly object: string;
  readonly program: ProgramSpec;
  readonly progType: number;
  readonly result: VerifyResult;
  readonly human: readonly string[];
}

async function run(
  io: CliIo,
  files: readonly string[],
  options: VerifyCommandOptions,
  command: Command,
): Promise<void> {
  const level = logLevel(options.log);
  const global = command.optsWithGlobals<GlobalOptions>();
  const { readObjectFile, coreTarget } = await import('./load-objects.js');
  const specs = files.map((file) => readObjectFile(file));
  const target = coreTarget(specs, options.btf);
  const verdicts: Verdict[] = [];
  for (const spec of specs) verdicts.push(...(await verdictsOf(spec, options, level, target)));
  if (verdicts.length === 0 && options.prog !== undefined) await noProgram(specs, options.prog);
  if (global.json === true) printJson(io, await toJson(verdicts), global);
  else print(io, verdicts, level, files.length > 1);
  if (verdicts.some(({ result }) => result.verdict === 'reject')) throw new CliExit(Exit.refused);
}

function logLevel(text: string | undefined): 0 | 1 | 2 {
  return text === undefined ? 0 : text === '2' ? 2 : 1;
}

async function noProgram(specs: readonly ObjectSpec[], name: string): Promise<never> {
  const { UsageError } = await import('../errors.js');
  const known = specs.flatMap((spec) => spec.programs.map((program) => program.name));
  throw new UsageError('ERR_BPF_USAGE_NO_PROGRAM', `no program "${name}"`, {
    hint: known.length === 0 ? 'there are none' : `programs: ${known.join(', ')}`,
  });
}

async function verdictsOf(
  spec: ObjectSpec,
  options: VerifyCommandOptions,
  level: 0 | 1 | 2,
  target: CoreTarget | undefined,
): Promise<Verdict[]> {
  const { ObjectVerifier } = await import('../verify-object.js');
  const { humanReport } = await import('../verifier/human.js');
  const { PROG_TYPE_NAMES, ProgType } = await import('../progs/prog-types.js');
  const verifier = new ObjectVerifier(spec, target === undefined ? {} : { target });
  const given = options.type === undefined ? -1 : PROG_TYPE_NAMES.indexOf(options.type);
  return spec.programs
    .filter((program) => options.prog === undefined || program.name === options.prog)
    .map((program): Verdict => {
      const progType =
        given >= 0 ? given : program.progType === ProgType.Unspec ? ProgType.SocketFilter : program.progType;
      const settings = { kind: { progType, attachType: program.attachType } };
      const input = verifier.input(program, settings);
      const result = verifier.verify(program, { ...settings, logLevel: level });
      const human =
        'verdict' in input ? [`${program.name}: refused: ${result.message}`] : humanReport(input, result);
      return { object: spec.name, program, progType, result, human };
    });
}

async function toJson(verdicts: readonly Verdict[]): Promise<unknown> {
  const { progTypeName } = await import('../progs/prog-types.js');
  return verdicts.map(({ object, program, progType, result }) => ({
    object,
    program: program.name,
    progType: progTypeName(progType),
    verdict: result.verdict,
    errno: result.errno,
    message: result.message,
    insnsProcessed: result.stats.insnsProcessed,
    log: result.log.map((line) => line.text),
  }));
}

function print(io: CliIo, verdicts: readonly Verdict[], level: number, withObject: boolean): void {
  for (const { object, result, human } of verdicts) {
    if (level > 0) for (const line of result.log) io.out(`${line.text}\n`);
    const [first, ...rest] = human;
    const title = `${withObject ? `${object}: ` : ''}${first}`;
    io.out(`${result.verdict === 'reject' ? bold(title) : title}\n`);
    for (const line of rest) io.out(`${line}\n`);
  }
}
