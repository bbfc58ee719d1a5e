/** A command line without a process: what it wrote, and what it reads. */
import { main } from '../../src/cli/main.js';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Standard output as bytes. */
  readonly bytes: Uint8Array;
}

/** Runs `bpfvm ARGV...` with `stdin` as its input. */
export async function bpfvm(argv: readonly string[], stdin: string | Uint8Array = ''): Promise<CliResult> {
  const out: Buffer[] = [];
  let err = '';
  const code = await main(argv, {
    out: (text) => void out.push(Buffer.from(text)),
    err: (text) => void (err += text),
    isTty: false,
    stdin: () => Promise.resolve(Buffer.from(stdin)),
  });
  const bytes = Buffer.concat(out);
  return { code, out: bytes.toString(), err, bytes };
}
