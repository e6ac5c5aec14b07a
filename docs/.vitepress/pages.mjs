// Which Markdown file of the repository becomes which page of the site.
import { posix } from 'node:path';

/** Patterns of files that are no pages: all but the README, what lies beside it, `docs` and the examples. */
export const SOURCES = ['!(README|CONTRIBUTING|CHANGELOG).md', '!(docs|topology-examples)/**/*.md'];

/** `docs/kafka.md` → `kafka.md`, `topology-examples/02-x/README.md` → `examples/02-x.md`, `README.md` → `index.md`. */
export function pageOf(file) {
  const [, example] = /^topology-examples\/(.+)\/README\.md$/.exec(file) ?? [];
  if (example) return `examples/${example}.md`;
  if (file === 'topology-examples/README.md') return 'examples/index.md';
  if (file === 'README.md') return 'index.md';
  return file.startsWith('docs/') ? file.slice('docs/'.length) : file.toLowerCase();
}

/** Where a link of a file leads on the site; undefined for one that leads to no Markdown file. */
export function linkOnSite(file, href) {
  const [, path, hash = ''] = /^([^:#?]+)(#.*)?$/.exec(href) ?? [];
  if (path === undefined || path.startsWith('/')) return undefined;
  const target = posix.join(posix.dirname(file), path);
  if (target === 'topology-examples') return `/examples/${hash}`;
  return target.endsWith('.md') ? `/${pageOf(target)}${hash}` : undefined;
}
