// Writes dist/require: for each door of the package a declaration for `require` and for imports in CommonJS modules. The code is
// the same, because Node loads ECMAScript modules with `require`. But TypeScript before 5.8, and `module: node16` of any version,
// refuse to import one from a CommonJS module. So these files are CommonJS, and take each name from the declarations of `import`.
//
//   node scripts/package/require-types.mjs     (npm pack runs it)
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import ts from 'typescript';
import { isMain, REQUIRE_TYPES, root } from '../ensure-built.mjs';

/** The doors with declarations for both kinds of modules: those of `import`, and where those of `require` belong. */
function doors() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.values(exports)
    .filter((door) => typeof door === 'object')
    .map(({ types }) => ({ imported: join(root, types.default), required: join(root, types.require) }));
}

export function writeRequireTypes() {
  mkdirSync(join(root, 'dist', REQUIRE_TYPES), { recursive: true });
  const all = doors();
  const program = ts.createProgram(
    all.map(({ imported }) => imported),
    { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2023, skipLibCheck: true, types: [] },
  );
  for (const { imported, required } of all) {
    const text = declarations(program, imported, required);
    // Another process may be packing them.
    if (!existsSync(required) || readFileSync(required, 'utf8') !== text) writeFileSync(required, text);
  }
}

/** `export *` takes types only, across the kinds of modules; each value is declared to have the type of the imported one. */
function declarations(program, imported, required) {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(imported);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`${relative(root, imported)} is no module: is it built?`);
  const path = relative(dirname(required), imported)
    .split(sep)
    .join('/')
    .replace(/\.d\.ts$/, '.js');
  const from = `import('${path}', { with: { 'resolution-mode': 'import' } })`;
  const lines = checker.getExportsOfModule(module).flatMap((symbol) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    if (!(target.flags & ts.SymbolFlags.Value)) return [];
    const value = `${comment(target)}export declare const ${symbol.name}: typeof ${from}.${symbol.name};`;
    return target.flags & ts.SymbolFlags.Type ? [value, typeOf(symbol.name, target, from)] : [value];
  });
  return [`export type * from '${path}' with { 'resolution-mode': 'import' };`, ...lines, ''].join('\n');
}

/** A class is a type, too. */
function typeOf(name, target, from) {
  const generic = target.declarations.some((declaration) => declaration.typeParameters);
  if (generic)
    throw new Error(`${name} is a generic class: scripts/package/require-types.mjs has to declare its parameters`);
  return `export type ${name} = ${from}.${name};`;
}

/** What editors show. Of a function they show the comment of the signature, which is found without. */
function comment(target) {
  if (target.flags & ts.SymbolFlags.Function) return '';
  const statement = (node) => (ts.isVariableDeclaration(node) ? node.parent.parent : node);
  const docs = target.declarations.flatMap((node) => ts.getJSDocCommentsAndTags(statement(node))).filter(ts.isJSDoc);
  return docs.map((doc) => `${doc.getText()}\n`).join('');
}

if (isMain(import.meta.url)) writeRequireTypes();
