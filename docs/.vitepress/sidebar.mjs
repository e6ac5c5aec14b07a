// The order in which the pages are read. A page that is not here, and a line here without a page, end the build.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/ensure-built.mjs';
import { pageOf } from './pages.mjs';

/** `[title of the group, page, page, …]`; a page bears its own heading, unless it is given as `[page, text]`. */
const GUIDE = [
  ['Begin', ['README.md', 'Overview'], 'docs/concepts.md', 'docs/guarantees.md'],
  ['Write a topology', 'docs/operators.md', 'docs/windows.md', 'docs/joins.md', 'docs/tables.md', 'docs/avro.md'],
  [
    'Run it',
    'docs/service.md',
    'docs/kafka.md',
    'docs/cli.md',
    'docs/errors.md',
    'docs/failing-records.md',
    'docs/dead-letters.md',
  ],
  ['Change it, and look back', 'docs/past.md', 'docs/reset.md', 'docs/changing-a-topology.md'],
  [
    'The rules in detail',
    'docs/time.md',
    'docs/wall-clock.md',
    'docs/calls.md',
    'docs/ids.md',
    'docs/names.md',
    'docs/record-sizes.md',
  ],
  ['Before production', 'docs/performance.md', 'docs/security.md'],
  ['Coming from elsewhere', 'docs/from-kafka-streams.md', 'docs/from-kafkajs.md'],
  ['The project', 'docs/architecture.md', ['CONTRIBUTING.md', 'Contributing'], ['CHANGELOG.md', 'Changes']],
];

const headingOf = (file) => {
  const [, heading] = /^# (.+)$/m.exec(readFileSync(join(root, file), 'utf8')) ?? [];
  if (heading === undefined) throw new Error(`${file} has no heading, so the sidebar cannot name it`);
  return heading.split(':')[0].replaceAll('`', '');
};

const item = (file, text = headingOf(file)) => ({ text, link: `/${pageOf(file)}` });

function examples() {
  const folder = 'topology-examples';
  return readdirSync(join(root, folder))
    .sort()
    .map((name) => `${folder}/${name}/README.md`)
    .filter((file) => existsSync(join(root, file)))
    .map((file) => item(file));
}

/** The doors of the reference, each with its groups of names: typedoc puts `millrace/testing` inside of `millrace`. */
const doors = (entries) =>
  entries
    .filter(({ link }) => link?.endsWith('/'))
    .flatMap(({ link, items = [] }) => [
      { text: link.replace(/^\/api\/|\/$/g, ''), link, items: items.filter((group) => group.link === undefined) },
      ...doors(items),
    ]);

/** A sidebar for the guide, and one for each door, that has only its own names. */
export function sidebars() {
  const listed = GUIDE.flatMap(([, ...pages]) => pages.flat().filter((name) => name.endsWith('.md')));
  const there = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const missing = there.map((name) => `docs/${name}`).filter((file) => !listed.includes(file));
  if (missing.length > 0) throw new Error(`no group of docs/.vitepress/sidebar.mjs has ${missing.join(', ')}`);
  const reference = doors(JSON.parse(readFileSync(join(root, 'docs/api/typedoc-sidebar.json'), 'utf8')));
  const closed = reference.map(({ text, link }) => ({ text, link }));
  return {
    '/': [
      ...GUIDE.map(([text, ...pages]) => ({ text, items: pages.map((page) => item(...[page].flat())) })),
      { text: 'Examples', collapsed: true, items: examples() },
      { text: 'API', items: closed },
    ],
    '/api/': [{ text: 'API', items: closed }],
    ...Object.fromEntries(
      reference.map((open, index) => [open.link, [{ text: 'API', items: closed.with(index, open) }]]),
    ),
  };
}
