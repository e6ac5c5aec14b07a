// The links of a Markdown file to others of the repository.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const LINK = /!?\[[^\]]*\]\(([^)\s]+)\)/g;
const HEADING = /^#{1,6}\s+(.*)$/;

/** The links of a file to others, or to a heading of itself; not to addresses of the web. */
export function relativeLinks(root, file) {
  const links = [];
  let code = false;
  for (const [index, line] of readFileSync(join(root, file), 'utf8').split('\n').entries()) {
    if (/^\s*(```|~~~)/.test(line)) code = !code;
    if (code) continue;
    for (const [, target] of line.replace(/`[^`]*`/g, '').matchAll(LINK)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path, heading] = target.split('#');
      links.push({ line: index + 1, to: path === '' ? file : join(dirname(file), path), heading });
    }
  }
  return links;
}

/** What links of a file lead nowhere: to no file, or to no heading of one. */
export const brokenLinks = (root, file) =>
  relativeLinks(root, file).flatMap(({ line, to, heading }) => {
    const text = !existsSync(join(root, to))
      ? `there is no ${to}`
      : heading !== undefined && !headings(join(root, to)).has(heading)
        ? `${to} has no heading #${heading}`
        : undefined;
    return text ? [{ line, text }] : [];
  });

/** The anchor of a heading, as GitHub makes it. */
export const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const headings = (path) =>
  new Set(
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line) => HEADING.exec(line)?.[1] ?? [])
      .map(anchorOf),
  );
