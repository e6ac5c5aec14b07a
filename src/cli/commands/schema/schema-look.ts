import { Option } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { plainText } from '../../../model/text/plain-text.js';
import type { SchemaRegistry, SchemaVersion, StoredSchema } from '../../../serdes/registry/port.js';
import { resolveSchema } from '../../../serdes/registry/resolve.js';
import { incompatibilities } from '../../../serdes/schema/compatibility.js';
import { schemaDiff } from '../../../serdes/schema/diff.js';
import type { Schema } from '../../../serdes/schema/model.js';
import { wholeNumber } from '../../options/options.js';
import { type RegistrySelection, registryOf, SCHEMA_REGISTRY } from '../../options/schema-registry.js';
import { readSchemas } from '../../schemas/files.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { toJson } from '../../terminal/show.js';
import { usage } from '../../terminal/usage.js';

const FORMATS = ['table', 'json'] as const;

/** `millrace schema list|show|diff`: show the content of the registry. */
export function addSchemaLook({ parent, act }: Program): void {
  parent
    .command('list')
    .description('list the subjects of the schema registry, with their versions')
    .option(...SCHEMA_REGISTRY)
    .addOption(new Option('--format <format>', 'the output format').choices(FORMATS).default('table' as const))
    .action((options) => act((io) => list(options, io)));
  parent
    .command('show')
    .description('print a schema as JSON')
    .argument('[subject]', 'the subject (or use --id)')
    .option(...SCHEMA_REGISTRY)
    .option('--version-number <version>', 'the version (default: the latest)', wholeNumber('--version-number', 1))
    .option('--id <id>', 'the schema with this id', wholeNumber('--id', 0))
    .addHelpText('after', '\nExamples:\n  $ millrace schema show orders-value\n  $ millrace schema show --id 1838271')
    .action((subject, options) => act((io) => show(subject, options, io)));
  parent
    .command('diff')
    .description('show what changed between two versions of a subject, and which version can read the other')
    .argument('<subject>', 'the subject')
    .argument('[from]', 'a version, or a file that ends in .avsc (default: the last version but one)')
    .argument('[to]', 'the same (default: the latest version)')
    .option(...SCHEMA_REGISTRY)
    .addHelpText(
      'after',
      '\nExamples:\n  $ millrace schema diff orders-value\n  $ millrace schema diff orders-value 1 schemas/orders-value.avsc',
    )
    .action((subject, from, to, options) => act((io) => diff(subject, { from, to }, options, io)));
}

async function list(
  { format, ...selection }: RegistrySelection & { readonly format: (typeof FORMATS)[number] },
  io: Io,
): Promise<number> {
  const registry = await registryOf(selection, io)();
  const rows = [];
  for (const subject of await registry.subjects()) {
    const versions = await registry.versions(subject);
    const latest = await registry.version(subject, 'latest');
    rows.push({
      subject,
      versions,
      id: latest.id,
      type: latest.type,
      compatibility: await registry.compatibility(subject),
    });
  }
  if (format === 'json') {
    await write(io.stdout, rows.map((row) => `${toJson(row)}\n`).join(''));
    return 0;
  }
  const table = new Table({
    head: ['subject', 'versions', 'latest id', 'type', 'compatibility'],
    style: { head: [], border: [] },
  });
  for (const { subject, versions, id, type, compatibility } of rows)
    table.push([plainText(subject), versions.join(', '), id, plainText(type), compatibility]);
  await write(io.stdout, `${table}\n`);
  return 0;
}

async function show(
  subject: string | undefined,
  options: RegistrySelection & { readonly versionNumber?: number | undefined; readonly id?: number | undefined },
  io: Io,
): Promise<number> {
  const registry = await registryOf(options, io)();
  if ((subject === undefined) === (options.id === undefined))
    throw usage(
      'cannot tell which schema to show',
      subject === undefined ? 'no subject and no --id' : 'a subject and --id',
      'one of them',
    );
  const version =
    subject === undefined ? undefined : await registry.version(subject, options.versionNumber ?? 'latest');
  const found: StoredSchema = version ?? (await registry.byId(options.id as number));
  const about = version ? `${version.subject}, version ${version.version}, id ${version.id}` : `id ${options.id}`;
  const references = found.references.map(
    (one) => `, refers to ${one.name} in version ${one.version} of ${one.subject}`,
  );
  await write(io.stderr, `${plainText(`${about}${references.join('')}`)}${found.hasRules ? ', has rules' : ''}\n`);
  await write(
    io.stdout,
    `${found.type === 'AVRO' ? JSON.stringify(JSON.parse(found.schema), null, 2) : found.schema}\n`,
  );
  return 0;
}

async function diff(
  subject: string,
  range: { readonly from?: string | undefined; readonly to?: string | undefined },
  options: RegistrySelection,
  io: Io,
): Promise<number> {
  const registry = await registryOf(options, io)();
  const versions = await registry.versions(subject);
  const latest = (await registry.version(subject, 'latest')).version;
  const from = await pick(range.from ?? String(versions.at(-2) ?? latest), subject, registry, io);
  const to = await pick(range.to ?? String(latest), subject, registry, io);
  const lines = schemaDiff(from.schema, to.schema);
  await write(
    io.stdout,
    `${from.name} → ${to.name}\n${lines.map((line) => `  ${plainText(line)}\n`).join('') || '  no relevant change\n'}`,
  );
  for (const [reader, writer] of [
    [to, from],
    [from, to],
  ] as const) {
    const wrong = incompatibilities(reader.schema, writer.schema);
    const reasons = wrong.map(({ path, reason }) => `\n    ${plainText(`${path}: ${reason}`)}`).join('');
    await write(
      io.stdout,
      `  ${reader.name} ${wrong.length === 0 ? 'reads' : 'cannot read'} what ${writer.name} wrote${reasons}\n`,
    );
  }
  return 0;
}

async function pick(
  given: string,
  subject: string,
  registry: SchemaRegistry,
  io: Io,
): Promise<{ readonly name: string; readonly schema: Schema }> {
  if (given.endsWith('.avsc')) {
    const [file] = readSchemas(given, io.cwd);
    if (file) return { name: given, schema: file.schema };
    throw usage('cannot read a schema', given, 'a file that is there');
  }
  const version = given === 'latest' ? given : wholeNumber('the version', 1)(given);
  const found: SchemaVersion = await registry.version(subject, version);
  return {
    name: `version ${found.version}`,
    schema: (await resolveSchema(registry, found, `version ${found.version} of ${subject}`)).schema,
  };
}
