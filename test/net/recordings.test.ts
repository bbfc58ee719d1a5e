/** Every scenario that was recorded on a live kernel gives the same transcript on in-memory sockets. */
import { describe, expect, it } from 'vitest';
import { ENGINES, Lab } from './lab.js';
import { readRecording } from './recording.js';
import { MORE_SCENARIOS } from './scenarios-more.js';
import type { Scenario } from './scenarios-msg.js';
import { MSG_SCENARIOS } from './scenarios-msg.js';
import { SKB_SCENARIOS } from './scenarios-skb.js';

/**
 * Where the kernel has a fault, bpfvm does the sane thing: recorded line -> line that is wanted. See docs/sockmap.md.
 */
const DEVIATIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // The end of the stream, redirected, is no data: the kernel fails the target's next recv and breaks it with EPIPE.
  'peer close after data, redirect ingress d; b sees EOF?': {
    'recv(d): 10:"0123456789" [-1 EFAULT revents=9]  (total 10)': 'recv(d): 10:"0123456789"  (total 10)',
  },
  // What the psock held is lost with it, but the connection goes on: the kernel's reader waits for ever.
  'delete from map with unread PASSed data': {
    [`recv(b):${' [-1 EAGAIN revents=1]'.repeat(4)}  (total 0)`]: 'recv(b): ...',
  },
};
/** The second and third lines of a scenario are the same in the recording; these are wanted in turn. */
const AFTER_DELETION = ['recv(b):  (total 0)', 'recv(b): 3:"ZZZ"  (total 3)'];

/** The recorded lines, with those of a deviation replaced. */
function wanted(name: string, lines: readonly string[]): string[] {
  const deviation = DEVIATIONS[name.replace(/^[^:]*: /, '')] as (typeof DEVIATIONS)[string] | undefined;
  const turns = [...AFTER_DELETION];
  return lines.map((line) => {
    const instead = deviation?.[line];
    if (instead === undefined) return line;
    return instead.endsWith('...') ? turns.shift()! : instead;
  });
}

function check(name: string, recording: string, scenarios: readonly Scenario[]): void {
  const recorded = readRecording(recording);
  describe.each(ENGINES)(`${name}, %s`, (engine) => {
    it('has a scenario for each that was recorded', () => {
      expect(scenarios.map((scenario) => scenario.name)).toEqual([...recorded.keys()]);
    });
    for (const scenario of scenarios) {
      it(scenario.name, () => {
        const lab = new Lab(engine);
        scenario.run(lab);
        expect(lab.lines.map((line) => line.trimEnd())).toEqual(
          wanted(scenario.name, recorded.get(scenario.name)!),
        );
      });
    }
  });
}

check('first recording', 'semantics', [...MSG_SCENARIOS, ...SKB_SCENARIOS]);
check('second recording', 'semantics2', MORE_SCENARIOS);
