import { Option } from '@commander-js/extra-typings';
import { plainText } from '../../../model/text/plain-text.js';
import { resolveSchema } from '../../../serdes/registry/resolve.js';
import {
  COMPATIBILITIES,
  type Compatibility,
  type CompatibilityProblem,
} from '../../../serdes/schema/compatibility.js';
import { type RegistrySelection, registryOf, SCHEMA_REGISTRY } from '../../options/schema-registry.js';
import { type Checked, checkAgainstRegistry, checkAgainstTexts } from '../../schemas/check.js';
import { readSchemas } from '../../schemas/files.js';
import { schemasAt } from '../../schemas/git.js';
import { referencesOf } from '../../schemas/references.js';
import { DIRECTORY, registryBeside } from '../../schemas/registry.js';
import { isTopologyFile, writtenBy } from '../../schemas/topology.js';
import { coloured, type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { usage } from '../../terminal/usage.js';

interface Options extends RegistrySelection {
  readonly against?: string | undefined;
  readonly mode?: Compatibility | undefined;
  readonly app?: string | undefined;
}

const HELP = `
Each file <subject>.avsc is compared with the versions of its subject in the schema registry, or with --against, with the same
file in a git revision. For a topology, the schemas of all its outputs are compared. --mode, or else the mode of the subject, is the rule:

  BACKWARD  the new schema can read what the last version wrote: upgrade readers first
  FORWARD   the last version can read what the new schema writes: upgrade writers first
  FULL      both
  …_TRANSITIVE  the same with all versions
  NONE      nothing

The exit code is 1 if a schema breaks its mode; the output names the field and the reason.

Examples:
  $ millrace schema check
  $ millrace schema check topology.ts --schema-registry http://registry:8081
  $ millrace schema check schemas --against origin/main --mode FULL`;

/** `millrace schema check [PATH]`: checks whether schemas are compatible with earlier versions. */
export function addSchemaCheck(program: Program): void {
  program.parent
    .command('check')
    .description('check whether changed schemas are compatible with the registered ones, or with a git revision')
    .argument('[path]', 'a directory of schemas, one of its files, or a topology', DIRECTORY)
    .option(...SCHEMA_REGISTRY)
    .option('--against <revision>', 'compare with this git revision instead of the schema registry')
    .addOption(
      new Option(
        '--mode <mode>',
        'the compatibility mode (default: the mode of each subject in the registry; BACKWARD with --against)',
      ).choices(COMPATIBILITIES),
    )
    .option(
      '--app <id>',
      "for a topology: the application, which names its internal topics (default: the topology's name)",
    )
    .addHelpText('after', HELP)
    .action((path, options) => program.act((io) => check(path, options, io)));
}

async function check(path: string, options: Options, io: Io): Promise<number> {
  const checked =
    options.against === undefined
      ? await checkRegistry(path, options, io)
      : await checkRevision(path, options.against, options.mode ?? 'BACKWARD', io);
  for (const one of checked) await write(io.stdout, linesOf(one, options.against, io));
  const wrong = checked.filter(isWrong).length;
  if (wrong === 0) return 0;
  await write(io.stderr, `${wrong} of ${checked.length} schemas cannot replace the existing ones\n`);
  return 1;
}

async function checkRegistry(path: string, options: Options, io: Io): Promise<readonly Checked[]> {
  if (!isTopologyFile(path)) {
    const registry = await registryBeside(path, options, io);
    const next = readSchemas(path, io.cwd).map((one) => ({
      ...one,
      source: async () => ({ schema: one.text, references: await referencesOf(one, registry) }),
    }));
    return checkAgainstRegistry(next, registry, options.mode);
  }
  const registry = await registryOf(options, io, path)();
  const written = await writtenBy(path, options.app, io.cwd, registry);
  const next = written.map(async ({ subject, source }) => {
    const { schema } = await resolveSchema(registry, source, subject);
    return { subject, schema, source: async () => source };
  });
  return checkAgainstRegistry(await Promise.all(next), registry, options.mode);
}

async function checkRevision(path: string, revision: string, mode: Compatibility, io: Io): Promise<readonly Checked[]> {
  if (isTopologyFile(path))
    throw usage(
      'cannot use --against',
      path,
      'schemas in files that end in .avsc',
      'Compare a topology with a schema registry.',
    );
  return checkAgainstTexts(readSchemas(path, io.cwd), await schemasAt(revision, path, io.cwd), mode);
}

const isWrong = ({ problems, failure }: Checked): boolean => problems.length > 0 || failure !== undefined;

function linesOf(checked: Checked, revision: string | undefined, io: Io): string {
  const { mode, versions, unchanged, problems, failure } = checked;
  const subject = plainText(checked.subject);
  if (failure !== undefined) return `${coloured(io, io.stdout, 'red', '✗')} ${subject}: ${plainText(failure)}\n`;
  const before =
    revision ??
    (mode.endsWith('TRANSITIVE') && versions.length > 1
      ? `versions ${versions.join(', ')}`
      : `version ${versions.at(-1)}`);
  if (versions.length === 0) return `${coloured(io, io.stdout, 'green', '✓')} ${subject}: new\n`;
  if (unchanged) return `${coloured(io, io.stdout, 'green', '✓')} ${subject}: unchanged\n`;
  if (problems.length === 0) return `${coloured(io, io.stdout, 'green', '✓')} ${subject}: ${mode} with ${before}\n`;
  const lines = problems.map((problem) => `    ${plainText(sentence(problem, revision))}\n`);
  return `${coloured(io, io.stdout, 'red', '✗')} ${subject}: not ${mode} with ${before}\n${lines.join('')}`;
}

function sentence({ version, direction, path, reason }: CompatibilityProblem, revision: string | undefined): string {
  const old = revision === undefined ? `version ${version}` : `the schema in ${revision}`;
  const reader =
    direction === 'backward'
      ? `the new schema cannot read what ${old} wrote`
      : `${old} cannot read what the new schema writes`;
  return `${path}: ${reason} (${reader})`;
}
