/** Finds module-level mutable state: a top-level let, or a top-level constant that some function writes into. */
import ts from 'typescript';
import type { SourceFile } from './source.js';
import { place, walk } from './source.js';

/** Methods by which the built-in containers and buffers change. */
const MUTATORS = new Set(
  'push pop shift unshift splice sort reverse fill copyWithin set add delete clear setUint8 setInt8 setUint16 setInt16 setUint32 setInt32 setBigUint64 setBigInt64 setFloat32 setFloat64 grow'.split(
    ' ',
  ),
);

export function mutableModuleState(file: SourceFile): string[] {
  const found: string[] = [];
  const constants = new Set<string>();
  for (const statement of file.ast.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    if ((statement.declarationList.flags & ts.NodeFlags.Const) === 0) {
      found.push(`${place(file, statement)}: top-level let or var`);
    }
    for (const declaration of statement.declarationList.declarations) {
      if (ts.isIdentifier(declaration.name)) constants.add(declaration.name.text);
    }
  }
  walk(file.ast, (node) => {
    if (ts.isPropertyDeclaration(node) && isStatic(node) && !isReadonly(node)) {
      found.push(`${place(file, node)}: static field that is not readonly`);
    }
    const base = writtenBase(node);
    if (base === undefined || !constants.has(base.text)) return;
    if (insideFunction(node) && !isShadowed(base)) {
      found.push(`${place(file, node)}: writes into the module's ${base.text}`);
    }
  });
  return found;
}

const hasModifier = (node: ts.PropertyDeclaration, kind: ts.SyntaxKind): boolean =>
  node.modifiers?.some((modifier) => modifier.kind === kind) ?? false;
const isStatic = (node: ts.PropertyDeclaration): boolean => hasModifier(node, ts.SyntaxKind.StaticKeyword);
const isReadonly = (node: ts.PropertyDeclaration): boolean =>
  hasModifier(node, ts.SyntaxKind.ReadonlyKeyword);

/** The identifier whose object a node changes: `x[i] = v`, `x.f++`, `delete x.f`, `x.push(v)`. */
function writtenBase(node: ts.Node): ts.Identifier | undefined {
  if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) return memberBase(node.left);
  if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
    const step =
      node.operator === ts.SyntaxKind.PlusPlusToken || node.operator === ts.SyntaxKind.MinusMinusToken;
    return step ? memberBase(node.operand) : undefined;
  }
  if (ts.isDeleteExpression(node)) return memberBase(node.expression);
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    return MUTATORS.has(node.expression.name.text) ? memberBase(node.expression) : undefined;
  }
  return undefined;
}

const isAssignment = (kind: ts.SyntaxKind): boolean =>
  kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;

function memberBase(node: ts.Expression): ts.Identifier | undefined {
  let current = node;
  let depth = 0;
  while (
    ts.isPropertyAccessExpression(current) ||
    ts.isElementAccessExpression(current) ||
    ts.isNonNullExpression(current)
  ) {
    current = current.expression;
    depth++;
  }
  return depth > 0 && ts.isIdentifier(current) ? current : undefined;
}

function insideFunction(node: ts.Node): boolean {
  for (let up = node.parent; !ts.isSourceFile(up); up = up.parent) if (ts.isFunctionLike(up)) return true;
  return false;
}

/** Whether a parameter or a local of an enclosing function has the same name. */
function isShadowed(name: ts.Identifier): boolean {
  for (let up: ts.Node = name.parent; !ts.isSourceFile(up); up = up.parent) {
    if (!ts.isFunctionLike(up)) continue;
    let declared = false;
    walk(up, (node) => {
      if (!ts.isVariableDeclaration(node) && !ts.isParameter(node)) return;
      declared ||= ts.isIdentifier(node.name) && node.name.text === name.text;
    });
    if (declared) return true;
  }
  return false;
}
