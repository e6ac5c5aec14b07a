import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectFile } from '../support/project.js';

interface Site {
  problemsOf(site: string, base: string, expected: readonly string[]): { pages: number; problems: readonly string[] };
}
interface Pages {
  pageOf(file: string): string;
  linkOnSite(file: string, href: string): string | undefined;
}

const load = async <T>(file: string): Promise<T> => (await import(pathToFileURL(projectFile(file)).href)) as T;

describe('the check of the built site', () => {
  let site: string;
  beforeEach(() => {
    site = mkdtempSync(join(tmpdir(), 'millrace-site-'));
  });
  afterEach(() => rmSync(site, { recursive: true, force: true }));

  async function problems(
    pages: Readonly<Record<string, string>>,
    { base = '/', expected = [] as readonly string[] } = {},
  ): Promise<readonly string[]> {
    for (const [name, text] of Object.entries(pages)) {
      mkdirSync(dirname(join(site, name)), { recursive: true });
      writeFileSync(join(site, name), text);
    }
    const { problemsOf } = await load<Site>('scripts/docs/site.mjs');
    return problemsOf(site, base, expected).problems;
  }

  it('finds nothing where each link, anchor and picture is there', async () => {
    const pages = {
      'index.html': '<a href="/docs/api/">api</a> <a href="/docs/a.html#one&amp;two">a</a> <img src="/docs/p.svg">',
      'a.html':
        '<h1 id="one&amp;two">a</h1> <a href="#one&amp;two">here</a> <a href="https://kafka.apache.org">Kafka</a>',
      'api/index.html': '<a href="../a.html">a</a>',
      'p.svg': '<svg/>',
    };
    assert.deepEqual(await problems(pages, { base: '/docs/', expected: ['index.html', 'api/index.html'] }), []);
  });

  it('names the page whose link, anchor or picture is not there', async () => {
    const pages = { 'index.html': '<a href="/b.html">b</a> <a href="#gone">gone</a> <img src="/p.svg">' };
    assert.deepEqual(await problems(pages), [
      'index.html leads to /b.html, which is not there',
      'index.html leads to #gone, which is not there',
      'index.html leads to /p.svg, which is not there',
    ]);
  });

  it('names a page that should be there', async () => {
    assert.deepEqual(await problems({ 'index.html': '' }, { expected: ['kafka.html'] }), [
      'there is no page kafka.html',
    ]);
  });

  it('names a page that shows what is meant for the check of the documentation', async () => {
    const pages = {
      'a.html': '<!-- continues: README.md -->',
      'b.html': '<span>ts</span><pre><code><span>// file: topology.ts</span></code>',
      'c.html': '<span>sh</span><pre><code><span># run</span>\n<span>ls</span></code>',
      'd.html': '<span>sh</span><pre><code><span>npm run docs # run it</span></code>',
    };
    assert.deepEqual(await problems(pages), [
      'a.html shows "continues: README.md"',
      'b.html shows "// file: t"',
      'c.html shows "# run"',
    ]);
  });
});

describe('a page of the site', () => {
  it('is made of a Markdown file of the repository', async () => {
    const { pageOf } = await load<Pages>('docs/.vitepress/pages.mjs');
    const files = ['README.md', 'CONTRIBUTING.md', 'docs/kafka.md', 'topology-examples/01-word-count/README.md'];
    assert.deepEqual(files.map(pageOf), ['index.md', 'contributing.md', 'kafka.md', 'examples/01-word-count.md']);
  });

  it('is what a link to its file leads to', async () => {
    const { linkOnSite } = await load<Pages>('docs/.vitepress/pages.mjs');
    assert.equal(linkOnSite('README.md', 'docs/kafka.md'), '/kafka.md');
    assert.equal(linkOnSite('docs/past.md', '../README.md#a-topology'), '/index.md#a-topology');
    assert.equal(linkOnSite('README.md', 'topology-examples'), '/examples/');
    assert.equal(linkOnSite('docs/past.md', '#the-past'), undefined);
    assert.equal(linkOnSite('docs/past.md', 'https://example.org/a.md'), undefined);
    assert.equal(linkOnSite('README.md', 'docs/flow.svg'), undefined);
  });
});
