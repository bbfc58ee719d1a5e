/** The mistakes that people make, as `bpfvm verify` explains them: source line, cause and cure. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Exit } from '../../../src/cli/output.js';
import { bpfvm } from '../../lib/fake-io.js';

const OBJECT = 'test/programs/mistakes.bpf.o';

describe('bpfvm verify explains refusals', () => {
  it('prints the rule, the source line, what was needed and what was there', async () => {
    const { out, code } = await bpfvm(['verify', OBJECT]);
    expect(out).toBe(readFileSync('test/golden/verifier/mistakes.txt', 'utf8'));
    expect(code).toBe(Exit.refused);
  });

  it('gives one JSON record a program', async () => {
    const { out } = await bpfvm(['verify', OBJECT, '--prog', 'bad_return', '--json']);
    const [record, ...rest] = JSON.parse(out) as Record<string, unknown>[];
    expect(rest).toEqual([]);
    expect(record).toMatchObject({
      object: 'mistakes.bpf.o',
      program: 'bad_return',
      progType: 'cgroup_skb',
      verdict: 'reject',
      errno: 22,
      insnsProcessed: 2,
    });
  });

  it("prints the kernel's log on request", async () => {
    const { out } = await bpfvm(['verify', OBJECT, '--prog', 'bad_return', '--log', '2']);
    expect(out).toContain('0: R1=ctx() R10=fp0\n');
    expect(out).toContain('0: (61) r0 = *(u32 *)(r1 +0)          ; R0=scalar(smin=0,smax=umax=0xffffffff,');
    expect(out).toContain('processed 2 insns (limit 1000000)');
  });

  it('accepts the sample objects', async () => {
    const { out, code } = await bpfvm(['verify', 'examples/redirect.bpf.o']);
    expect(out).toContain(': ok (');
    expect(code).toBe(Exit.ok);
  });
});
