// Promise: windows of Avro keys are serdes like others: bound to the topic that they are used for, and found by the tools.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { count, joinStream, serdes, suppress, type TopologyBuilder, to, topology, tumbling } from 'millrace';
import { avro, MemoryRegistry } from 'millrace/avro';
import { TestDriver } from 'millrace/testing';
import { Headers } from '#src/model/headers.js';
import { WindowKey } from '#src/model/window.js';
import { openedFor } from '#src/runtime/send.js';
import { parseSchema } from '#src/serdes/schema/parse.js';
import { fingerprintUuid, schemaText } from '#src/serdes/schema/text.js';
import { serdeContract } from '../contract.js';

const schema = { type: 'record', name: 'Key', fields: [{ name: 'id', type: 'int' }] } as const;
const key = avro(schema);

const registry = new MemoryRegistry();
const services = { schemaRegistry: async () => registry, registerSchemas: true };
const made = {
  windowed: serdes.windowed(key),
  timeWindowed: serdes.timeWindowed(key, '5ms'),
  sessionWindowed: serdes.sessionWindowed(key),
};

for (const [name, windows] of Object.entries(made)) {
  const { key: serde } = await openedFor('out', 'both', { key: windows, value: serdes.string }, services);
  serdeContract(`${name}(avro)`, {
    serde,
    values: fc
      .record({ id: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), start: fc.nat() })
      .map(({ id, start }) => ({ key: { id }, start, end: start + 5 })),
    normalized: ({ key: of, start, end }) => new WindowKey(of, start, end),
    wrongBytes: [
      [Buffer.alloc(7), /expected at least/],
      [Buffer.concat([Buffer.from('text'), Buffer.alloc(16)]), /expected a byte 0/],
    ],
    wrongValues: [[{ key: { id: 'x' }, start: 0, end: 5 }, /saw the string "x" in id, expected int/]],
  });

  describe(`the ${name}(avro) serde`, () => {
    it('reads keys whose schema stands in a header, and says so of itself', async () => {
      const guid = Buffer.from(fingerprintUuid(schemaText(parseSchema(schema).schema)).replaceAll('-', ''), 'hex');
      const headers = Headers.of({ __key_schema_id: Buffer.concat([Buffer.from([1]), guid]) });
      const window = new WindowKey({ id: 7 }, 10, 15);
      const bytes = serde.encode(window).subarray(5);
      const decode = (): unknown => serde.decode(bytes, headers);
      assert.equal(serde.header, '__key_schema_id');
      await assert.rejects(async () => decode(), { name: 'NotReady' });
      try {
        decode();
      } catch (error) {
        await (error as { ready(): Promise<void> }).ready();
      }
      assert.deepEqual(decode(), window);
    });

    it('is made of what tools print of it', () => {
      const fromJson = (serde as unknown as { fromJson(json: unknown): unknown }).fromJson;
      assert.deepEqual(fromJson({ key: { id: 7 }, start: 1, end: 6 }), new WindowKey({ id: 7 }, 1, 6));
      assert.deepEqual(fromJson({ key: { id: 7 }, start: 1, end: null }), new WindowKey({ id: 7 }, 1, Infinity));
    });
  });
}

describe('windows of Avro keys', () => {
  const run = async (build: (t: TopologyBuilder) => void) => {
    const schemaRegistry = new MemoryRegistry();
    const driver = await TestDriver.create(topology('app', build), {
      schemaRegistry,
      partitions: { out: 1, a: 1, b: 1 },
    });
    await driver.input('in', { key, value: serdes.string }).sendAll([
      { key: { id: 1 }, value: 'a', timestamp: 1 },
      { key: { id: 2 }, value: 'b', timestamp: 2 },
      { key: { id: 1 }, value: 'a', timestamp: 50 },
    ]);
    return { driver, subjects: await schemaRegistry.subjects() };
  };

  it('have the subjects of the topics that they are used for', async () => {
    const { driver, subjects } = await run((t) => {
      const all = t.stream('in', { key, value: serdes.string });
      all.pipe(
        count({ store: 'counts', window: tumbling('10ms'), emit: 'onClose' }),
        suppress({ store: 'held', until: { timeLimit: '1ms' }, value: serdes.int64 }),
        to('out', { key: serdes.windowed(key), value: serdes.int64 }),
      );
      all.pipe(joinStream(all, { store: 'pairs', within: '1ms', join: (left, right) => left + right }));
    });
    await driver.close();
    assert.deepEqual(subjects, [
      'app-counts-changelog-key',
      'app-held-changelog-key',
      'app-held-places-changelog-key',
      'app-pairs-left-changelog-key',
      'app-pairs-right-changelog-key',
      'in-key',
      'out-key',
    ]);
  });

  it('go to topics that each record chooses', async () => {
    const { driver, subjects } = await run((t) => {
      t.stream('in', { key, value: serdes.string }).pipe(
        count({ store: 'counts', window: tumbling('10ms') }),
        to((record) => (record.key.key.id === 1 ? 'a' : 'b'), {
          name: 'chosen',
          key: serdes.windowed(key),
          value: serdes.int64,
        }),
      );
    });
    const windows = async (topic: string): Promise<unknown[]> =>
      (await driver.output(topic, { key: serdes.windowed(key), value: serdes.int64 }).read()).map(
        (record) => record.key,
      );
    assert.deepEqual(await windows('a'), [new WindowKey({ id: 1 }, 0, 10), new WindowKey({ id: 1 }, 50, 60)]);
    assert.deepEqual(await windows('b'), [new WindowKey({ id: 2 }, 0, 10)]);
    await driver.close();
    assert.deepEqual(subjects, ['a-key', 'app-counts-changelog-key', 'b-key', 'in-key']);
  });

  it('are looked up by key and range', async () => {
    const { driver } = await run((t) => {
      const window = tumbling('10ms', { grace: '1s' });
      t.stream('in', { key, value: serdes.string }).pipe(count({ store: 'counts', window }));
    });
    const view = driver.store<WindowKey<{ id: number }>, number>('counts');
    assert.equal(await view.get(new WindowKey({ id: 2 }, 0, 10)), 1);
    assert.deepEqual(await view.windows({ id: 1 }, { from: 20 }), [[new WindowKey({ id: 1 }, 50, 60), 1]]);
    await driver.close();
  });
});
