/** What `bpfvm run` does: a VM with the objects, programs attached to a socket map, sockets in it. */
import { BpfVm } from '../bpf-vm.js';
import type { BpfVmOptions } from '../bpf-vm.js';
import { progAttach } from '../attach.js';
import { UsageError } from '../errors.js';
import type { BpfMap } from '../maps/map.js';
import type { BpfObject } from '../object.js';
import { attachTypeName } from '../progs/prog-types.js';
import { coreTarget, loadObjects, readObjectFile } from './load-objects.js';
import type { CliIo } from './output.js';
import { printJson } from './output.js';
import type { RunOptions } from './run.js';
import { runInMemory } from './run-memory.js';
import type { Plan } from './run-plan.js';
import { chooseMaps, parseAttach, planAttachments, typesFor } from './run-plan.js';
import { renderReport } from './run-report.js';

const ENGINES = ['auto', 'interpreter', 'wasm'] as const;

/** Everything that a run needs, once objects are loaded and programs attached. */
export interface RunSetup {
  readonly vm: BpfVm;
  readonly objects: readonly BpfObject[];
  /** Maps that get the sockets; the first one also the programs. */
  readonly maps: readonly BpfMap[];
  readonly plan: Plan;
  readonly printk: string[];
}

export async function runCommand(files: readonly string[], options: RunOptions, io: CliIo): Promise<void> {
  const isProxy = options.listen.length + options.connect.length > 0;
  checkTogether(options, isProxy);
  const setup = prepareRun(files, options, io);
  if (isProxy) {
    const { runProxy } = await import('./run-proxy.js');
    await untilInterrupted((signal) => runProxy(setup, options, io, signal));
    return;
  }
  const report = runInMemory(setup, options);
  if (options.json === true) printJson(io, report, options);
  else io.out(renderReport(report));
}

/** Refuses options that the other way to run would leave unread. */
function checkTogether(options: RunOptions, isProxy: boolean): void {
  const unread = isProxy
    ? { '--sockets': options.sockets, '--input': options.input, '--send': options.send.at(0) }
    : { '--pair': options.pair, '--stats': options.stats };
  for (const [name, value] of Object.entries(unread)) {
    if (value === undefined) continue;
    const hint = isProxy
      ? 'in-memory sockets alone use it'
      : '--listen or --connect makes sockets that use it';
    throw new UsageError('ERR_BPF_USAGE_OPTION', `${name} has no effect here`, { hint });
  }
}

/** Runs until SIGINT or SIGTERM, which ends it in order; a second one ends the process at once. */
async function untilInterrupted(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = (): void => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    await run(controller.signal);
  } finally {
    stop();
  }
}

/** Loads the objects, attaches the programs and says on stderr what was left out. */
export function prepareRun(files: readonly string[], options: RunOptions, io: CliIo): RunSetup {
  const requests = options.attach.map(parseAttach);
  const specs = files.map(readObjectFile);
  const printk: string[] = [];
  const vm = new BpfVm(vmOptions(options, io, printk));
  const target = coreTarget(specs, options.target);
  const objects = loadObjects(vm, specs, target, (spec) => {
    const programs = spec.programs.filter((program) => options.prog.includes(program.name));
    return {
      types: typesFor(spec.name, requests),
      ...(options.prog.length === 0 ? {} : { programs: programs.map((program) => program.name) }),
    };
  });
  checkProgramNames(objects, options.prog);
  const maps = chooseMaps(objects, options.map);
  if (maps.length === 0) {
    throw new UsageError('ERR_BPF_USAGE_NO_MAP', `${files.join(', ')}: no map of type sockmap or sockhash`, {
      hint: 'bpfvm exec runs programs of other kinds on a packet',
    });
  }
  const plan = planAttachments(objects, requests, maps[0]);
  for (const { program, map, attachType } of plan.attachments) progAttach(program, map, attachType);
  for (const { program, reason } of plan.left) {
    io.err(`bpfvm: ${program.name} is not attached: ${reason} (--prog or --attach chooses)\n`);
  }
  return { vm, objects, maps, plan, printk };
}

function vmOptions(options: RunOptions, io: CliIo, printk: string[]): BpfVmOptions {
  if (!ENGINES.includes(options.engine)) {
    throw new UsageError('ERR_BPF_USAGE_ENGINE', `--engine ${options.engine}: no such engine`, {
      hint: ENGINES.join(', '),
    });
  }
  return {
    engine: options.engine,
    verify: options.verify,
    measureRuns: true,
    onPrintk: (line) => {
      printk.push(line);
      io.err(`bpf_printk: ${line}\n`);
    },
  };
}

function checkProgramNames(objects: readonly BpfObject[], names: readonly string[]): void {
  for (const name of names) {
    if (objects.some((object) => object.programs.has(name))) continue;
    const known = objects.flatMap((object) => object.spec.programs.map((program) => program.name));
    throw new UsageError('ERR_BPF_USAGE_NO_PROGRAM', `--prog ${name}: no such program`, {
      hint: `programs: ${known.join(', ')}`,
    });
  }
}

/** Where a program is attached, as `sk_skb_stream_verdict of sock_map`. */
export function placeOf(plan: Plan, programId: number): { attachType: string; map: string } | undefined {
  const found = plan.attachments.find((attachment) => attachment.program.id === programId);
  return found && { attachType: attachTypeName(found.attachType), map: found.map.name };
}
