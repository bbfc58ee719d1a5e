/** Holds src/ to the dependency rules of docs/architecture.md. */
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { LAYERS, NODE_ALLOWED, PACKAGES, layerOf, within } from './layers.js';
import { mutableModuleState } from './module-state.js';
import type { SourceFile } from './source.js';
import { place, readSources, resolveImport, walk } from './source.js';

const sources = readSources();
const byName = new Map(sources.map((file) => [file.name, file]));

function violations(check: (file: SourceFile) => Iterable<string>): string[] {
  return sources.flatMap((file) => [...check(file)]);
}

describe('layers', () => {
  it('every file belongs to one', () => {
    expect(sources.filter((file) => layerOf(file.name) === undefined).map((file) => file.name)).toEqual([]);
  });

  it('import only downwards, type-only imports included', () => {
    const found = violations(function* (file) {
      const from = layerOf(file.name);
      for (const specifier of file.imports) {
        const target = resolveImport(file.name, specifier);
        const to = target === undefined ? undefined : layerOf(target);
        if (from === undefined || to === undefined || from.name === to.name || to.rank < from.rank) continue;
        yield `${file.name} (${from.name}) imports ${target} (${to.name})`;
      }
    });
    expect(found).toEqual([]);
  });

  it('relative imports name a file that exists, with its .js suffix', () => {
    const found = violations(function* (file) {
      for (const specifier of file.imports) {
        const target = resolveImport(file.name, specifier);
        if (target !== undefined && (!specifier.endsWith('.js') || !byName.has(target)))
          yield `${file.name}: ${specifier}`;
      }
    });
    expect(found).toEqual([]);
  });

  it('are the ones that docs/architecture.md lists', () => {
    const text = readFileSync(new URL('../../docs/architecture.md', import.meta.url), 'utf8');
    const listed = text
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1]));
    expect(listed).toEqual(LAYERS.flatMap((layer) => layer.paths));
  });
});

describe('the platform', () => {
  it('node: modules are imported only where they may be', () => {
    const found = violations(function* (file) {
      if (within(file.name, NODE_ALLOWED)) return;
      for (const specifier of file.imports)
        if (specifier.startsWith('node:')) yield `${file.name}: ${specifier}`;
    });
    expect(found).toEqual([]);
  });

  it('Buffer, process and require are used only where they may be', () => {
    const found = violations(function* (file) {
      if (within(file.name, NODE_ALLOWED)) return;
      const uses: string[] = [];
      walk(file.ast, (node) => {
        if (isGlobalUse(node)) uses.push(`${place(file, node)}: ${node.getText()}`);
      });
      yield* uses;
    });
    expect(found).toEqual([]);
  });

  it('packages are imported only by the files that fence them', () => {
    const found = violations(function* (file) {
      for (const specifier of file.imports) {
        if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
        if (!within(file.name, PACKAGES[specifier] ?? [])) yield `${file.name}: ${specifier}`;
      }
    });
    expect(found).toEqual([]);
  });

  it('the browser entry reaches no Node adapter and no command', () => {
    const reached = new Set<string>();
    const pending = ['browser.ts'];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (reached.has(name)) continue;
      reached.add(name);
      for (const specifier of byName.get(name)?.imports ?? []) {
        const target = resolveImport(name, specifier);
        if (target !== undefined) pending.push(target);
      }
    }
    expect([...reached].filter((name) => within(name, ['cli/', 'net/node-sock.ts', 'index.ts']))).toEqual([]);
  });
});

describe('modules', () => {
  it('hold no mutable state', () => {
    expect(violations(mutableModuleState)).toEqual([]);
  });

  it('have no default export', () => {
    const found = violations(function* (file) {
      for (const statement of file.ast.statements)
        if (ts.isExportAssignment(statement)) yield place(file, statement);
    });
    expect(found).toEqual([]);
  });
});

/** An identifier that means a Node global, not a property or a declaration of that name. */
function isGlobalUse(node: ts.Node): boolean {
  if (!ts.isIdentifier(node) || !['Buffer', 'process', 'require', '__dirname'].includes(node.text))
    return false;
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false;
  if (ts.isParameter(parent) || ts.isVariableDeclaration(parent) || ts.isFunctionDeclaration(parent))
    return false;
  return !(
    ts.isPropertyAssignment(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isPropertySignature(parent)
  );
}
