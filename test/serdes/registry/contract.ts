import assert from 'node:assert/strict';
import type { SchemaRegistry, SchemaSource } from '#src/serdes/registry/port.js';
import { isError } from '../../support/errors.js';

export const source = (json: unknown, references: SchemaSource['references'] = []): SchemaSource => ({
  schema: JSON.stringify(json),
  references,
});

export const order = (...more: readonly object[]) => ({
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [{ name: 'id', type: 'string' }, ...more],
});

const v1 = source(order());
const v2 = source(order({ name: 'cents', type: 'long', default: 0 }));
const incompatible = source(order({ name: 'needed', type: 'string' }));

/** What every registry has to keep, whoever runs it. Subjects are the caller's to name, so that a server can be shared. */
export function registryContract(
  title: string,
  open: () => Promise<{ readonly registry: SchemaRegistry; readonly subject: (name: string) => string }>,
): void {
  describe(`the schema registry: ${title}`, () => {
    let registry: SchemaRegistry;
    let orders: string;
    let subject: (name: string) => string;

    beforeEach(async () => {
      ({ registry, subject } = await open());
      orders = subject('orders-value');
    });

    it('gives a schema an id, the same in every subject and each time', async () => {
      const id = await registry.register(orders, v1);
      assert.equal(await registry.register(orders, v1), id);
      assert.equal(await registry.register(subject('copies-value'), v1), id);
      assert.notEqual(await registry.register(orders, v2), id);
      assert.deepEqual(JSON.parse((await registry.byId(id)).schema), order());
    });

    it('numbers versions from 1, and knows the latest', async () => {
      await registry.register(orders, v1);
      const id = await registry.register(orders, v2);
      assert.deepEqual(await registry.versions(orders), [1, 2]);
      const latest = await registry.version(orders, 'latest');
      assert.deepEqual(
        [latest.version, latest.id, latest.subject, latest.type, latest.hasRules],
        [2, id, orders, 'AVRO', false],
      );
      assert.deepEqual(JSON.parse((await registry.version(orders, 1)).schema), order());
      assert.ok((await registry.subjects()).includes(orders));
    });

    it('finds the version of a schema, and says so if there is none', async () => {
      await registry.register(orders, v1);
      await registry.register(orders, v2);
      assert.equal((await registry.lookup(orders, v1))?.version, 1);
      assert.equal((await registry.lookup(orders, v2))?.version, 2);
      assert.equal(await registry.lookup(orders, incompatible), undefined);
      assert.equal(await registry.lookup(subject('nothing-value'), v1), undefined);
      assert.deepEqual(await registry.versions(subject('nothing-value')), []);
    });

    it('says what is not there', async () => {
      await registry.register(orders, v1);
      await assert.rejects(
        registry.version(subject('nothing-value'), 'latest'),
        isError('SCHEMA_UNKNOWN', /there is no subject .*nothing-value/),
      );
      await assert.rejects(registry.version(orders, 99), isError('SCHEMA_UNKNOWN', /no version 99/));
      await assert.rejects(registry.byId(2_000_000_000), isError('SCHEMA_UNKNOWN', /no schema with the id 2000000000/));
    });

    it('refuses what is not compatible, and what is no schema', async () => {
      await registry.register(orders, v1);
      assert.equal(await registry.compatibility(subject('new-value')), 'BACKWARD');
      await assert.rejects(registry.register(orders, incompatible), isError('SCHEMA_INCOMPATIBLE', /orders-value/));
      await assert.rejects(
        registry.register(subject('bad-value'), source({ type: 'nope' })),
        isError('SCHEMA_INVALID'),
      );
      assert.deepEqual(await registry.versions(orders), [1]);
    });

    it('keeps what a schema refers to', async () => {
      const money = source({
        type: 'record',
        name: 'Money',
        namespace: 'shop',
        fields: [{ name: 'cents', type: 'long' }],
      });
      await registry.register(subject('money'), money);
      const references = [{ name: 'shop.Money', subject: subject('money'), version: 1 }];
      const price = source(
        { type: 'record', name: 'Price', namespace: 'shop', fields: [{ name: 'amount', type: 'shop.Money' }] },
        references,
      );
      const id = await registry.register(subject('prices'), price);
      assert.deepEqual((await registry.byId(id)).references, references);
      assert.deepEqual((await registry.version(subject('prices'), 1)).references, references);
      assert.equal((await registry.lookup(subject('prices'), price))?.id, id);
    });
  });
}
