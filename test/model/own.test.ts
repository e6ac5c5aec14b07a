import assert from 'node:assert/strict';
import { relative } from 'node:path';
import ts from 'typescript';
import { ownOf, setOwn } from '#src/model/own.js';
import { projectRoot } from '../support/project.js';

const AWKWARD = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', '__proto__', '__defineGetter__'];

/** What of avsc's own making has to be indexed: these objects have no prototype (`bare`), or are deleted from. */
const BARE = new Set([
  'src/serdes/avro/codec/guards.ts: this._bucketIndices[lookOfValue(value)]',
  'src/serdes/avro/codec/guards.ts: unnamed._bucketIndices[look]',
]);

/** Reads, writes and `in` of an object by a text that is known only at run time. */
function lookUpsByText(): readonly string[] {
  const path = ts.findConfigFile(`${projectRoot}/src`, ts.sys.fileExists) as string;
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined };
  const config = ts.getParsedCommandLineOfConfigFile(path, { noEmit: true }, host);
  assert.ok(config);
  const program = ts.createProgram(config.fileNames, config.options);
  const checker = program.getTypeChecker();
  const isText = (type: ts.Type): boolean =>
    type.isUnion()
      ? type.types.some(isText)
      : (type.flags & (ts.TypeFlags.String | ts.TypeFlags.TemplateLiteral | ts.TypeFlags.Any)) !== 0;
  const found: string[] = [];
  for (const file of program.getSourceFiles()) {
    const name = relative(projectRoot, file.fileName);
    if (!name.startsWith('src/') || name === 'src/model/own.ts') continue;
    const visit = (node: ts.Node): void => {
      const place = `${name}: ${node.getText()}`;
      const byText = (key: ts.Expression): boolean =>
        !ts.isLiteralExpression(key) && isText(checker.getTypeAtLocation(key));
      const isDeleted = node.parent && ts.isDeleteExpression(node.parent);
      if (ts.isElementAccessExpression(node) && byText(node.argumentExpression) && !isDeleted && !BARE.has(place))
        found.push(place);
      if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.InKeyword && byText(node.left))
        found.push(place);
      ts.forEachChild(node, visit);
    };
    ts.forEachChild(file, visit);
  }
  return found;
}

describe('names that users give', () => {
  it('finds under a name what the object itself has, whatever the name', () => {
    for (const name of AWKWARD) {
      const object: Record<string, number> = {};
      assert.equal(ownOf(object, name), undefined);
      setOwn(object, name, 1);
      assert.equal(ownOf(object, name), 1);
      assert.equal(Object.getPrototypeOf(object), Object.prototype);
      const copy: Record<string, number> = JSON.parse(JSON.stringify({ ...object }));
      assert.equal(ownOf(copy, name), 1);
    }
  });

  it('are looked up in no plain object anywhere in the source', function () {
    this.timeout(120_000);
    assert.deepEqual(lookUpsByText(), [], 'use a Map, or ownOf and setOwn of src/model/own.ts');
  });
});
