/** Objects that say what is expected of them: verdict, messages of the log, return value. */
import type { Annotations } from './annotations.js';
import { annotationsOf } from './annotations.js';
import { BpfVm } from './bpf-vm.js';
import type { CoreTarget } from './btf/core.js';
import type { ObjectSpec, ProgramSpec } from './elf/object-spec.js';
import { BpfError } from './errors.js';
import { testRun } from './test-run.js';
import { ObjectVerifier } from './verify-object.js';

export interface SelftestResult {
  readonly program: string;
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** What differs from what was expected, or why nothing could be said. */
  readonly detail: string;
}

/** Bytes that test runs are given, as the kernel's own runner does. */
const TEST_DATA = 64;

/** Verifies every annotated program, looks for its messages in their order, and runs those with a return value. */
export function selftest(spec: ObjectSpec, target: CoreTarget | undefined): SelftestResult[] {
  const verifier = new ObjectVerifier(spec, target === undefined ? {} : { target });
  return spec.programs.flatMap((program) => {
    const notes = annotationsOf(spec, program);
    if (notes.expects === undefined || notes.isAuxiliary) return [];
    return [{ program: program.name, ...check(verifier, spec, program, notes, target) }];
  });
}

function check(
  verifier: ObjectVerifier,
  spec: ObjectSpec,
  program: ProgramSpec,
  notes: Annotations,
  target: CoreTarget | undefined,
): Omit<SelftestResult, 'program'> {
  const result = verifier.verify(program, { flags: notes.flags, stats: true, logLevel: notes.logLevel });
  const isExpected = (result.verdict === 'accept') === (notes.expects === 'success');
  if (!isExpected) {
    const detail =
      result.verdict === 'accept'
        ? 'accepted, must be refused'
        : `refused, must be accepted: ${result.message}`;
    return { outcome: 'fail', detail };
  }
  const missing = notes.missingMessage(result.log);
  if (missing !== undefined) return { outcome: 'fail', detail: `the log lacks: ${missing}` };
  if (notes.retval === undefined || result.verdict === 'reject') return { outcome: 'pass', detail: '' };
  return run(spec, program, notes.retval, target);
}

function run(
  spec: ObjectSpec,
  program: ProgramSpec,
  expected: number,
  target: CoreTarget | undefined,
): Omit<SelftestResult, 'program'> {
  try {
    const vm = new BpfVm();
    const object = vm.load(spec, { programs: [program.name], ...(target === undefined ? {} : { target }) });
    const data = { dataIn: new Uint8Array(TEST_DATA) };
    const { retval } = testRun(vm, object.program(program.name), data);
    if ((retval | 0) === expected) return { outcome: 'pass', detail: '' };
    return { outcome: 'fail', detail: `returned ${retval | 0}, must return ${expected}` };
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    return { outcome: 'skip', detail: `verified, cannot be run here: ${error.message}` };
  }
}
