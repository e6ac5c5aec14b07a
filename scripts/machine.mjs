// Finds where a source reaches for the clock, the timers or the randomness of the machine.
import ts from 'typescript';

const FUNCTIONS = new Set(['setTimeout', 'setInterval', 'setImmediate', 'randomUUID', 'randomBytes', 'randomInt']);
const PROPERTIES = new Set(['Date.now', 'Math.random', 'process.hrtime', 'performance.now', 'crypto.randomUUID']);

/** The places, as syntax: what is written in comments and strings does not count. */
export function reachesForMachine(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const found = [];
  const visit = (node) => {
    const isCall = ts.isCallExpression(node) && ts.isIdentifier(node.expression) && FUNCTIONS.has(node.expression.text);
    const isNow = ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length;
    const isProperty =
      ts.isPropertyAccessExpression(node) && PROPERTIES.has(node.getText().replace(/^globalThis\./, ''));
    // Imported under its own name or another: from here on it could be called anything.
    const isImport = ts.isImportSpecifier(node) && FUNCTIONS.has((node.propertyName ?? node.name).text);
    if (isCall || isNow || isProperty || isImport) {
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      found.push({ line, text: node.getText().split('\n')[0] });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
