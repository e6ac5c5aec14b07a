import assert from 'node:assert/strict';
import type { SchemaReference, SchemaRegistry, SchemaVersion } from '#src/serdes/registry/port.js';
import { resolveSchema } from '#src/serdes/registry/resolve.js';
import { isError } from '../../support/errors.js';

/** A registry whose versions refer to others as that function says. */
function registryOf(references: (subject: string) => readonly string[]): SchemaRegistry & { asked: number } {
  const registry = {
    asked: 0,
    version: async (subject: string): Promise<SchemaVersion> => {
      registry.asked++;
      return {
        subject,
        version: 1,
        id: 1,
        type: 'AVRO',
        hasRules: false,
        schema: JSON.stringify({ type: 'record', name: subject, fields: [] }),
        references: references(subject).map(to),
      };
    },
  };
  return registry as unknown as SchemaRegistry & { asked: number };
}

const to = (subject: string): SchemaReference => ({ name: subject, subject, version: 1 });
const resolved = (registry: SchemaRegistry, ...references: string[]) =>
  resolveSchema(registry, { schema: '"string"', references: references.map(to) }, 'the schema');

describe('the references of a schema', () => {
  it('that go round are refused, however long the way', async () => {
    for (const length of [1, 2, 50]) {
      const registry = registryOf((subject) => [`s${(Number(subject.slice(1)) + 1) % length}`]);
      await assert.rejects(resolved(registry, 's0'), isError('SCHEMA_INVALID', /refers back/));
    }
  });

  it('are fetched once, by however many ways they are reached', async () => {
    const below = (subject: string): readonly string[] => {
      const depth = Number(subject.slice(1));
      return depth === 0 ? [] : [`s${depth - 1}`, `s${depth - 1}`];
    };
    const registry = registryOf(below);
    const { defines } = await resolved(registry, 's100', 's99');
    assert.deepEqual([registry.asked, defines.size], [101, 101]);
  });

  it('are at most a thousand', async () => {
    const registry = registryOf((subject) => [`s${Number(subject.slice(1)) + 1}`]);
    await assert.rejects(resolved(registry, 's0'), isError('SCHEMA_INVALID', /more than 1000 references/));
    assert.equal(registry.asked, 1_000);
  });
});
