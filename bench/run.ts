/**
 * `npm run bench [-- --quick] [--json FILE] [--rounds N]`: seven workloads on bpfvm's engines, and, where the machine has
 * them, in the running kernel's JIT and as native code. Rounds are interleaved, so that a busy machine disturbs all
 * alike; figures are medians. Ends with 1 where a result is wrong.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Contestant } from './measure.js';
import { contestants } from './measure.js';
import { formatReport, makeReport } from './report.js';
import { WORKLOADS } from './workloads.js';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    rounds: { type: 'string' },
  },
});
const count = Number(values.rounds ?? (values.quick ? 1 : 5));
const { present, missing } = contestants();
for (const { name, reason } of missing) console.error(`no column ${name}: ${reason}`);

const wrong: string[] = [];

/** Nanoseconds of one round; wrong results are noted. */
function play(contestant: Contestant): number[] {
  return contestant.round(values.quick).map(({ result, nsPerRun }, index) => {
    const { name, result: expected } = WORKLOADS[index];
    if (result !== expected) wrong.push(`${contestant.name}: ${name}: ${result} instead of ${expected}`);
    return nsPerRun;
  });
}

const rounds = new Map(present.map(({ name }) => [name, WORKLOADS.map((): number[] => [])]));
for (let round = 0; round < count; round++) {
  for (const contestant of present) {
    console.error(`round ${round + 1} of ${count}: ${contestant.name}`);
    for (const [index, time] of play(contestant).entries()) rounds.get(contestant.name)![index].push(time);
  }
}

const report = makeReport(rounds, count);
process.stdout.write(formatReport(report, present));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
for (const line of wrong) console.error(`wrong result: ${line}`);
process.exitCode = wrong.length === 0 ? 0 : 1;
