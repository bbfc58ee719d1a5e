/** Reads the tree of src/ with TypeScript's parser, for tests about its shape. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

export interface SourceFile {
  /** Path below src/, with forward slashes. */
  readonly name: string;
  readonly ast: ts.SourceFile;
  /** Module specifiers of static, dynamic and type-only imports and of re-exports. */
  readonly imports: readonly string[];
}

export function readSources(): readonly SourceFile[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.split(path.sep).join('/'))
    .sort()
    .map((name) => {
      const ast = ts.createSourceFile(
        name,
        readFileSync(path.join(SRC, name), 'utf8'),
        ts.ScriptTarget.ES2023,
        true,
      );
      return { name, ast, imports: importsOf(ast) };
    });
}

/** The file below src/ that a relative specifier means, or undefined for a package or a Node module. */
export function resolveImport(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return path.posix.normalize(path.posix.join(path.posix.dirname(from), specifier)).replace(/\.js$/, '.ts');
}

export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** `name.ts:12` for messages. */
export function place(file: SourceFile, node: ts.Node): string {
  return `${file.name}:${file.ast.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
}

function importsOf(ast: ts.SourceFile): string[] {
  const found: string[] = [];
  walk(ast, (node) => {
    const specifier = moduleSpecifier(node);
    if (specifier !== undefined && ts.isStringLiteral(specifier)) found.push(specifier.text);
  });
  return found;
}

function moduleSpecifier(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return node.arguments[0];
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return node.argument.literal;
  return undefined;
}
