/**
 * What annotated objects expect of their programs: the BTF decl tags `comment:test_*` of the kernel's selftests
 * (`__success`, `__failure`, `__msg("...")`, `__retval(n)`, `__flag(...)`, `__log_level(n)`).
 */
import { BtfKind } from './btf/types.js';
import type { ObjectSpec, ProgramSpec } from './elf/object-spec.js';
import type { VerifierFlags } from './verifier/input.js';
import type { LogLevel, LogLine } from './verifier/log.js';

export interface ExpectedMessage {
  readonly text: string;
  /** The text is a regular expression in parts: `{{...}}` marks them. */
  readonly isNot: boolean;
}

export class Annotations {
  /** undefined: the object does not say. */
  readonly expects: 'success' | 'failure' | undefined;
  readonly messages: readonly ExpectedMessage[];
  readonly retval: number | undefined;
  readonly flags: VerifierFlags;
  readonly logLevel: LogLevel;
  readonly isAuxiliary: boolean;

  constructor(tags: readonly string[]) {
    const values = (name: string): string[] =>
      tags.flatMap((tag) => (tag.startsWith(`comment:${name}=`) ? [tag.slice(name.length + 9)] : []));
    const has = (name: string): boolean => tags.includes(`comment:${name}`);
    this.expects = has('test_expect_failure')
      ? 'failure'
      : has('test_expect_success')
        ? 'success'
        : undefined;
    this.messages = messagesOf(tags);
    const [retval] = values('test_retval');
    this.retval = retval === undefined ? undefined : parseRetval(retval);
    this.flags = flagsOf(values('test_prog_flags'));
    this.logLevel =
      Number(values('test_log_level')[0] ?? (this.messages.length > 0 ? 1 : 0)) >= 2
        ? 2
        : this.messages.length > 0
          ? 1
          : 0;
    this.isAuxiliary = has('test_auxiliary');
  }

  /** The first expected message that the log lacks, in order; undefined where all are there. */
  missingMessage(log: readonly LogLine[]): string | undefined {
    const text = log.map((line) => line.text).join('\n');
    let from = 0;
    for (const { text: wanted, isNot } of this.messages) {
      const match = matcher(wanted).exec(text.slice(from));
      if (isNot) {
        if (match !== null) return `not: ${wanted}`;
        continue;
      }
      if (match === null) return wanted;
      from += match.index + match[0].length;
    }
    return undefined;
  }
}

/** `comment:test_expect_msg=<order>=<text>`; the order is that of the source. */
function messagesOf(tags: readonly string[]): ExpectedMessage[] {
  const found: { order: number; message: ExpectedMessage }[] = [];
  for (const tag of tags) {
    const match = /^comment:test_expect_(not_)?msg=(\d+)=(.*)$/s.exec(tag);
    if (match === null) continue;
    found.push({ order: Number(match[2]), message: { text: match[3], isNot: match[1] !== undefined } });
  }
  return found.sort((a, b) => a.order - b.order).map((entry) => entry.message);
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Literal text with `{{regular expression}}` parts. */
function matcher(wanted: string): RegExp {
  // Kernels before 6.18 print liveness marks (`R0_w=`); the log has none.
  const parts = wanted.replace(/\b(R\d+|fp-?\d+)_[rwD]+=/g, '$1=').split(/\{\{(.*?)\}\}/s);
  return new RegExp(parts.map((part, i) => (i % 2 === 1 ? posix(part) : escape(part))).join(''), 's');
}

const posix = (pattern: string): string =>
  pattern.replaceAll('[[:space:]]', '\\s').replaceAll('[[:digit:]]', '\\d').replaceAll('[:space:]', '\\s');

function parseRetval(text: string): number | undefined {
  const named: Readonly<Record<string, number>> = {
    INT_MIN: -0x8000_0000,
    POINTER_VALUE: NaN,
    TEST_DATA_LEN: 64,
  };
  const value = named[text] ?? Number(text);
  return Number.isNaN(value) ? undefined : value | 0;
}

function flagsOf(values: readonly string[]): VerifierFlags {
  const names = values.flatMap((value) => value.replaceAll('!', '').split(/[\s|]+/));
  const has = (name: string): boolean => names.includes(name);
  return {
    ...(has('BPF_F_STRICT_ALIGNMENT') ? { strictAlignment: true } : {}),
    ...(has('BPF_F_ANY_ALIGNMENT') ? { anyAlignment: true } : {}),
    ...(has('BPF_F_TEST_STATE_FREQ') ? { stateFrequency: true } : {}),
    ...(has('BPF_F_TEST_REG_INVARIANTS') ? { regInvariants: true } : {}),
    ...(has('BPF_F_SLEEPABLE') ? { sleepable: true } : {}),
  };
}

/** The annotations of a program: the decl tags on its function. */
export function annotationsOf(spec: ObjectSpec, program: ProgramSpec): Annotations {
  const { btf } = spec;
  const tags: string[] = [];
  if (btf !== undefined) {
    const func = btf.find(program.name, BtfKind.Func);
    for (const type of btf.types) {
      if (type.kind === BtfKind.DeclTag && type.component === -1 && type.type === func?.id)
        tags.push(type.name);
    }
  }
  return new Annotations(tags);
}
