import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { openSchemaRegistry } from 'millrace';
import { main } from '#src/cli/main.js';
import { readSchemas } from '#src/cli/schemas/files.js';
import { testIo } from '../cli/test-io.js';
import { projectFile } from '../support/project.js';

type AvroType = string | { readonly type: string; readonly symbols?: readonly string[] };

interface AvroField {
  readonly name: string;
  readonly type: AvroType;
}

const read = (path: string): string => readFileSync(projectFile(path), 'utf8');

function fits(type: AvroType, value: unknown): boolean {
  if (typeof type !== 'string') return type.symbols ? type.symbols.includes(String(value)) : fits(type.type, value);
  return type === 'long' ? Number.isSafeInteger(value) : typeof value === type;
}

describe('the schema of the source changes', () => {
  it('is that of every event: the same fields, each of its type', () => {
    const { fields } = JSON.parse(read('schemas/source-change.avsc')) as { readonly fields: readonly AvroField[] };
    const lines = read('topology-examples/05-source-history/data/rxjs-src-changes.jsonl').trim().split('\n');
    assert.equal(lines.length, 12_519);
    for (const line of lines) {
      const event = JSON.parse(line) as Record<string, unknown>;
      assert.deepEqual(
        Object.keys(event),
        fields.map(({ name }) => name),
      );
      for (const { name, type } of fields) assert.ok(fits(type, event[name]), `${name} of ${line}`);
    }
  });
});

describe('the schemas of the examples', () => {
  const at = projectFile('schemas');

  it('are all in the index as they are, so that nothing has to be registered to run them', async () => {
    const registry = await openSchemaRegistry(at);
    for (const { subject, text } of readSchemas(at, at)) {
      const latest = await registry.version(subject, 'latest');
      assert.equal(
        (await registry.lookup(subject, { schema: text, references: [] }))?.version,
        latest.version,
        subject,
      );
    }
  });

  it('are those that the generated types were made of', async () => {
    const io = testIo({ cwd: projectFile('.') });
    const args = [
      'schema',
      'generate',
      'schemas/shop',
      '--out',
      'topology-examples/11-avro-orders/generated',
      '--check',
    ];
    assert.equal(await main(args, io), 0, io.errors());
  });
});
