import { describe, expect, it } from 'vitest';
import { formatReport, makeReport } from '../../../bench/report.js';
import { benchPacket, WORKLOADS } from '../../../bench/workloads.js';

const contestant = (name: string) => ({ name, what: `what ${name} is`, round: () => [] });

/** The same rounds for every workload. */
const rounds = (times: Record<string, number[]>) =>
  new Map(Object.entries(times).map(([name, values]) => [name, WORKLOADS.map(() => values)]));

describe('the report of a bench', () => {
  const report = makeReport(
    rounds({ interpreter: [30, 10, 20], kernelJit: [2, 2, 9], native: [1, 1, 1] }),
    3,
  );

  it('takes medians over the rounds', () => {
    expect(report.workloads[0]).toEqual({
      name: 'alu64',
      insns: WORKLOADS[0].insns,
      nsPerRun: { interpreter: 20, kernelJit: 2, native: 1 },
    });
  });

  it('gives geometric means of the ratios to the kernel and to native code', () => {
    expect(report.geomean).toEqual({
      'interpreter/kernelJit': 10,
      'interpreter/native': 20,
      'kernelJit/native': 2,
    });
  });

  it('is a table of times, one of ratios, and a legend', () => {
    const text = formatReport(report, ['interpreter', 'kernelJit', 'native'].map(contestant));
    expect(text).toMatch(
      /^ns per run +insns +interpreter +kernelJit +native\nalu64 +187,015 +20\.0 +2\.0 +1\.0\n/,
    );
    expect(text).toMatch(/\ntimes kernelJit +interpreter +native\n/);
    expect(text).toMatch(/\ngeometric mean +10\.0 +0\.50\n/);
    expect(text).toContain('native: what native is');
  });

  it('has no ratios where there is nothing to compare with', () => {
    const alone = makeReport(rounds({ interpreter: [5] }), 1);
    expect(alone.geomean).toEqual({});
    expect(formatReport(alone, [contestant('interpreter')])).not.toContain('times');
  });
});

describe('the packet of the workloads', () => {
  it('is Ethernet, IPv4 and TCP with numbers as payload', () => {
    const packet = benchPacket();
    expect(packet).toHaveLength(198);
    expect(new TextDecoder().decode(packet.subarray(54, 66))).toBe('7349 12 88 5');
  });
});
