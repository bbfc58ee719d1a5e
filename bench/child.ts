/** The process of one engine in one round: checks and times every workload, and prints a JSON document. */
import Benchmark from 'benchmark';
import type { Prepared } from './engines.js';
import { ENGINES, prepare } from './engines.js';
import type { Measurement } from './measure.js';
import { WORKLOADS } from './workloads.js';

/** Runs of every workload before the first is timed: the engine's code is then compiled for all of them. */
const WARM_UP_NS = 30_000_000n;

function warmUp(programs: readonly Prepared[]): void {
  for (const { executable, ctx } of programs) {
    const end = process.hrtime.bigint() + WARM_UP_NS;
    while (process.hrtime.bigint() < end) executable.run(ctx);
  }
}

/**
 * Median nanoseconds of processor time of a run. The package reads the wall clock; what the scheduler gave to others
 * meanwhile is taken off, as the kernel's own measurement leaves it out, too.
 */
function time({ executable, ctx }: Prepared, seconds: number): number {
  const benchmark = new Benchmark({ fn: () => executable.run(ctx), maxTime: seconds, minSamples: 5 });
  const wall = performance.now();
  const cpu = process.cpuUsage();
  benchmark.run();
  const { user, system } = process.cpuUsage(cpu);
  const share = Math.min(1, (user + system) / 1000 / (performance.now() - wall));
  // The package reports an exception of the function here and nowhere else.
  const failure = benchmark.error as Error | undefined;
  if (failure !== undefined) throw failure;
  const samples = (benchmark.stats.sample as number[]).toSorted((a, b) => a - b);
  return samples[samples.length >> 1] * 1e9 * share;
}

const row = ENGINES.find(({ name }) => name === process.argv[2])!;
const seconds = Number(process.argv[3]);
const engine = await row.load();
const programs = WORKLOADS.map(({ name }) => prepare(row, engine, name));
const results = programs.map(({ executable, ctx }) => executable.run(ctx));
warmUp(programs);
const measured: Measurement[] = programs.map((program, index) => ({
  result: results[index],
  nsPerRun: time(program, seconds),
}));
process.stdout.write(JSON.stringify(measured));
