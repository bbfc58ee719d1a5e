/** `bpfvm selftest`: runs objects annotated as the kernel's selftests are. */
import type { Command } from 'commander';
import type { SelftestResult } from '../selftest.js';
import type { AddCommand } from './main.js';
import type { CliIo, GlobalOptions } from './output.js';
import { CliExit, Exit, printJson } from './output.js';

interface SelftestOptions {
  readonly btf?: string;
  readonly quiet?: boolean;
}

const HELP = `
Reads what an object expects of its programs from its BTF decl tags, as bpf_misc.h of the kernel's selftests makes
them: __success, __failure, __msg("..."), __retval(n), __flag(...). Verifies each program, looks for the messages in
the log in their order, and runs those that have a return value.

  bpfvm selftest verifier_bounds.bpf.o
  bpfvm selftest verifier_*.bpf.o --quiet

Exit code 1 when an expectation is not met.`;

export const addSelftest: AddCommand = (program, io) => {
  program
    .command('selftest')
    .description('check annotated objects: verdict, log messages, return value')
    .argument('<object...>', 'object files')
    .option('--quiet', 'print failures and the sum only')
    .option('--btf <file>', 'kernel types to relocate against; default those of the running kernel, if any')
    .addHelpText('after', HELP)
    .action((files: string[], options: SelftestOptions, command: Command) =>
      run(io, files, options, command),
    );
};

const MARK = { pass: 'ok  ', fail: 'FAIL', skip: 'skip' } as const;

async function run(
  io: CliIo,
  files: readonly string[],
  options: SelftestOptions,
  command: Command,
): Promise<void> {
  const { readObjectFile, coreTarget } = await import('./load-objects.js');
  const { selftest } = await import('../selftest.js');
  const specs = files.map((file) => readObjectFile(file));
  const target = coreTarget(specs, options.btf);
  const global = command.optsWithGlobals<GlobalOptions>();
  const all: (SelftestResult & { readonly object: string })[] = [];
  for (const spec of specs) {
    for (const result of selftest(spec, target)) {
      all.push({ object: spec.name, ...result });
      if (global.json === true || (options.quiet === true && result.outcome !== 'fail')) continue;
      const detail = result.detail === '' ? '' : `: ${result.detail}`;
      io.out(`${MARK[result.outcome]} ${spec.name} ${result.program}${detail}\n`);
    }
  }
  const count = (outcome: SelftestResult['outcome']): number =>
    all.filter((r) => r.outcome === outcome).length;
  if (global.json === true) printJson(io, all, global);
  else io.out(`${count('pass')} passed, ${count('fail')} failed, ${count('skip')} verified only\n`);
  if (count('fail') > 0) throw new CliExit(Exit.failed);
}
