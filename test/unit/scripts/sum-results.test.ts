import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../../scripts/sum-results.mjs', import.meta.url));
const root = mkdtempSync(path.join(tmpdir(), 'bpfvm-sums-'));
let folder = root;

beforeEach(() => {
  folder = mkdtempSync(path.join(root, 'case-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Counts {
  passed?: number;
  failed?: number;
  skipped?: number;
  todo?: number;
  /** A file that threw while it was loaded: failed, without tests. */
  brokenFile?: string;
}

function report(name: string, counts: Counts): void {
  const { passed = 0, failed = 0, skipped = 0, todo = 0, brokenFile } = counts;
  const testResults =
    brokenFile === undefined ? [] : [{ name: brokenFile, status: 'failed', assertionResults: [] }];
  const text = JSON.stringify({
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: skipped,
    numTodoTests: todo,
    testResults,
  });
  writeFileSync(path.join(folder, `${name}.json`), text);
}

function sum(...failedSteps: string[]): { code: number; last: string | undefined } {
  try {
    const out = execFileSync(process.execPath, [SCRIPT, folder, ...failedSteps], { encoding: 'utf8' });
    return { code: 0, last: out.trim().split('\n').at(-1) };
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: string };
    return { code: status, last: stdout.trim().split('\n').at(-1) };
  }
}

it('adds the reports of all runners', () => {
  report('unit', { passed: 10, skipped: 1 });
  report('kernel', { passed: 5, skipped: 2, todo: 1 });
  expect(sum()).toEqual({ code: 0, last: '15 passed, 0 failed, 4 skipped' });
});

it('counts failed tests, and a file that could not be run as one', () => {
  report('unit', { passed: 10, failed: 2, brokenFile: 'x.test.ts' });
  expect(sum()).toEqual({ code: 1, last: '10 passed, 3 failed, 0 skipped' });
});

it('counts a failed step as one failure', () => {
  report('unit', { passed: 10 });
  expect(sum('lint', 'package')).toEqual({ code: 1, last: '10 passed, 2 failed, 0 skipped' });
});

it('does not call a run without tests a success', () => {
  expect(sum()).toEqual({ code: 1, last: '0 passed, 0 failed, 0 skipped' });
});
