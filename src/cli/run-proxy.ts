/** `bpfvm run --listen/--connect`: real sockets in the maps until the signal comes, with live statistics. */
import { setFlagsFromString } from 'node:v8';
import { UsageError } from '../errors.js';
import { SockMapBase } from '../maps/sock-map.js';
import { ProgType } from '../progs/prog-types.js';
import { printJson } from './output.js';
import type { CliIo } from './output.js';
import type { ProxyStats } from './proxy.js';
import { parsePlace, Proxy } from './proxy.js';
import type { RunSetup } from './run-command.js';
import { placeOf } from './run-command.js';
import type { RunOptions } from './run.js';
import { compileKeyTemplate } from './socket-keys.js';

const SECOND = 1000;

/** What a program has done so far. */
interface ProgramCounters {
  readonly name: string;
  readonly runs: number;
  readonly nsPerRun: number | null;
  /** Return values of a verdict program: SK_PASS, and everything else. */
  readonly pass?: number;
  readonly drop?: number;
}

/** One document of `--stats json`, and the totals at the end. */
export interface ProxyReport {
  readonly seconds: number;
  readonly connections: { readonly open: number; readonly total: number; readonly failed: number };
  readonly bytes: { readonly in: number; readonly out: number; readonly relayed: number };
  readonly refused: number;
  readonly programs: readonly ProgramCounters[];
}

/** Runs until `signal` is aborted; drains, closes, and prints the totals. */
export async function runProxy(
  setup: RunSetup,
  options: RunOptions,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  // Buffers of 64 KiB come and go with every read. V8 answers with rounds of incremental marking that cost more than
  // the proxy itself; marking the small heap at once when it is due costs a tenth of that.
  setFlagsFromString('--no-incremental-marking');
  const proxy = createProxy(setup, options, io);
  const started = performance.now();
  const report = (): ProxyReport => describe(setup, proxy.stats, (performance.now() - started) / SECOND);
  await start(proxy);
  for (const { host, port } of proxy.addresses) {
    io.err(`bpfvm: listening on ${port === 0 ? host : `${host}:${port}`}\n`);
  }
  const stopStats = showStats(options, io, report);
  await aborted(signal);
  await proxy.stop();
  stopStats();
  const totals = report();
  if (options.json === true || options.stats === 'json') printJson(io, totals, options);
  else io.out(`${totalsText(totals)}\n`);
}

function createProxy(setup: RunSetup, options: RunOptions, io: CliIo): Proxy {
  if (options.stats !== undefined && options.stats !== 'json') {
    throw new UsageError('ERR_BPF_USAGE_STATS', `--stats ${options.stats}`, {
      hint: 'json is the only form',
    });
  }
  const maps = setup.maps.filter((map) => map instanceof SockMapBase);
  // A template that does not fit is a mistake of the command line, told before anything listens.
  for (const map of maps) compileKeyTemplate(options.key, map.spec.keySize);
  for (const object of setup.objects) {
    for (const program of object.programs.values()) {
      if (program.progType === ProgType.SockOps) setup.vm.net.sockOps.attach(program);
    }
  }
  return new Proxy({
    net: setup.vm.net,
    maps,
    listen: options.listen.map((text) => parsePlace('--listen', text)),
    connect: options.connect.map((text) => parsePlace('--connect', text)),
    ...(options.pair === undefined ? {} : { pair: options.pair }),
    ...(options.key === undefined ? {} : { keyTemplate: options.key }),
    log: (line) => {
      io.err(`bpfvm: ${line}\n`);
    },
  });
}

async function start(proxy: Proxy): Promise<void> {
  try {
    await proxy.start();
  } catch (error) {
    await proxy.stop();
    throw new UsageError('ERR_BPF_USAGE_ADDRESS', (error as Error).message, { cause: error });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else
      signal.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
  });
}

/** A line a second: JSON on stdout where asked, else on a terminal's last line. Returns what ends it. */
function showStats(options: RunOptions, io: CliIo, report: () => ProxyReport): () => void {
  const asJson = options.stats === 'json';
  if (!asJson && !io.isTty) return () => undefined;
  const timer = setInterval(() => {
    if (asJson) io.out(`${JSON.stringify(report())}\n`);
    else io.err(`\r\x1b[K${liveText(report())}`);
  }, SECOND);
  return () => {
    clearInterval(timer);
    if (!asJson) io.err('\r\x1b[K');
  };
}

function describe(setup: RunSetup, stats: ProxyStats, seconds: number): ProxyReport {
  const programs = setup.objects.flatMap((object) =>
    [...object.programs.values()].map((program): ProgramCounters => {
      const { runs, runTimeNs, returns } = program.stats;
      const place = placeOf(setup.plan, program.id);
      const isVerdict = place !== undefined && place.attachType !== 'sk_skb_stream_parser';
      const pass = returns.get(1) ?? 0;
      return {
        name: program.name,
        runs,
        nsPerRun: runs === 0 ? null : Math.round(runTimeNs / runs),
        ...(isVerdict ? { pass, drop: runs - pass } : {}),
      };
    }),
  );
  const { open, total, failed, bytesIn, bytesOut, relayed, refused } = stats;
  return {
    seconds: Math.round(seconds * 1000) / 1000,
    connections: { open, total, failed },
    bytes: { in: bytesIn, out: bytesOut, relayed },
    refused,
    programs,
  };
}

function liveText(report: ProxyReport): string {
  const { connections, bytes } = report;
  const verdicts = report.programs.reduce(
    (sum, program) => sum + (program.pass ?? 0) + (program.drop ?? 0),
    0,
  );
  const times = report.programs
    .filter((program) => program.nsPerRun !== null)
    .map((program) => `${program.name} ${program.nsPerRun} ns`);
  return `${connections.open} open, ${connections.total} total; ${bytes.in} bytes in, ${bytes.out} out; ${verdicts} verdicts; ${times.join(', ')}`;
}

function totalsText(report: ProxyReport): string {
  const { connections, bytes } = report;
  const lines = [
    `connections: ${connections.total}, ${connections.failed} failed`,
    `bytes: ${bytes.in} in, ${bytes.out} out, ${bytes.relayed} passed by programs and relayed`,
  ];
  for (const { name, runs, nsPerRun, pass, drop } of report.programs) {
    const verdicts = pass === undefined ? '' : `, ${pass} passed or redirected, ${drop} dropped`;
    lines.push(`${name}: ${runs} runs${verdicts}${nsPerRun === null ? '' : `, ${nsPerRun} ns each`}`);
  }
  return lines.join('\n');
}
