import ts from 'typescript';

/** A promise that is awaited later than at once, without a handler until then: a rejection meanwhile ends the process. */
export interface LatePromise {
  /** `src/runtime/task/task.ts:12 const beats = …` */
  readonly at: string;
}

/**
 * Finds local variables that hold a promise over another `await`, or over the end of the function, and that no handler was
 * attached to before. What is passed to a function, returned, or stored in a field is the business of whoever has it then.
 */
export function latePromises(program: ts.Program, folder: string): readonly LatePromise[] {
  const checker = program.getTypeChecker();
  const found: LatePromise[] = [];
  for (const source of program.getSourceFiles()) {
    if (source.isDeclarationFile || !source.fileName.includes(folder)) continue;
    const visit = (node: ts.Node): void => {
      if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer && isLate(node, checker)) {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart());
        const name = source.fileName.slice(source.fileName.lastIndexOf(folder));
        found.push({ at: `${name}:${line + 1} ${node.getText().split('\n')[0]}` });
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return found;
}

function isLate(declaration: ts.VariableDeclaration, checker: ts.TypeChecker): boolean {
  const { initializer, name } = declaration;
  if (!initializer || !isPromise(checker.getTypeAtLocation(initializer), checker) || handles(initializer)) return false;
  const scope = functionOf(declaration);
  if (!scope) return false;
  const symbol = checker.getSymbolAtLocation(name);
  // In the order of the text: the first use, and the first await behind the declaration.
  let verdict: boolean | undefined;
  const visit = (node: ts.Node): void => {
    if (verdict !== undefined) return;
    if (ts.isAwaitExpression(node) && node.pos >= declaration.end) {
      // `await x`, or an await of something that x is part of, is in time.
      verdict = !mentions(node, symbol, checker);
      return;
    }
    if (ts.isIdentifier(node) && node.pos >= declaration.end && checker.getSymbolAtLocation(node) === symbol) {
      verdict = false;
      return;
    }
    // A function that is made meanwhile runs when it is called: what it awaits is awaited later.
    if (node !== scope && ts.isFunctionLike(node)) {
      if (node.pos >= declaration.end && mentions(node, symbol, checker)) verdict = false;
      return;
    }
    ts.forEachChild(node, visit);
  };
  visit(scope);
  return verdict ?? true;
}

const isPromise = (type: ts.Type, checker: ts.TypeChecker): boolean =>
  checker
    .typeToString(checker.getNonNullableType(type), undefined, ts.TypeFormatFlags.NoTruncation)
    .startsWith('Promise<');

/** `….catch(…)`, `….then(a, b)`, and what is made of promises that have handlers: allSettled. */
function handles(node: ts.Expression): boolean {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false;
  const { name } = node.expression;
  return name.text === 'catch' || name.text === 'allSettled' || (name.text === 'then' && node.arguments.length === 2);
}

function functionOf(node: ts.Node): ts.Node | undefined {
  for (let at: ts.Node | undefined = node.parent; at; at = at.parent) if (ts.isFunctionLike(at)) return at;
  return undefined;
}

function mentions(node: ts.Node, symbol: ts.Symbol | undefined, checker: ts.TypeChecker): boolean {
  if (ts.isIdentifier(node) && checker.getSymbolAtLocation(node) === symbol) return true;
  return ts.forEachChild(node, (child) => mentions(child, symbol, checker) || undefined) ?? false;
}
