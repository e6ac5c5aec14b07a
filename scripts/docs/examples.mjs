// The examples in doc comments: each ```ts block of the public sources must compile on its own, for who copies it.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from '../ensure-built.mjs';
import { blocksOf } from './markdown.mjs';
import { exportedNames } from './names.mjs';
import { makeProject, removeProject, typeCheck } from './project.mjs';

/** Where an example's names come from if it does not say: the first that has the name. */
const PRELUDE = './doc-prelude.js';
const MODULES = [PRELUDE, 'millrace', 'millrace/replay', 'millrace/letters', 'rxjs'];

function sources() {
  const folders = ['dsl', 'replay', 'letters', join('runtime', 'ledger'), join('serdes', 'avro')].map((name) =>
    join('src', name),
  );
  const files = folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)));
  return [...files.filter((name) => name.endsWith('.ts')), join('src', 'index.ts')].filter((name) =>
    existsSync(join(root, name)),
  );
}

/** The ```ts blocks of a source's doc comments, with their lines in the source. */
function examplesOf(file) {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/\/\*\*([\s\S]*?)\*\//g)].flatMap((comment) => {
    const firstLine = text.slice(0, comment.index).split('\n').length;
    const markdown = comment[1].replace(/^[ \t]*\* ?/gm, '').replaceAll('*\\/', '*/');
    return blocksOf(markdown)
      .filter((block) => block.language === 'ts')
      .map((block) => ({ file, line: firstLine + block.line - 1, text: block.text }));
  });
}

/** The example with one line before it: the imports of what it uses and neither imports nor declares. */
function complete(example, names) {
  const source = ts.createSourceFile('example.ts', example.text, ts.ScriptTarget.ES2023, true);
  const used = new Set();
  const visit = (node) => {
    if (ts.isIdentifier(node)) used.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  const taken = declaredAtTop(source);
  const imports = MODULES.map((specifier) => {
    const wanted = names.get(specifier).filter(({ name }) => used.has(name) && !taken.has(name));
    for (const { name } of wanted) taken.add(name);
    return wanted.length === 0 ? '' : `import { ${wanted.map(({ name }) => name).join(', ')} } from '${specifier}';`;
  });
  return `${imports.join(' ')}\n${example.text}\n`;
}

function declaredAtTop(source) {
  const names = new Set();
  const add = (name) => {
    if (!name) return;
    if (ts.isIdentifier(name)) names.add(name.text);
    else for (const element of name.elements) if (!ts.isOmittedExpression(element)) add(element.name);
  };
  for (const statement of source.statements) {
    if (ts.isVariableStatement(statement)) for (const { name } of statement.declarationList.declarations) add(name);
    else if (ts.isImportDeclaration(statement)) {
      const { name, namedBindings } = statement.importClause ?? {};
      add(name);
      if (namedBindings && ts.isNamedImports(namedBindings))
        for (const element of namedBindings.elements) add(element.name);
      else add(namedBindings?.name);
    } else add(statement.name);
  }
  return names;
}

/** Type-checks all examples; `report(name, problem?)` is called for each. */
export async function checkExamples(report) {
  const examples = sources().flatMap(examplesOf);
  if (examples.length === 0) return;
  const project = makeProject([['scripts/doc-prelude.ts', 'doc-prelude.ts']]);
  try {
    const names = exportedNames(project, MODULES);
    const files = examples.map((example, index) => {
      const file = `example-${index}.ts`;
      writeFileSync(join(project, file), complete(example, names));
      return file;
    });
    const messages = await typeCheck(project, ['doc-prelude.ts', ...files]);
    for (const [index, { file, line }] of examples.entries()) {
      const problems = messages.get(files[index])?.map((message) => {
        // Line 1 of the file is that of the imports; line 0 continues the message before.
        const where = message.line === 0 ? '' : `${file}:${message.line === 1 ? line : line + message.line - 2} `;
        return where + message.text;
      });
      report(`example in ${file}:${line}`, problems?.join('\n'));
    }
    const other = [...(messages.get('doc-prelude.ts') ?? []), ...(messages.get('') ?? [])];
    if (other.length > 0)
      report('scripts/doc-prelude.ts', other.map((message) => `${message.line || ''} ${message.text}`).join('\n'));
  } finally {
    removeProject(project);
  }
}
