import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearestName } from '../../model/text/nearest-name.js';
import { show } from '../../model/text/show.js';
import { usage } from '../terminal/usage.js';

/** What a project can begin with. Its files are in the folder of that name in `templates/`. */
export interface Template {
  readonly name: string;
  /** One line of the help. */
  readonly summary: string;
  /** Scripts of package.json. */
  readonly scripts: { readonly start: string } & Readonly<Record<string, string>>;
}

/** In the order of the help. The first is the default: what a newcomer should see first. */
export const TEMPLATES: readonly [Template, ...Template[]] = [
  {
    name: 'count',
    summary: 'counts the visits of each page: the smallest topology with state',
    scripts: {
      start:
        'millrace run topology.ts --input visits=visits.jsonl --input-key page --print visits-by-page --until-idle',
    },
  },
  {
    name: 'events',
    summary: 'builds orders from events: drops duplicates, restores the order of versions, keeps dead letters',
    scripts: {
      start:
        'millrace run topology.ts --input order-events=order-events.jsonl --input-key order --input-timestamp at --on-error process=deadLetter --print orders --print orders-dead-letter --until-idle',
    },
  },
  {
    name: 'avro',
    summary: 'keeps account balances in Avro: schemas in the project, and types generated from them',
    scripts: {
      start:
        'millrace run topology.ts --input payments=payments.jsonl --input-key account --print balances --until-idle',
      schemas:
        'millrace schema check schemas && millrace schema register schemas && millrace schema generate schemas --out generated',
    },
  },
];

/** The root of the package, with `templates/` in it. */
export const PACKAGE = fileURLToPath(new URL('../../../', import.meta.url));

/** USAGE for a name that no template has. */
export function templateOf(name: string): Template {
  const found = TEMPLATES.find((template) => template.name === name);
  if (found) return found;
  const names = TEMPLATES.map((template) => template.name);
  const near = nearestName(name, names);
  throw usage(
    'there is no such template',
    show(name),
    `one of ${names.join(', ')}`,
    near === undefined ? 'See millrace new --help.' : `Did you mean ${near}? See millrace new --help.`,
  );
}

/** Files of all templates: by their names here, those in a project. npm packs no file named .gitignore. */
const SHARED: Readonly<Record<string, string>> = { 'tsconfig.json': 'tsconfig.json', gitignore: '.gitignore' };

/**
 * The files of a template, by their paths in a project. In a README `{{name}}` becomes the name of the
 * project.
 */
export function templateFiles(template: Template, name: string): Map<string, string> {
  const directory = join(PACKAGE, 'templates');
  const own = join(directory, template.name);
  const paths = readdirSync(own, { recursive: true, encoding: 'utf8' })
    // Not what a run in a checkout has left there.
    .filter((path) => !/(^|[\\/])\./.test(path) && statSync(join(own, path)).isFile())
    .sort();
  const text = (path: string): string =>
    basename(path) === 'README.md'
      ? readFileSync(path, 'utf8').replaceAll('{{name}}', name)
      : readFileSync(path, 'utf8');
  return new Map([
    ...Object.entries(SHARED).map(([here, there]) => [there, text(join(directory, here))] as const),
    ...paths.map((path) => [path, text(join(own, path))] as const),
  ]);
}
