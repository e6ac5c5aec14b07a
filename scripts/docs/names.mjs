// The exported names of modules, as the type checker sees them: types have no value, so that Object.keys does not know them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * For each specifier, seen from an ECMAScript module (`mts`) or a CommonJS module (`cts`) in a directory: its exported names,
 * sorted, and whether each is a type only.
 */
export function exportedNames(directory, specifiers, kind = 'mts') {
  const file = join(directory, `exported-names.${kind}`);
  writeFileSync(
    file,
    specifiers
      .map((specifier, index) => `import * as m${index} from '${specifier}';\nexport { m${index} };\n`)
      .join(''),
  );
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    skipLibCheck: true,
    types: [],
  });
  const checker = program.getTypeChecker();
  const imports = program.getSourceFile(file).statements.filter(ts.isImportDeclaration);
  return new Map(
    imports.map((declaration, index) => {
      const module = checker.getSymbolAtLocation(declaration.moduleSpecifier);
      if (!module) throw new Error(`${specifiers[index]} cannot be resolved: is it built, does it have declarations?`);
      const names = checker.getExportsOfModule(module).map((symbol) => {
        const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
        return { name: symbol.name, isType: (target.flags & ts.SymbolFlags.Value) === 0 };
      });
      return [specifiers[index], names.sort((a, b) => (a.name < b.name ? -1 : 1))];
    }),
  );
}
