/** Medians, ratios and their geometric means; as a table and as a document. */
import { arch, cpus, release, type } from 'node:os';
import type { Contestant } from './measure.js';
import { WORKLOADS } from './workloads.js';

export interface Report {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly workloads: readonly {
    readonly name: string;
    readonly insns: number;
    readonly nsPerRun: Readonly<Record<string, number>>;
  }[];
  /** `interpreter/kernelJit` and so on: geometric means of the ratios over the workloads. */
  readonly geomean: Readonly<Record<string, number>>;
}

/** Nanoseconds of each round, by contestant and workload. */
export type Rounds = ReadonlyMap<string, readonly number[][]>;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];
const round = (value: number): number => Number(value.toPrecision(4));

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** What bpfvm's engines are held against, where it is there. */
const REFERENCES = ['kernelJit', 'native', 'nativeGcc'];

export function makeReport(rounds: Rounds, count: number): Report {
  const medians = new Map([...rounds].map(([name, times]) => [name, times.map(median)]));
  const geomean: Record<string, number> = {};
  for (const reference of REFERENCES.filter((name) => medians.has(name))) {
    for (const [name, times] of medians) {
      if (name === reference || (REFERENCES.includes(name) && name !== 'kernelJit')) continue;
      const ratios = times.map((time, index) => time / medians.get(reference)![index]);
      geomean[`${name}/${reference}`] = round(geometricMean(ratios));
    }
  }
  const [cpu] = cpus();
  return {
    machine: {
      cpu: cpu?.model.trim() ?? 'unknown',
      cores: cpus().length,
      arch: arch(),
      os: `${type()} ${release()}`,
      node: process.version,
      rounds: count,
    },
    workloads: WORKLOADS.map(({ name, insns }, index) => ({
      name,
      insns,
      nsPerRun: Object.fromEntries([...medians].map(([key, times]) => [key, round(times[index])])),
    })),
    geomean,
  };
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
    )
    .join('\n');
}

const nanoseconds = (value: number): string =>
  value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString('en');
const ratio = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(1));

/** The table on stdout: nanoseconds a run, then how often the kernel's time (or, without it, native time) it is. */
export function formatReport(report: Report, contestants: readonly Contestant[]): string {
  const names = contestants.map(({ name }) => name);
  const times = columns([
    ['ns per run', 'insns', ...names],
    ...report.workloads.map((row) => [
      row.name,
      row.insns.toLocaleString('en'),
      ...names.map((name) => nanoseconds(row.nsPerRun[name])),
    ]),
  ]);
  const reference = REFERENCES.find((name) => names.includes(name));
  if (reference === undefined) return `${times}\n`;
  const others = names.filter((name) => name !== reference);
  const ratios = columns([
    [`times ${reference}`, ...others],
    ...report.workloads.map((row) => [
      row.name,
      ...others.map((name) => ratio(row.nsPerRun[name] / row.nsPerRun[reference])),
    ]),
    [
      'geometric mean',
      ...others.map((name) =>
        ratio(report.geomean[`${name}/${reference}`] ?? 1 / report.geomean[`${reference}/${name}`]),
      ),
    ],
  ]);
  const legend = contestants.map(({ name, what }) => `${name}: ${what}`).join('\n');
  return `${times}\n\n${ratios}\n\n${legend}\n`;
}
