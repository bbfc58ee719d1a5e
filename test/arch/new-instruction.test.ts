/**
 * Semantics are written in three places: the interpreter, the WebAssembly emitter and the verifier's transfer function.
 * An instruction that one of them lacks must not compile. Each case adds something to the instruction table in the
 * compiler's memory and looks where type errors appear; as it is, the type check finds none.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const INTERPRETER = 'src/vm/interpreter.ts';
const EMITTER = 'src/vm/jit/emitters.ts';
const TRANSFER = 'src/verifier/step.ts';
const ALU = 'src/verifier/scalar-alu.ts';
const BRANCH = 'src/verifier/branch.ts';

const GENERATED = 'src/isa/op.gen.ts';
const TABLE = 'src/isa/ops.ts';

interface Edit {
  readonly file: string;
  readonly from: string | RegExp;
  readonly to: string;
}

/** A new row: the generator adds a member to the enum and a name. */
const NEW_OP: readonly Edit[] = [
  { file: GENERATED, from: /hole = (\d+),/, to: 'brand_new = $1, hole = 255,' },
  { file: GENERATED, from: 'export type OpName =', to: "export type OpName = | 'brand_new'" },
];
const addTo = (member: string): Edit => ({ file: TABLE, from: member, to: `'brand_new' | ${member}` });

/** Parsed once: what the cases edit is parsed anew. */
const sources = new Map<string, ts.SourceFile | undefined>();

/** Files of `sites` with type errors once the edits are made. */
function filesWithErrors(edits: readonly Edit[], sites: readonly string[]): string[] {
  const options = parseConfig();
  const host = ts.createCompilerHost(options);
  const { readFile, getSourceFile } = host;
  const edited = new Map<string, string>();
  for (const { file, from, to } of edits) {
    const at = path.join(root, file);
    const text = edited.get(at) ?? readFileSync(at, 'utf8');
    expect(text.search(from), `${file} has ${String(from)}`).toBeGreaterThanOrEqual(0);
    edited.set(at, text.replace(from, to));
  }
  host.readFile = (file) => edited.get(path.normalize(file)) ?? readFile(file);
  host.getSourceFile = (file, target, ...rest) => {
    const text = edited.get(path.normalize(file));
    if (text !== undefined) return ts.createSourceFile(file, text, target);
    if (!sources.has(file)) sources.set(file, getSourceFile(file, target, ...rest));
    return sources.get(file);
  };
  const program = ts.createProgram(
    sites.map((site) => path.join(root, site)),
    options,
    host,
  );
  return sites.filter((site) => {
    const source = program.getSourceFile(path.join(root, site));
    return program.getSemanticDiagnostics(source).length > 0;
  });
}

function parseConfig(): ts.CompilerOptions {
  const file = path.join(root, 'tsconfig.json');
  const { config } = ts.readConfigFile(file, ts.sys.readFile) as { config: unknown };
  return { ...ts.parseJsonConfigFileContent(config, ts.sys, root).options, noEmit: true };
}

describe('the compiler', () => {
  it.each([
    ['a row that the interpreter and the emitter lack', NEW_OP, [INTERPRETER, EMITTER]],
    ['a kind of instruction that the verifier lacks', [addTo("'alu' // dst")], [TRANSFER]],
    ['an ALU operation that the verifier lacks', [addTo("'add' | 'sub'")], [ALU]],
    ['a condition that the verifier lacks', [addTo("'jeq' | 'jgt'")], [BRANCH]],
  ])('refuses %s', (_what, edits, sites) => {
    expect(filesWithErrors(edits, sites)).toEqual(sites);
  });
});
