import assert from 'node:assert/strict';
import ts from 'typescript';
import { projectFile } from '../support/project.js';
import { latePromises } from './late-promises.js';

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: ['node'],
};

/** What the rule finds in functions with those bodies. */
function foundIn(bodies: readonly string[]): readonly string[] {
  const file = projectFile('src/example.ts');
  const functions = bodies.map((body, i) => `export async function f${i}() { ${body} }\n`);
  const text = `declare function work(): Promise<void>;\ndeclare function use(p: unknown): void;\n${functions.join('')}`;
  const host = ts.createCompilerHost(OPTIONS);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (name, version, ...rest) =>
    name === file ? ts.createSourceFile(name, text, version, true) : read(name, version, ...rest);
  return latePromises(ts.createProgram([file], OPTIONS, host), 'src/').map(({ at }) => at.replace(/^\S+ /, ''));
}

describe('a promise that is not awaited at once', () => {
  it('has a handler from its first moment, in all of src', () => {
    const { fileNames } = ts.parseJsonConfigFileContent(
      ts.readConfigFile(projectFile('src/tsconfig.json'), ts.sys.readFile).config,
      ts.sys,
      projectFile('src'),
    );
    const program = ts.createProgram(fileNames, OPTIONS);
    assert.ok(program.getSourceFiles().filter(({ fileName }) => fileName.includes('/src/')).length > 300);
    assert.deepEqual(
      latePromises(program, 'src/').map(({ at }) => at),
      [],
    );
  });

  it('is found where it has none, and not where it has one, or is given away', () => {
    const wrong = [
      'const a = work(); await work(); await a;',
      'const b = work(); try { await work(); } finally { await b; }',
      'const c = work();',
    ];
    const right = [
      'const p = work(); await p;',
      'const p = work(); p.catch(() => undefined); await work(); await p;',
      'const p = work().catch(() => undefined); await work();',
      'const p = work(); await Promise.all([p, work()]);',
      'const p = work(); use(p); await work();',
      'const p = work(); return p;',
      'const p = Promise.allSettled([work()]); await work(); await p;',
    ];
    assert.deepEqual(foundIn([...wrong, ...right]), ['a = work()', 'b = work()', 'c = work()']);
  });
});
