// Compiles a user's program (test/fixtures/types-consumer) against the packed tarball: with each version of TypeScript that is
// supported, with each setting of modules, with and without skipLibCheck, and with several versions of @types/node. Each version
// of TypeScript has the strictest setting; the oldest and the newest have all. The last line is `N passed, N failed`.
//
//   node scripts/check-types.mjs
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from './ensure-built.mjs';
import { check, concludeChecks } from './package/checks.mjs';
import { installCompilers, NODE_TYPES, TYPESCRIPT } from './package/compilers.mjs';
import { manifest, output, pack } from './package/tarball.mjs';

const FIXTURE = join(root, 'test', 'fixtures', 'types-consumer');
/** How a project can say what its modules are, and the files of the program under this setting. */
const MODULES = {
  nodenext: { options: { module: 'nodenext' }, kinds: ['mts', 'cts'] },
  node16: { options: { module: 'node16' }, kinds: ['mts', 'cts'] },
  bundler: { options: { module: 'esnext', moduleResolution: 'bundler' }, kinds: ['ts'] },
  node10: { options: { module: 'commonjs', moduleResolution: 'node10' }, kinds: ['ts'] },
};
const OLDEST = TYPESCRIPT[0];
const NEWEST = TYPESCRIPT.at(-1);
const [OLD_TYPES, OUR_TYPES, NEW_TYPES] = NODE_TYPES;
/** TypeScript 7 has no `node10`: 6 is the last. */
const LAST_NODE10 = TYPESCRIPT.at(-2);

const doors = Object.keys(manifest.typesVersions['*']);
const temporary = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-types-')));
const project = join(temporary, 'project');

/** What is compiled: `typescript`, `modules` of {@link MODULES}, `nodeTypes` (none: not installed), and `skipLibCheck`. */
const PROGRAMS = [
  ...TYPESCRIPT.map((typescript) => ({ typescript })),
  ...[OLDEST, NEWEST].flatMap((typescript) => [
    { typescript, modules: 'node16' },
    { typescript, modules: 'bundler' },
    { typescript, skipLibCheck: true },
    { typescript, nodeTypes: undefined, skipLibCheck: true },
  ]),
  { typescript: OLDEST, modules: 'node10' },
  { typescript: OLDEST, nodeTypes: OLD_TYPES },
  // Their own declarations are older than this compiler.
  { typescript: NEWEST, nodeTypes: OLD_TYPES, skipLibCheck: true },
  { typescript: LAST_NODE10, modules: 'node10' },
  { typescript: LAST_NODE10, modules: 'bundler', nodeTypes: NEW_TYPES },
  { typescript: NEWEST, nodeTypes: NEW_TYPES },
];

function link(name, target) {
  const path = join(project, 'node_modules', name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path, 'junction');
}

/** A project with the package as users get it, and what it depends on. */
function makeProject(tarball) {
  const millrace = join(project, 'node_modules', 'millrace');
  mkdirSync(millrace, { recursive: true });
  output('tar', ['-xzf', tarball, '-C', millrace, '--strip-components', '1']);
  for (const name of [...Object.keys(manifest.dependencies), 'rxjs']) link(name, join(root, 'node_modules', name));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true }));
  for (const name of ['consumer', 'bytes'])
    for (const kind of ['ts', 'mts', 'cts'])
      copyFileSync(join(FIXTURE, `${name}.ts`), join(project, `${name}.${kind}`));
  for (const door of ['', ...doors]) {
    const text = `import * as door from 'millrace${door && `/${door}`}';\nexport { door };\n`;
    writeFileSync(join(project, `only-${door || 'index'}.mts`), text);
  }
}

function compile({ compiler, nodeTypes: folder }, files, program, options = {}) {
  const { typescript, nodeTypes, skipLibCheck } = program;
  rmSync(join(project, 'node_modules', '@types'), { recursive: true, force: true });
  if (nodeTypes) link('@types/node', folder(nodeTypes));
  const compilerOptions = {
    ...MODULES[program.modules].options,
    // Neither `lib` nor `types`: what the declarations need, they ask for.
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck,
    noEmit: true,
    ...(program.modules === 'node10' && Number.parseInt(typescript, 10) >= 6 && { ignoreDeprecations: '6.0' }),
    ...options,
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [compiler(typescript), '-p', '.'], {
    cwd: project,
    encoding: 'utf8',
  });
  if (error || status !== 0) throw new Error(`${error?.message ?? `exit code ${status}`}\n${stdout}${stderr}`);
}

const filesOf = ({ modules, nodeTypes }) =>
  MODULES[modules].kinds.flatMap((kind) => (nodeTypes ? [`consumer.${kind}`, `bytes.${kind}`] : [`consumer.${kind}`]));

const nameOf = ({ typescript, modules, nodeTypes, skipLibCheck }) =>
  `TypeScript ${typescript}, ${modules}, ${nodeTypes ? `@types/node ${nodeTypes}` : 'no @types/node'}${skipLibCheck ? ', skipLibCheck' : ''}`;

try {
  const packed = await check('npm pack', () => pack(temporary));
  const compilers = packed && (await check('the compilers are installed', installCompilers));
  if (compilers && (await check('a project with the tarball', () => makeProject(packed.tarball)))) {
    const usual = { typescript: NEWEST, modules: 'nodenext', nodeTypes: OUR_TYPES, skipLibCheck: false };
    for (const program of PROGRAMS.map((changes) => ({ ...usual, ...changes })))
      await check(nameOf(program), () => compile(compilers, filesOf(program), program));
    // What one of them asks for must not come from another.
    for (const door of ['index', ...doors])
      await check(`TypeScript ${NEWEST}: ${door} alone`, () => compile(compilers, [`only-${door}.mts`], usual));
    await check(`a CommonJS program that TypeScript ${OLDEST} has compiled runs`, () => {
      const program = { ...usual, typescript: OLDEST, modules: 'node10' };
      compile(compilers, ['consumer.ts'], program, { noEmit: false, outDir: 'out' });
      const run =
        "require('./out/consumer.js').test().then((balances) => process.stdout.write(JSON.stringify(balances)))";
      const balances = output(process.execPath, ['-e', run], { cwd: project });
      if (balances !== '[]') throw new Error(`saw ${balances}, expected []: there is no account`);
    });
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
concludeChecks();
