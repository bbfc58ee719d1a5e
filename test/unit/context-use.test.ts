import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BpfProgram } from '../../src/browser.js';
import { BpfVm } from '../../src/browser.js';

const program = (file: string, name: string, verify = true): BpfProgram =>
  new BpfVm({ verify }).load(readFileSync(`examples/${file}.bpf.o`), { name: file }).program(name);

describe('what a program looks at in its context', () => {
  it('a verdict on ports looks at neither payload nor socket', () => {
    expect(program('redirect', 'verdict')).toMatchObject({ ignoresData: true, ignoresSock: true });
  });

  it('a message program that parses looks at the payload', () => {
    expect(program('apply-cork', 'msg_verdict')).toMatchObject({ ignoresData: false, ignoresSock: true });
  });

  it('of a program that was not verified nothing is known', () => {
    expect(program('redirect', 'verdict', false)).toMatchObject({ ignoresData: false, ignoresSock: false });
  });
});
