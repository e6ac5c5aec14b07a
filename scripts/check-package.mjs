// Checks the package as users get it: what is in the tarball, whether tools and both module systems can load it,
// whether its public names are those that were agreed (test/fixtures/public-names.json), and whether the projects that
// its `millrace new` makes do what their READMEs say.
//
//   node scripts/check-package.mjs [--update]     --update writes the public names instead of comparing them
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { relativeLinks } from './docs/links.mjs';
import { blocksOf, difference } from './docs/markdown.mjs';
import { execute } from './docs/project.mjs';
import { root } from './ensure-built.mjs';
import { check, concludeChecks } from './package/checks.mjs';
import { makeUser, manifest, NPM_ENV, output, pack } from './package/tarball.mjs';

const NAMES = join(root, 'test', 'fixtures', 'public-names.json');
const ALLOWED =
  /^(dist\/.+\.(js|d\.c?ts)|(templates|topology-examples|schemas)\/([^/.]+\/)*[^/.][^/]*|docs\/[^/]+\.(md|svg)|package\.json|(README|CHANGELOG|CONTRIBUTING)\.md|LICENSE)$/;
/** What belongs to a clone: how the code is tested and measured, and the large data of an example. */
const SURPRISING = /(^|\/)(test|tests|bench|data)\/|^dist\/.*\.test\.|\.map$/;
const REQUIRED = [
  'package.json',
  'README.md',
  'LICENSE',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/testing/index.js',
  'dist/testing/index.d.ts',
  'dist/replay/index.js',
  'dist/replay/index.d.ts',
  'dist/letters/index.js',
  'dist/letters/index.d.ts',
  'dist/serdes/avro/index.js',
  'dist/serdes/avro/index.d.ts',
  'dist/broker/kafkajs/index.js',
  'dist/broker/kafkajs/index.d.ts',
  'dist/dsl/index.js',
  'dist/dsl/index.d.ts',
  'dist/require/index.d.cts',
  'dist/cli/bin.js',
  'templates/gitignore',
  'templates/tsconfig.json',
];
/** What is compressed into the tarball is downloaded by every user: a jump means that something slipped in. */
const MAX_PACKED_BYTES = 1_250_000;
/** The doors of the package, behind its name. */
const DOORS = ['', '/testing', '/replay', '/letters', '/kafka', '/options', '/avro'];
/** Those that export values, too. */
const VALUE_DOORS = DOORS.filter((door) => door !== '/options');
/** Another one than ours is developed with. */
const OTHER_RXJS = '7.8.1';

const temporary = mkdtempSync(join(tmpdir(), 'millrace-package-'));

/** A program of an installed tool, by its path: works without a shell. */
const tool = (path, args, options) => output(process.execPath, [join(root, 'node_modules', path), ...args], options);

function checkFiles({ files, size }) {
  const missing = REQUIRED.filter((file) => !files.includes(file));
  const surprising = files.filter((file) => !ALLOWED.test(file) || SURPRISING.test(file));
  const problems = [
    ...missing.map((file) => `${file} is missing`),
    ...surprising.map((file) => `${file} does not belong into the package`),
    ...(size > MAX_PACKED_BYTES ? [`${size} bytes packed, expected at most ${MAX_PACKED_BYTES}`] : []),
  ];
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** What these tools refuse, although Node loads ECMAScript modules with `require`: see scripts/package/require-types.mjs. */
const BY_DESIGN = {
  types: ['cjs-resolves-to-esm', 'false-cjs'],
  manifest: 'EXPORTS_TYPES_INVALID_FORMAT',
};

async function checkManifest({ tarball }) {
  // Loaded late: they are there only once ensureBuilt has installed them.
  const [{ publint }, { formatMessage }] = await Promise.all([import('publint'), import('publint/utils')]);
  const { buffer, byteOffset, byteLength } = readFileSync(tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) },
    strict: true,
  });
  const wrong = messages.filter(
    ({ code, path }) => !(code === BY_DESIGN.manifest && path.slice(-2).join('.') === 'types.require'),
  );
  if (wrong.length > 0) throw new Error(wrong.map((message) => formatMessage(message, pkg)).join('\n'));
}

/** Pages are read where the package is installed, too: a link must not end there. */
function checkLinks({ files }) {
  const folders = new Set(files.flatMap((file) => file.split('/').map((_, i, parts) => parts.slice(0, i).join('/'))));
  const problems = files
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => relativeLinks(root, file).map(({ line, to }) => ({ at: `${file}:${line}`, to })))
    .filter(({ to }) => !files.includes(to) && !folders.has(to.replace(/\/$/, '')))
    .map(({ at, to }) => `${at} links to ${to}, which is not in the tarball`);
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

function install(tarball) {
  const project = join(temporary, 'project');
  makeUser(project, { dependencies: { rxjs: OTHER_RXJS } });
  output('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball], { cwd: project });
  return project;
}

const templates = () =>
  readdirSync(join(root, 'templates'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);

/** What the projects of templates depend on, which is the same for all: it is installed once, and handed on. */
let installed;

/** Makes a project of a template, and runs what its README says, one block after the other. */
async function checkTemplate(project, template, { tarball }) {
  const directory = join(temporary, `made-of-${template}`);
  output('npx', ['--no-install', 'millrace', 'new', directory, '--template', template], { cwd: project });
  const { dependencies } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  if (!dependencies.millrace.startsWith('file:') || !dependencies.millrace.endsWith(basename(tarball)))
    throw new Error(`depends on millrace ${dependencies.millrace}, expected the tarball that it was installed from`);
  if (!existsSync(join(directory, '.gitignore'))) throw new Error('.gitignore is missing');
  const modules = join(directory, 'node_modules');
  if (installed && existsSync(installed)) renameSync(installed, modules);
  installed = modules;
  const blocks = blocksOf(readFileSync(join(directory, 'README.md'), 'utf8'));
  for (const [index, { language, text, line }] of blocks.entries()) {
    if (language !== 'sh') continue;
    const { code, stdout, stderr, timedOut } = await execute('bash', ['-eu', '-c', text], {
      cwd: directory,
      limitMs: 180_000,
      env: NPM_ENV,
    });
    const next = blocks[index + 1];
    const wrong = next?.language === 'text' ? difference(next.text, stdout) : undefined;
    const problem = timedOut ? 'did not end' : code !== 0 ? `exit code ${code}` : wrong;
    if (problem) throw new Error(`README.md:${line} ${text}\n${problem}\n--- stdout\n${stdout}--- stderr\n${stderr}`);
  }
}

/** Writes a program into the project of a user and runs it. */
function program(project, name, text) {
  writeFileSync(join(project, name), text);
  return output(process.execPath, [name], { cwd: project });
}

/** The names of all doors, from the declarations that users get; `type` marks those without a value. */
async function publicNames(project, kind) {
  // Loaded late: it needs the TypeScript API, which is there only once ensureBuilt has installed it.
  const { exportedNames } = await import('./docs/names.mjs');
  const names = exportedNames(
    project,
    DOORS.map((door) => `millrace${door}`),
    kind,
  );
  const list = (specifier) => names.get(specifier).map(({ name, isType }) => (isType ? `type ${name}` : name));
  return Object.fromEntries(DOORS.map((door) => [`.${door}`, list(`millrace${door}`)]));
}

async function checkNames(project) {
  const names = await publicNames(project, 'mts');
  if (process.argv.includes('--update')) {
    mkdirSync(dirname(NAMES), { recursive: true });
    writeFileSync(NAMES, `${JSON.stringify(names, null, 2)}\n`);
    return;
  }
  if (!existsSync(NAMES))
    throw new Error('test/fixtures/public-names.json is missing. Write it with: npm run check:package -- --update');
  const agreed = JSON.parse(readFileSync(NAMES, 'utf8'));
  const problems = Object.keys(names).flatMap((door) => [
    ...names[door].filter((name) => !agreed[door]?.includes(name)).map((name) => `${door}: ${name} is new`),
    ...(agreed[door] ?? []).filter((name) => !names[door].includes(name)).map((name) => `${door}: ${name} is gone`),
  ]);
  if (problems.length > 0)
    throw new Error(`${problems.join('\n')}\nIf that is meant: npm run check:package -- --update`);
}

try {
  const packed = await check('npm pack', () => pack(temporary));
  if (packed) {
    await check('the tarball holds the compiled code, the documentation, and nothing else', () => checkFiles(packed));
    await check('the links of its pages lead into the tarball', () => checkLinks(packed));
    await check('publint', () => checkManifest(packed));
    await check('are the types wrong', () =>
      tool('@arethetypeswrong/cli/dist/index.js', [packed.tarball, '--no-emoji', '--ignore-rules', ...BY_DESIGN.types]),
    );
    const project = await check('npm install of the tarball', () => install(packed.tarball));
    if (project) {
      // With two copies the types of operators do not fit together, and nothing refuses what the other copy puts off to later.
      await check('uses the RxJS of the project', () => {
        if (existsSync(join(project, 'node_modules', 'millrace', 'node_modules', 'rxjs')))
          throw new Error('there are two copies');
      });
      const list = "if (doors.some((door) => Object.keys(door).length === 0)) throw new Error('nothing exported');\n";
      const specifiers = VALUE_DOORS.map((door) => `'millrace${door}'`);
      await check('import from an ECMAScript module', () =>
        program(
          project,
          'esm.mjs',
          `${specifiers.map((door, i) => `import * as door${i} from ${door};\n`).join('')}import 'millrace/options';\nconst doors = [${specifiers.map((_, i) => `door${i}`).join(', ')}];\n${list}`,
        ),
      );
      await check('require from a CommonJS module', () =>
        program(
          project,
          'cjs.cjs',
          `const doors = [${specifiers.map((door) => `require(${door})`).join(', ')}];\nrequire('millrace/options');\n${list}`,
        ),
      );
      await check('npx millrace --version', () => {
        const version = output('npx', ['--no-install', 'millrace', '--version'], { cwd: project }).trim();
        if (version !== manifest.version) throw new Error(`saw ${version}, expected ${manifest.version}`);
      });
      await check('the public names are the same for CommonJS modules', async () => {
        const [imported, required] = [await publicNames(project, 'mts'), await publicNames(project, 'cts')];
        if (JSON.stringify(imported) !== JSON.stringify(required))
          throw new Error(`saw ${JSON.stringify(required)}, expected ${JSON.stringify(imported)}`);
      });
      await check('the public names are those agreed', () => checkNames(project));
      for (const template of templates())
        await check(`millrace new --template ${template}: the project does what its README says`, () =>
          checkTemplate(project, template, packed),
        );
    }
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
concludeChecks();
