/** How commands talk: results on stdout, everything else on stderr; one JSON document a run where asked. */
import { styleText } from 'node:util';
import { BpfError } from '../errors.js';

/** Exit codes of the command line. */
export const Exit = {
  ok: 0,
  /** The program or a check failed. */
  failed: 1,
  usage: 2,
  badObject: 3,
  refused: 4,
  interrupted: 130,
} as const;

export interface GlobalOptions {
  readonly json?: boolean;
  readonly pretty?: boolean;
  readonly debug?: boolean;
}

/** Thrown by a command to end with a given code after it printed what there was to print. */
export class CliExit extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}

export interface CliIo {
  out(text: string | Uint8Array): void;
  err(text: string): void;
  readonly isTty: boolean;
  /** All of standard input; absent: that of the process. */
  readonly stdin?: () => Promise<Uint8Array>;
}

export const processIo: CliIo = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  isTty: process.stdout.isTTY ?? false,
};

/** One document; `--pretty` indents it. BigInts become decimal strings, byte arrays hex. */
export function printJson(io: CliIo, value: unknown, options: GlobalOptions): void {
  const text = JSON.stringify(
    value,
    (_key, item: unknown) =>
      typeof item === 'bigint'
        ? item.toString()
        : item instanceof Uint8Array
          ? Buffer.from(item.buffer, item.byteOffset, item.length).toString('hex')
          : item,
    options.pretty === true ? 2 : undefined,
  );
  io.out(`${text}\n`);
}

/** styleText follows NO_COLOR and pipes by itself. */
export const bold = (text: string): string => styleText('bold', text);
export const dim = (text: string): string => styleText('dim', text);

/** The exit code that an error stands for: by its code's family. */
export function exitCodeOf(error: BpfError): number {
  if (error.code.startsWith('ERR_BPF_USAGE')) return Exit.usage;
  if (/^ERR_BPF_(ELF|BTF|RELO|OBJECT)/.test(error.code)) return Exit.badObject;
  if (/^ERR_BPF_(VERIFIER|INSN)/.test(error.code)) return Exit.refused;
  return Exit.failed;
}

/** Prints an error as a user should see it, and returns the exit code. Unknown errors keep their stack. */
export function reportError(io: CliIo, error: unknown, options: GlobalOptions): number {
  if (error instanceof CliExit) return error.exitCode;
  if (error instanceof BpfError) {
    io.err(`bpfvm: ${error.message}\n`);
    if (options.debug === true && error.stack !== undefined) io.err(`${error.stack}\n`);
    return exitCodeOf(error);
  }
  io.err(
    `bpfvm: internal error, please report it: ${error instanceof Error ? error.stack : String(error)}\n`,
  );
  return Exit.failed;
}
