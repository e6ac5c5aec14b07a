// `npm run docs`: makes the site of the documentation in docs/.vitepress/dist, and looks whether it holds together.
//
//   node scripts/docs.mjs [--base /PATH/] [--serve]     --base: where it will be served; --serve shows it on this machine
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt, root } from './ensure-built.mjs';

const folder = join(root, 'docs');
const site = join(folder, '.vitepress', 'dist');
const reference = join(folder, 'api');

/** Pages that must be there: those of `docs`, and of names that everybody looks up. */
const expected = () => [
  'index.html',
  'api/index.html',
  'api/millrace/functions/dedupe.html',
  'api/millrace/testing/classes/TestDriver.html',
  'api/millrace/replay/functions/bisect.html',
  'api/millrace/letters/functions/listLetters.html',
  'api/millrace/avro/variables/avro.html',
  ...readdirSync(folder)
    .filter((name) => name.endsWith('.md'))
    .map((name) => name.replace(/\.md$/, '.html')),
];

async function make(base) {
  ensureBuilt();
  // Loaded late: they are there only once ensureBuilt has installed them.
  const { writeReference } = await import('./docs/reference.mjs');
  const { problemsOf } = await import('./docs/site.mjs');
  const { build, serve } = await import('vitepress');
  for (const made of [reference, site]) rmSync(made, { recursive: true, force: true });
  await writeReference(reference);
  await build(folder, { base });
  const { pages, problems } = problemsOf(site, base, expected());
  for (const problem of problems) console.log(`✗ ${problem}`);
  console.log(`${pages} pages in docs/.vitepress/dist`);
  return { pages, failed: problems.length, serve };
}

try {
  const { values } = parseArgs({ options: { base: { type: 'string', default: '/' }, serve: { type: 'boolean' } } });
  const { base } = values;
  if (!/^\/(.*\/)?$/.test(base)) throw new Error(`--base is ${base}, expected a path that begins and ends with /`);
  const { pages, failed, serve } = await make(base);
  console.log(`${Math.max(pages - failed, 0)} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
  if (values.serve && failed === 0) await serve({ root: folder, base });
} catch (error) {
  console.log(`✗ ${error.message}\n0 passed, 1 failed`);
  process.exitCode = 1;
}
