import { plainText } from '../../../model/text/plain-text.js';
import type { SchemaRegistry } from '../../../serdes/registry/port.js';
import { type RegistrySelection, registryOf, SCHEMA_REGISTRY } from '../../options/schema-registry.js';
import { readSchemas } from '../../schemas/files.js';
import { referencesOf } from '../../schemas/references.js';
import { DIRECTORY, registryBeside } from '../../schemas/registry.js';
import { isTopologyFile, writtenBy } from '../../schemas/topology.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';
import { usage } from '../../terminal/usage.js';

interface Options extends RegistrySelection {
  readonly subject?: string | undefined;
  readonly app?: string | undefined;
}

const HELP = `
For a directory, each file <subject>.avsc is registered under its subject, after the schemas that it refers to in other files.
For a topology, the schemas of all its outputs are registered: its sinks, and its own changelog and repartition topics.
Schemas that are already registered stay as they are.

Examples:
  $ millrace schema register
  $ millrace schema register schemas/order.avsc --subject orders-value --schema-registry http://registry:8081
  $ millrace schema register topology.ts`;

/** `millrace schema register [PATH]`: adds schemas to the registry. */
export function addSchemaRegister(program: Program): void {
  program.parent
    .command('register')
    .description('register the schemas of a directory, a file or a topology')
    .argument('[path]', 'a directory of schemas, one of its files, or a topology', DIRECTORY)
    .option(...SCHEMA_REGISTRY)
    .option('--subject <name>', 'the subject of a single file (default: its name)')
    .option(
      '--app <id>',
      "for a topology: the application, which names its internal topics (default: the topology's name)",
    )
    .addHelpText('after', HELP)
    .action((path, options) => program.act((io) => register(path, options, io)));
}

async function register(path: string, options: Options, io: Io): Promise<number> {
  if (isTopologyFile(path)) {
    const registry = await registryOf(options, io, path)();
    const written = await writtenBy(path, options.app, io.cwd, registry);
    for (const { subject, source } of written)
      await write(io.stdout, `${plainText(await registerOne(registry, subject, source))}\n`);
    if (written.length === 0) await write(io.stderr, `${path} has no outputs with a schema\n`);
    return 0;
  }
  const schemas = readSchemas(path, io.cwd);
  if (options.subject !== undefined && (schemas.length !== 1 || !path.endsWith('.avsc')))
    throw usage('cannot use --subject', path, 'a single file that ends in .avsc');
  const registry = await registryBeside(path, options, io);
  for (const schema of schemas) {
    const subject = options.subject ?? schema.subject;
    await write(
      io.stdout,
      `${plainText(await registerOne(registry, subject, { schema: schema.text, references: await referencesOf(schema, registry) }))}\n`,
    );
  }
  return 0;
}

async function registerOne(
  registry: SchemaRegistry,
  subject: string,
  source: Parameters<SchemaRegistry['register']>[1],
): Promise<string> {
  const known = await registry.lookup(subject, source);
  if (known) return `${subject}: version ${known.version}, id ${known.id}, as it was`;
  const id = await registry.register(subject, source);
  return `${subject}: version ${(await registry.version(subject, 'latest')).version}, id ${id}`;
}
