// The reference of the public names, from their doc comments: Markdown pages for the site.
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Application } from 'typedoc';
import { load as asMarkdown } from 'typedoc-plugin-markdown';
import { load as forVitepress } from 'typedoc-vitepress-theme';
import { root } from '../ensure-built.mjs';

/** The doors that package.json exports, by name: `millrace/testing`, of `./dist/testing/index.js`, is `src/testing/index.ts`. */
function doors() {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return new Map(
    Object.entries(exports).flatMap(([door, { default: file }]) =>
      file === undefined ? [] : [[posix.join(name, door), file.replace(/^\.\/dist\/(.+)\.js$/, 'src/$1.ts')]],
    ),
  );
}

/** Writes the pages and the sidebar of the reference; throws if a doc comment says what is not there. */
export async function writeReference(out) {
  const sources = doors();
  const app = await Application.bootstrapWithPlugins({
    entryPoints: [...sources.values()].map((file) => join(root, file)),
    tsconfig: join(root, 'src', 'tsconfig.json'),
    // The compiler has said what it had to say when the code was built.
    skipErrorChecking: true,
    plugin: [asMarkdown, forVitepress],
    out,
    docsRoot: join(root, 'docs'),
    name: 'API',
    readme: 'none',
    includeVersion: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    disableSources: true,
    githubPages: false,
    indexFormat: 'table',
    parametersFormat: 'table',
    groupOrder: ['Functions', 'Classes', 'Variables', 'Interfaces', 'Type Aliases'],
    // What public types are made of may stay inside.
    validation: { notExported: false, invalidLink: true, invalidPath: true, rewrittenLink: true },
    treatWarningsAsErrors: true,
    treatValidationWarningsAsErrors: true,
    logLevel: 'Warn',
  });
  const project = await app.convert();
  if (project) {
    const named = new Set(project.children?.map((module) => module.name));
    for (const [door, file] of sources)
      if (!named.has(door)) throw new Error(`${file} is a door, but its first comment does not say: @module ${door}`);
    app.validate(project);
    await app.generateOutputs(project);
  }
  const { errorCount, warningCount } = app.logger;
  if (!project || errorCount + warningCount > 0)
    throw new Error(`typedoc: ${errorCount} errors and ${warningCount} warnings in doc comments, listed above`);
}
