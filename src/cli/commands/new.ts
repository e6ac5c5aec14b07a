import { basename, relative, resolve } from 'node:path';
import { plainText } from '../../model/text/plain-text.js';
import { packageJson, packageName } from '../new/manifest.js';
import { TEMPLATES, type Template, templateFiles, templateOf } from '../new/templates.js';
import { writeProject } from '../new/write-project.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { usage } from '../terminal/usage.js';

const WIDTH = Math.max(...TEMPLATES.map(({ name }) => name.length));

const HELP = `
Templates:
${TEMPLATES.map(({ name, summary }) => `  ${name.padEnd(WIDTH)}  ${summary}`).join('\n')}

A project has a topology, its test, sample data, package.json, tsconfig.json, .gitignore and a README. Its npm test checks types and runs
the test without a broker; its npm start runs the topology over the sample data, on a broker in the directory .millrace.

It depends on this version of millrace, or on the file that this millrace was installed from, and on the versions of RxJS, TypeScript and
tsx that this millrace is tested with. Nothing is installed, and nothing is asked.

The directory must be new or empty (a repository of git may be in it). After a failure nothing is left.

Examples:
  $ millrace new my-app
  $ millrace new my-app --template ${TEMPLATES[1]?.name}`;

/** `millrace new DIR`: a project that runs and tests at once. */
export function addNew(program: Program): void {
  program.parent
    .command('new')
    .description('make a project that runs and tests at once')
    .argument('<directory>', 'where it is made; the project has its name')
    .option('--template <name>', 'what it begins with, see below', TEMPLATES[0].name)
    .addHelpText('after', HELP)
    .action((directory, options) => program.act((io) => makeProject(directory, templateOf(options.template), io)));
}

async function makeProject(directory: string, template: Template, io: Io): Promise<number> {
  if (directory === '') throw usage('cannot make a project', 'an empty name', 'the name of a directory');
  const target = resolve(io.cwd, directory);
  const name = packageName(target);
  const files = templateFiles(template, name).set('package.json', packageJson(name, template));
  await writeProject(target, files);
  const path = relative(io.cwd, target);
  const renamed = name === basename(target) ? '' : `, as the package ${name}`;
  const next = [...(path === '' ? [] : [`cd ${quoted(path)}`]), 'npm install', 'npm test', 'npm start'];
  const lines = next.map((command) => `  ${command}\n`).join('');
  const shown = plainText(path === '' ? 'this directory' : path);
  await write(
    io.stdout,
    `made ${shown} from the template ${template.name}${renamed}; README.md says what it does\n\n${lines}`,
  );
  return 0;
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  const safe = path.startsWith('-') ? `./${path}` : path;
  if (!/[^\w./\\:@%+,=-]/.test(safe)) return safe;
  return process.platform === 'win32' ? `"${safe}"` : `'${safe.replaceAll("'", "'\\''")}'`;
}
