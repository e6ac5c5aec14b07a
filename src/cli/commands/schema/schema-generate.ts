import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeFileAtomically } from '../../../files/write.js';
import { plainText } from '../../../model/text/plain-text.js';
import { GENERATED, generateTypes } from '../../../serdes/schema/generate.js';
import { schemaJson } from '../../../serdes/schema/text.js';
import { readSchemas } from '../../schemas/files.js';
import { DIRECTORY } from '../../schemas/registry.js';
import { type Io, write } from '../../terminal/io.js';
import type { Program } from '../../terminal/program.js';

interface Options {
  readonly out: string;
  readonly check?: true | undefined;
}

const HELP = `
For each file <subject>.avsc the command writes a file <subject>.ts. It holds the schema as text, for avro(…), and two types for
each record: one for reading (Order), and one for writing (OrderInput), in which fields with a default are optional.

Examples:
  $ millrace schema generate schemas --out src/schemas
  $ millrace schema generate schemas --out src/schemas --check    # in CI: exit code 1 if a schema has changed since`;

/** `millrace schema generate [PATH] --out DIR`: generates TypeScript from Avro schemas. */
export function addSchemaGenerate(program: Program): void {
  program.parent
    .command('generate')
    .description('write TypeScript types for the schemas of a directory')
    .argument('[path]', 'the directory of the schemas', DIRECTORY)
    .requiredOption('--out <directory>', 'the directory of the generated types')
    .option('--check', 'write nothing; fail if the existing files differ from what would be written')
    .addHelpText('after', HELP)
    .action((path, options) => program.act((io) => generate(path, options, io)));
}

async function generate(path: string, { out, check }: Options, io: Io): Promise<number> {
  const schemas = readSchemas(path, io.cwd);
  // Inlines the referenced schemas, so that the generated schema stands alone.
  const files = generateTypes(
    schemas.map((one) => ({
      ...one,
      text: one.uses.length === 0 ? one.text : JSON.stringify(schemaJson(one.schema, { docs: true })),
    })),
  );
  const directory = resolve(io.cwd, out);
  const there = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.ts')) : [];
  const isGenerated = (name: string): boolean => readFileSync(join(directory, name), 'utf8').startsWith(GENERATED);
  const stale = [...files]
    .filter(([name, text]) => !there.includes(name) || readFileSync(join(directory, name), 'utf8') !== text)
    .map(([name]) => name);
  const shown = (name: string): string => plainText(join(out, name));
  const left = there.filter((name) => !files.has(name) && isGenerated(name));
  if (check) {
    const problems = [
      ...stale.map((name) => `${shown(name)} does not match its schema\n`),
      ...left.map((name) => `${shown(name)} has no schema any more\n`),
    ];
    await write(
      problems.length > 0 ? io.stderr : io.stdout,
      problems.join('') || `${files.size} files match their schemas\n`,
    );
    return problems.length > 0 ? 1 : 0;
  }
  for (const name of stale)
    await writeFileAtomically(join(directory, name), files.get(name) as string, { shared: true });
  const note = left.map((name) => `${shown(name)} has no schema any more: delete it\n`).join('');
  await write(io.stderr, note);
  await write(io.stdout, stale.map((name) => `${shown(name)}\n`).join('') || 'nothing has changed\n');
  return 0;
}
