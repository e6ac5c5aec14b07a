// Whether the built site holds together: what links of its pages lead to, and what the pages show.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** What tells the check of the documentation what to execute: no page shows it. */
const STEERING = /continues: \S+\.md|(?:\/\/|#) ?file: \S|^(?:\/\/ ?test|# ?run)\s*$/m;
const decoded = (text) => text.replaceAll('&amp;', '&').replaceAll('&lt;', '<').replaceAll('&quot;', '"');
/** The text of a page with its comments; a block of code begins on a line of its own. */
const shown = (html) => decoded(html.replaceAll(/<pre\b/g, '\n<pre').replaceAll(/<(?!!--)[^>]*>/g, ''));

/** The pages of a site, by their paths in it: text, anchors, and where links and pictures lead to. */
function pagesOf(site) {
  const files = readdirSync(site, { recursive: true }).map((name) => name.replaceAll('\\', '/'));
  return new Map(
    files
      .filter((name) => name.endsWith('.html'))
      .map((name) => {
        const html = readFileSync(join(site, name), 'utf8');
        const all = (pattern) => [...html.matchAll(pattern)].map(([, found]) => decoded(found));
        return [name, { html, anchors: new Set(all(/\sid="([^"]+)"/g)), targets: all(/\s(?:href|src)="([^"]+)"/g) }];
      }),
  );
}

/** What is wrong with a site that should have these pages; `base` is the path that it will be served under. */
export function problemsOf(site, base, expected) {
  const pages = pagesOf(site);
  const problems = expected.filter((name) => !pages.has(name)).map((name) => `there is no page ${name}`);
  for (const [name, { html, targets }] of pages) {
    if (name === '404.html') continue;
    const steering = STEERING.exec(shown(html));
    if (steering) problems.push(`${name} shows "${steering[0].trim()}"`);
    for (const target of new Set(targets)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path, anchor] = target.split('#').map(decodeURIComponent);
      const inside = path.startsWith(base) ? path.slice(base.length) : posix.join(posix.dirname(name), path);
      const to = path === '' ? name : inside === '' || inside.endsWith('/') ? `${inside}index.html` : inside;
      if (pages.has(to) ? anchor && !pages.get(to).anchors.has(anchor) : !existsSync(join(site, to)))
        problems.push(`${name} leads to ${target}, which is not there`);
    }
  }
  return { pages: pages.size, problems };
}
