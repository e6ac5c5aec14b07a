// Promise: Avro values pass through topics, stores and repartitions under the schema that is registered for each; what cannot be read goes by the error policy, and a registry that is away never costs a record.

import assert from 'node:assert/strict';
import {
  aggregate,
  groupBy,
  joinGlobalTable,
  process,
  reorderByVersion,
  serdes,
  type Topology,
  to,
  topology,
} from 'millrace';
import { type AvroOptions, avro, MemoryRegistry, upcast } from 'millrace/avro';
import { TestDriver, type TestDriverOptions } from 'millrace/testing';
import { Headers } from '#src/model/headers.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRegistry } from '#src/serdes/registry/open.js';
import type { SchemaRegistry, SchemaSource, SchemaVersion } from '#src/serdes/registry/port.js';
import { parseSchema } from '#src/serdes/schema/parse.js';
import { fingerprintUuid, schemaText } from '#src/serdes/schema/text.js';
import { isError } from '../../support/errors.js';
import { RegistryServer } from '../../support/registry-server.js';

const v1 = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'version', type: 'int' },
  ],
} as const;
const v2 = { ...v1, fields: [...v1.fields, { name: 'cents', type: 'long', default: 7 }] } as const;
const v3 = { ...v1, fields: [...v1.fields, { name: 'needed', type: 'string' }] } as const;
type Any = Record<string, unknown>;

const sourceOf = (json: unknown): SchemaSource => ({ schema: JSON.stringify(json), references: [] });
const make = (json: unknown, options: AvroOptions<Any> = {}) => avro<Any>(JSON.stringify(json), options);
const raw = { key: serdes.string, value: serdes.bytes };

const copying = (value: ReturnType<typeof make>, out = value): Topology =>
  topology('copying', (t) => {
    t.stream('in', { key: serdes.string, value }).pipe(to('out', { key: serdes.string, value: out }));
  });

const folding = (json: unknown, options: AvroOptions<Any> = {}): Topology =>
  topology('folding', (t) => {
    t.stream('in', { key: serdes.string, value: make(json) }).pipe(
      aggregate({
        store: 'last',
        value: make(json, options),
        initial: () => ({}) as Any,
        add: (_, record) => record.value,
      }),
    );
  });

/** As registries in which a schema with another doc is another schema. */
class WrittenRegistry implements SchemaRegistry {
  readonly address = 'mock://';
  readonly #all: SchemaVersion[] = [];

  async byId(id: number): Promise<SchemaVersion> {
    return this.#all.find((each) => each.id === id) as SchemaVersion;
  }
  async byGuid(): Promise<never> {
    throw new Error('there are none');
  }
  async version(subject: string, version: number | 'latest'): Promise<SchemaVersion> {
    return this.#of(subject).at(version === 'latest' ? -1 : version - 1) as SchemaVersion;
  }
  async lookup(subject: string, { schema }: SchemaSource): Promise<SchemaVersion | undefined> {
    return this.#of(subject).find((each) => each.schema === schema);
  }
  async register(subject: string, source: SchemaSource): Promise<number> {
    const known = this.#all.find((each) => each.schema === source.schema);
    const id = known?.id ?? this.#all.length + 1;
    if (!(await this.lookup(subject, source)))
      this.#all.push({ ...source, subject, id, version: this.#of(subject).length + 1, type: 'AVRO', hasRules: false });
    return id;
  }
  async subjects(): Promise<readonly string[]> {
    return [...new Set(this.#all.map(({ subject }) => subject))];
  }
  async versions(subject: string): Promise<readonly number[]> {
    return this.#of(subject).map(({ version }) => version);
  }
  async compatibility(): Promise<'NONE'> {
    return 'NONE';
  }
  #of(subject: string): readonly SchemaVersion[] {
    return this.#all.filter((each) => each.subject === subject);
  }
}

let driver: TestDriver;
const open = async (target: Topology, options: TestDriverOptions = {}): Promise<TestDriver> => {
  driver = await TestDriver.create(target, options);
  return driver;
};
afterEach(() => driver?.close().catch(() => undefined));

/** Without the rule that versions get on with each other, so that the tests say what becomes of those that do not. */
const anything = (): MemoryRegistry => new MemoryRegistry({ compatibility: 'NONE' });

describe('an Avro serde', () => {
  it('writes a byte 0, the id of the schema, and the value', async () => {
    const schemaRegistry = new MemoryRegistry();
    await open(copying(make(v1)), { schemaRegistry });
    await driver
      .input('in', { key: serdes.string, value: make(v1) })
      .send({ key: 'a', value: { id: 'x', version: 3 } });
    const [bytes] = await driver.output('out', raw).values();
    const { id } = await schemaRegistry.version('out-value', 'latest');
    assert.deepEqual([bytes?.[0], bytes?.readUInt32BE(1), bytes?.subarray(5).toString('hex')], [0, id, '027806']);
  });

  it('registers under the topics that it is used for, internal ones included', async () => {
    const schemaRegistry = new MemoryRegistry();
    const value = make(v1);
    await open(
      topology('all', (t) => {
        t.stream('in', { key: make({ type: 'string' }), value }).pipe(
          groupBy((record) => String(record.value.id), { key: serdes.string, value, name: 'by-id' }),
          aggregate({ store: 'last', value, initial: () => ({}) as Any, add: (_, record) => record.value }),
          to('out', { key: serdes.string, value }),
        );
      }),
      { schemaRegistry },
    );
    await driver
      .input('in', { key: make({ type: 'string' }), value })
      .send({ key: 'k' as never, value: { id: 'x', version: 1 } });
    assert.equal((await driver.output('out', { key: serdes.string, value }).values()).length, 1);
    assert.deepEqual(await schemaRegistry.subjects(), [
      'all-by-id-repartition-value',
      'all-last-changelog-value',
      'in-key',
      'in-value',
      'out-value',
    ]);
  });

  it('names subjects by the strategy, or as its option says', async () => {
    const cases: readonly (readonly [AvroOptions<Any>, string])[] = [
      [{}, 'out-value'],
      [{ strategy: 'recordName' }, 'shop.Order'],
      [{ strategy: 'topicRecordName' }, 'out-shop.Order'],
      [{ subject: 'mine' }, 'mine'],
    ];
    for (const [options, subject] of cases) {
      const schemaRegistry = new MemoryRegistry();
      await open(copying(make(v1), make(v1, options)), { schemaRegistry });
      assert.deepEqual(await schemaRegistry.subjects(), [subject]);
      await driver.close();
    }
  });

  it('registers nothing unless it may, and then names everything that is missing', async () => {
    const schemaRegistry = new MemoryRegistry();
    await assert.rejects(
      open(folding(v1), { schemaRegistry, registerSchemas: false }),
      isError('SCHEMA_UNKNOWN', /folding-last-changelog-value/, /--register-schemas/),
    );
    await assert.rejects(
      open(
        topology('two', (t) => {
          const all = t.stream('in', { key: serdes.string, value: make(v1) });
          all.pipe(to('a', { key: serdes.string, value: make(v1) }));
          all.pipe(to('b', { key: serdes.string, value: make(v1) }));
        }),
        { schemaRegistry, registerSchemas: false },
      ),
      isError('SCHEMA_UNKNOWN', /2 schemas are not registered/, /a-value.*b-value/),
    );
    await schemaRegistry.register('folding-last-changelog-value', sourceOf(v1));
    await open(folding(v1), { schemaRegistry, registerSchemas: false });
  });

  it('lets tombstones pass by', async () => {
    await open(copying(make(v1)));
    await driver.input('in', raw).send({ key: 'a', value: null });
    assert.deepEqual(await driver.output('out', raw).values(), [null]);
  });

  it('reads what older and newer schemas wrote, in one batch', async () => {
    await open(copying(make(v2), serdes.json() as never), { schemaRegistry: anything() });
    await driver.crash();
    await driver
      .input('in', { key: serdes.string, value: make(v1) })
      .send({ key: 'a', value: { id: 'x', version: 1 } });
    await driver
      .input('in', { key: serdes.string, value: make(v2) })
      .send({ key: 'a', value: { id: 'y', version: 2, cents: 5 } });
    await driver
      .input('in', { key: serdes.string, value: make(v3) })
      .send({ key: 'a', value: { id: 'z', version: 3, needed: '!' } });
    await driver.restart();
    assert.deepEqual(await driver.output('out', { key: serdes.string, value: serdes.json() }).values(), [
      { id: 'x', version: 1, cents: 7 },
      { id: 'y', version: 2, cents: 5 },
      { id: 'z', version: 3, cents: 7 },
    ]);
  });

  it('gives the same in any batches, with schemas that are met in the middle and bytes that are no Avro', async () => {
    const results: unknown[] = [];
    for (const batchRecords of [1, 2, 7, 1000]) {
      await open(
        topology('batches', (t) => {
          t.stream('in', { key: serdes.string, value: make(v2) }).pipe(
            reorderByVersion({
              store: 'versions',
              version: (record) => Number(record.value.version),
              first: 0,
              value: make(v2),
            }),
            aggregate({ store: 'last', value: make(v2), initial: () => ({}) as Any, add: (_, record) => record.value }),
            to('out', { key: serdes.string, value: make(v2) }),
          );
        }),
        { schemaRegistry: anything(), batchRecords, onError: { deserialize: 'skip' } },
      );
      await driver.crash();
      for (let i = 0; i < 30; i++) {
        const version = i - (i % 3) + (2 - (i % 3));
        const json = [v1, v2, v3][i % 3];
        await driver
          .input('in', { key: serdes.string, value: make(json) })
          .send({ key: 'a', value: { id: `${i}`, version, cents: i, needed: '' } });
        if (i % 4 === 0) await driver.input('in', raw).send({ key: 'a', value: Buffer.from([0, 0, 0, 0, i, 1]) });
      }
      await driver.restart();
      await driver.crash();
      await driver.restart();
      results.push([
        await driver.output('out', { key: serdes.string, value: make(v2) }).values(),
        await driver.store('last').entries(),
      ]);
      await driver.close();
    }
    assert.equal((results[0] as Any[][])[0]?.length, 30);
    for (const result of results) assert.deepEqual(result, results[0]);
  });

  it('reads and writes a subject, as it is registered', async () => {
    const schemaRegistry = new MemoryRegistry();
    const one = await schemaRegistry.register('orders', sourceOf(v1));
    const two = await schemaRegistry.register('orders', sourceOf(v2));
    for (const [options, id] of [
      [{}, two],
      [{ version: 'latest' }, two],
      [{ version: 1 }, one],
    ] as const) {
      await open(copying(avro<Any>('orders'), avro<Any>('orders', options)), {
        schemaRegistry,
        registerSchemas: false,
      });
      const input = driver.input('in', { key: serdes.string, value: avro<Any>('orders', { version: 1 }) });
      await input.send({ key: 'a', value: { id: 'x', version: 1 } });
      const [bytes] = await driver.output('out', raw).values();
      assert.equal(bytes?.readUInt32BE(1), id);
      await driver.close();
    }
    await assert.rejects(
      open(copying(avro<Any>('nothing')), { schemaRegistry }),
      isError('SCHEMA_UNKNOWN', /there is no subject nothing/),
    );
    await assert.rejects(
      open(copying(avro<Any>('orders', { version: 9 })), { schemaRegistry }),
      isError('SCHEMA_UNKNOWN', /no version 9/),
    );
  });

  it('reads its own schema while it writes an older version', async () => {
    const schemaRegistry = new MemoryRegistry();
    const id = await schemaRegistry.register('out-value', sourceOf(v1));
    await open(copying(make(v2), make(v2, { version: 1 })), { schemaRegistry });
    await driver
      .input('in', { key: serdes.string, value: make(v2) })
      .send({ key: 'a', value: { id: 'x', version: 1, cents: 5 } });
    assert.equal((await driver.output('out', raw).values())[0]?.readUInt32BE(1), id);
  });

  it('finds what a schema refers to', async () => {
    const schemaRegistry = new MemoryRegistry();
    await schemaRegistry.register(
      'money',
      sourceOf({ type: 'record', name: 'Money', namespace: 'shop', fields: [{ name: 'cents', type: 'long' }] }),
    );
    const price = { type: 'record', name: 'Price', namespace: 'shop', fields: [{ name: 'amount', type: 'Money' }] };
    const references = [{ name: 'shop.Money', subject: 'money', version: 1 }];
    const value = make(price, { references });
    await open(copying(value), { schemaRegistry });
    await driver.input('in', { key: serdes.string, value }).send({ key: 'a', value: { amount: { cents: 5 } } });
    assert.deepEqual(await driver.output('out', { key: serdes.string, value: avro<Any>('out-value') }).values(), [
      { amount: { cents: 5 } },
    ]);
    assert.deepEqual((await schemaRegistry.version('out-value', 1)).references, references);
  });

  it('writes to topics that each record chooses, each under its own subject', async () => {
    const schemaRegistry = new MemoryRegistry();
    await open(
      topology('choosing', (t) => {
        t.stream('in', { key: serdes.string, value: make(v1) }).pipe(
          to((record) => `out-${record.key}`, { name: 'chosen', key: serdes.string, value: make(v1) }),
        );
        t.stream('out-a', raw).pipe(to('seen', raw));
        t.stream('out-b', raw).pipe(to('seen-too', raw));
      }),
      { schemaRegistry },
    );
    await driver
      .input('in', { key: serdes.string, value: make(v1) })
      .sendAll(['a', 'b', 'a'].map((key) => ({ key, value: { id: key, version: 1 } })));
    assert.deepEqual(await schemaRegistry.subjects(), ['in-value', 'out-a-value', 'out-b-value']);
    assert.equal((await driver.output('seen', raw).values()).length, 2);
    assert.equal((await driver.output('seen-too', raw).values()).length, 1);
  });

  it('reads the schema that a header names, and takes the header off', async () => {
    const schemaRegistry = new MemoryRegistry();
    await schemaRegistry.register('in-value', sourceOf(v1));
    const guid = Buffer.from(fingerprintUuid(schemaText(parseSchema(v1).schema)).replaceAll('-', ''), 'hex');
    const header = Buffer.concat([Buffer.from([1]), guid]);
    const payload = Buffer.from('027806', 'hex');
    await open(copying(make(v2)), { schemaRegistry });
    const input = driver.input('in', raw);
    await input.send({ key: 'a', value: payload, headers: { __value_schema_id: header, trace: 't' } });
    await input.send({ key: 'a', value: Buffer.concat([header, payload]) });
    const written = await driver.output('out', { key: serdes.string, value: make(v2) }).read();
    assert.deepEqual(
      written.map(({ value, headers }) => [value, headers]),
      [
        [{ id: 'x', version: 3, cents: 7 }, Headers.of({ trace: 't' })],
        [{ id: 'x', version: 3, cents: 7 }, Headers.none],
      ],
    );
  });

  it('says where a value does not fit, and writes nothing of it', async () => {
    await open(
      topology('breaking', (t) => {
        t.stream('in', { key: serdes.string, value: serdes.json<Any>() }).pipe(
          to('out', { key: serdes.string, value: make(v1) }),
        );
      }),
    );
    const input = driver.input('in', { key: serdes.string, value: serdes.json<Any>() });
    await assert.rejects(
      input.send({ key: 'a', value: { id: 'x', version: 'one' } }),
      isError('SERIALIZE_FAILED', /in version, expected int/, /in\[0\]@0/),
    );
  });

  it('encodes and decodes nothing until it belongs to a topic', () => {
    assert.throws(() => make(v1).encode({}), /belongs to no topic/);
    assert.throws(() => make(v1).decode(Buffer.alloc(5)), /belongs to no topic/);
  });

  it('refuses invalid options and schemas when it is made', () => {
    assert.throws(() => make(v1, { strategy: 'other' as never }), isError('CONFIG_INVALID', /topicRecordName/));
    assert.throws(() => make(v1, { version: 0 }), isError('CONFIG_INVALID', /the version 0/));
    assert.throws(() => avro('orders', { subject: 'x' }), isError('CONFIG_INVALID', /a subject twice/));
    assert.throws(() => make({ type: 'record', name: 'A' }), isError('SCHEMA_INVALID', /without an array "fields"/));
    assert.throws(() => avro('{'), isError('SCHEMA_INVALID', /not JSON/));
  });

  it('without a registry says how to name one', async () => {
    const { start } = await import('millrace');
    const { MemoryBroker } = await import('#src/broker/memory/broker.js');
    const { memoryDatabases } = await import('#src/state/database/memory.js');
    const broker = new MemoryBroker({ clock: systemClock });
    await assert.rejects(
      start(copying(make(v1)), { broker, stateDirectory: 'none', openDatabase: memoryDatabases(), createTopics: 1 }),
      isError('CONFIG_INVALID', /there is no schema registry/, /--schema-registry/),
    );
    await broker.close();
  });
});

describe('an Avro serde, given bytes that it cannot read', () => {
  const good = Buffer.from('027806', 'hex');

  /** Everything that must be refused, as what it is. */
  async function bad(schemaRegistry: MemoryRegistry): Promise<readonly (readonly [string, Buffer, RegExp])[]> {
    const id = await schemaRegistry.register('in-value', sourceOf(v1));
    const other = await schemaRegistry.register('other', sourceOf({ type: 'record', name: 'Other', fields: [] }));
    const prefix = (magic: number, of: number): Buffer => {
      const bytes = Buffer.alloc(5, magic);
      bytes.writeUInt32BE(of, 1);
      return bytes;
    };
    return [
      ['no bytes', Buffer.alloc(0), /saw no bytes, expected a byte 0/],
      ['wrong magic', Buffer.concat([prefix(2, id), good]), /expected a byte 0/],
      ['fewer bytes than an id', Buffer.from([0, 0, 0]), /expected a byte 0/],
      ['JSON', Buffer.from('{"id":"x"}'), /expected a byte 0/],
      ['an id that nobody has', Buffer.concat([prefix(0, 12), good]), /no schema with the id 12/],
      ['a GUID that nobody has', Buffer.concat([Buffer.alloc(17, 1), good]), /no schema with the id 01010101-0101/],
      [
        'a schema that cannot be read as this one',
        Buffer.concat([prefix(0, other)]),
        /was named Other and is now shop\.Order/,
      ],
      ['no value', prefix(0, id), /saw fewer bytes/],
      ['a value that is cut off', Buffer.concat([prefix(0, id), good.subarray(0, 2)]), /saw fewer bytes/],
      ['more than a value', Buffer.concat([prefix(0, id), good, good]), /saw 3 bytes after the value/],
      ['a length of 2^50', Buffer.concat([prefix(0, id), Buffer.from('8080808080808004', 'hex')]), /saw fewer bytes/],
    ];
  }

  it('sends them where the policy says, each with its reason, and the rest of the batch goes on', async () => {
    const schemaRegistry = anything();
    const cases = await bad(schemaRegistry);
    await open(copying(make(v1)), { schemaRegistry, onError: { deserialize: 'deadLetter' } });
    await driver.crash();
    const input = driver.input('in', raw);
    const id = (await schemaRegistry.version('in-value', 1)).id;
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(id, 1);
    for (const [, bytes] of cases) {
      await input.send({ key: 'bad', value: bytes });
      await input.send({ key: 'good', value: Buffer.concat([prefix, good]) });
    }
    await driver.restart();
    const letters = await driver.deadLetters().read();
    assert.equal(letters.length, cases.length);
    for (const [i, [what, , message]] of cases.entries()) {
      assert.equal(letters[i]?.headers.text('millrace.error.code'), 'DESERIALIZE_FAILED', what);
      assert.match(letters[i]?.headers.text('millrace.error.message') ?? '', message, what);
    }
    assert.equal((await driver.output('out', raw).values()).length, cases.length);
  });

  it('ends with them under the policy fail, at the record', async () => {
    for (let i = 0; i < 11; i++) {
      const schemaRegistry = anything();
      const [, bytes, message] = (await bad(schemaRegistry))[i] as readonly [string, Buffer, RegExp];
      await open(copying(make(v1)), { schemaRegistry });
      await assert.rejects(
        driver.input('in', raw).send({ key: 'a', value: bytes }),
        isError('DESERIALIZE_FAILED', message, /in\[0\]@0/),
      );
      await driver.close().catch(() => undefined);
    }
  });

  it('survives ten thousand random ones, with the ids of its schemas and without', async () => {
    const schemaRegistry = anything();
    const id = await schemaRegistry.register('in-value', sourceOf(v1));
    const wide = {
      type: 'record',
      name: 'Wide',
      fields: [
        { name: 'list', type: { type: 'array', items: ['null', 'string', { type: 'array', items: 'null' }] } },
        { name: 'map', type: { type: 'map', values: { type: 'map', values: 'bytes' } } },
        { name: 'next', type: ['null', 'Wide'] },
      ],
    };
    const wideId = await schemaRegistry.register('in-value', sourceOf(wide));
    await open(copying(make(wide)), {
      schemaRegistry,
      onError: { deserialize: 'skip', produce: 'skip' },
      batchRecords: 500,
    });
    let seed = 42;
    const random = (): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed >>> 16;
    };
    const records = Array.from({ length: 10_000 }, (_, i) => {
      const value = Buffer.from(Array.from({ length: 5 + (random() % 60) }, () => random() & 0xff));
      if (i % 4 > 0) {
        value[0] = 0;
        value.writeUInt32BE(i % 4 === 1 ? id : wideId, 1);
      }
      return { key: 'a', value };
    });
    await driver.input('in', raw).sendAll(records);
    const nodes = driver.metrics.nodes as Record<string, Record<string, number>>;
    const skipped = Object.values(nodes).reduce((sum, counts) => sum + (counts.skipped ?? 0), 0);
    assert.equal(skipped + (await driver.output('out', raw).values()).length, 10_000);
  });
});

describe('an Avro serde, and a schema with a ruleSet', () => {
  let server: RegistryServer;

  beforeEach(async () => {
    server = await RegistryServer.start();
  });
  afterEach(() => server.stop());

  it('refuses to write or read with it, saying why', async () => {
    server.ruleSet = { domainRules: [{ name: 'encrypt', kind: 'TRANSFORM' }] };
    await server.registry.register('out-value', sourceOf(v1));
    const id = await server.registry.register('in-value', sourceOf(v1));
    const schemaRegistry = await openRegistry(server.url, {}, systemClock);
    const options = { schemaRegistry, registerSchemas: false };
    await assert.rejects(
      open(copying(make(v1)), options),
      isError('SCHEMA_INVALID', /has a ruleSet/, /would not apply them/),
    );
    await assert.rejects(open(copying(avro<Any>('out-value')), options), isError('SCHEMA_INVALID', /has a ruleSet/));
    await open(copying(make(v1), serdes.json() as never), options);
    const bytes = Buffer.from([0, 0, 0, 0, 0, 2, 120, 6]);
    bytes.writeUInt32BE(id, 1);
    await assert.rejects(
      driver.input('in', raw).send({ key: 'a', value: bytes }),
      isError('DESERIALIZE_FAILED', /has a ruleSet/),
    );
  });
});

describe('an Avro serde, while the registry is away', () => {
  let server: RegistryServer;
  let schemaRegistry: SchemaRegistry;
  let known: number;
  let later: number;

  beforeEach(async () => {
    server = await RegistryServer.start();
    // However busy the machine is, an answer comes in time.
    schemaRegistry = await openRegistry(server.url, { retryForMs: 200, timeoutMs: 60_000 }, systemClock);
    known = await server.registry.register('in-value', sourceOf(v1));
    later = await server.registry.register('in-value', sourceOf(v2));
    await server.registry.register('out-value', sourceOf(v1));
  });
  afterEach(() => server.stop());

  const bytes = (id: number, more = ''): Buffer => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(id, 1);
    return Buffer.concat([prefix, Buffer.from(`027806${more}`, 'hex')]);
  };

  it('does not start what has to be written, and says what was asked and how it failed', async () => {
    for (const [fault, code, message, timeoutMs] of [
      ['hang up', 'REGISTRY_UNAVAILABLE', /socket hang up/],
      ['silence', 'REGISTRY_UNAVAILABLE', /no answer in 100 ms/, 100],
      [{ status: 500 }, 'REGISTRY_UNAVAILABLE', /status 500/],
      [{ status: 401 }, 'REGISTRY_UNAUTHORIZED', /status 401/],
    ] as const) {
      server.fault = fault;
      const hasty = timeoutMs && (await openRegistry(server.url, { retryForMs: 200, timeoutMs }, systemClock));
      await assert.rejects(
        open(copying(make(v1)), { schemaRegistry: hasty || schemaRegistry, registerSchemas: false }),
        isError(code, message, /out-value/),
      );
    }
    server.fault = undefined;
    server.faults.push({ status: 409, body: { error_code: 409, message: 'incompatible' } });
    await assert.rejects(
      open(copying(make(v2)), { schemaRegistry }),
      isError('SCHEMA_INCOMPATIBLE', /status 409 \(incompatible\)/),
    );
  });

  it('goes on with schemas that it knows, and ends at another without a skip, whatever the policy', async () => {
    await open(copying(make(v1)), { schemaRegistry, registerSchemas: false, onError: { deserialize: 'skip' } });
    const input = driver.input('in', raw);
    await input.send({ key: 'a', value: bytes(known) });
    server.fault = { status: 503 };
    await input.send({ key: 'a', value: bytes(known) });
    await assert.rejects(
      input.send({ key: 'a', value: bytes(later, '02') }),
      isError('REGISTRY_UNAVAILABLE', /in\[0\]@2/),
    );
    assert.equal((await driver.output('out', raw).values()).length, 2);
    server.fault = undefined;
    await driver.restart();
    assert.equal((await driver.output('out', raw).values()).length, 1);
  });

  it('waits for an answer that is slow, or comes at a later attempt, and loses nothing', async () => {
    const patient = await openRegistry(server.url, { retryForMs: 60_000, timeoutMs: 500 }, systemClock);
    await open(copying(make(v1)), { schemaRegistry: patient, registerSchemas: false });
    server.faults.push('silence', { status: 500 });
    await driver.crash();
    const input = driver.input('in', raw);
    await input.sendAll([bytes(known), bytes(later, '02'), bytes(known)].map((value) => ({ key: 'a', value })));
    await driver.restart();
    assert.equal((await driver.output('out', raw).values()).length, 3);
  });
});

describe('a store of Avro values, over a change of the schema', () => {
  const feed = async (json: unknown, value: Any): Promise<void> =>
    driver.input('in', { key: serdes.string, value: make(json) }).send({ key: String(value.id), value });

  it('is read through the new schema, without being rebuilt', async () => {
    const schemaRegistry = new MemoryRegistry();
    await open(folding(v1), { schemaRegistry });
    await feed(v1, { id: 'a', version: 1 });
    await feed(v1, { id: 'b', version: 1 });
    await driver.restart(folding(v2));
    assert.equal(driver.metrics.restoredRecords, 0);
    await feed(v2, { id: 'b', version: 2, cents: 9 });
    const expected = [
      ['a', { id: 'a', version: 1, cents: 7 }],
      ['b', { id: 'b', version: 2, cents: 9 }],
    ];
    assert.deepEqual(await driver.store('last').entries(), expected);
    assert.deepEqual(await driver.store('last').get('a'), expected[0]?.[1]);
    // And after a crash, from the changelog: rows of both schemas.
    await driver.crash();
    await driver.restart(folding(v2));
    assert.deepEqual(await driver.store('last').entries(), expected);
  });

  it('is refused if the new schema cannot read what any version may have left, with what to do', async () => {
    const schemaRegistry = anything();
    await open(folding(v1), { schemaRegistry });
    await feed(v1, { id: 'a', version: 1 });
    await assert.rejects(
      driver.restart(folding(v3)),
      isError('STATE_MISMATCH', /store last/, /needed: the field has no default/, /upcaster/, /rebuild/),
    );
    // v2 wrote as well: v1 rows are still there when the next comes.
    await driver.restart(folding(v2));
    await feed(v2, { id: 'b', version: 1 });
    const needsCents = { ...v1, fields: [...v1.fields, { name: 'cents', type: 'long' }] };
    await assert.rejects(
      driver.restart(folding(needsCents)),
      isError('STATE_MISMATCH', /cents: the field has no default/),
    );
    await driver.restart(folding(v1));
    assert.equal((await driver.store('last').entries()).length, 2);
  });

  it('is read by an upcaster where Avro has no rule for the change', async () => {
    const schemaRegistry = anything();
    await open(folding(v1), { schemaRegistry });
    await feed(v1, { id: 'a', version: 1 });
    const upcasts = [upcast(v1, (old) => ({ ...old, needed: `made of ${old.id}` }) as Any)];
    await driver.restart(folding(v3, { upcasts }));
    assert.deepEqual(await driver.store('last').entries(), [['a', { id: 'a', version: 1, needed: 'made of a' }]]);
  });

  it('keeps what waits in it: records of the old schema come out as of the new', async () => {
    const reordering = (json: unknown): Topology =>
      topology('reordering', (t) => {
        t.stream('in', { key: serdes.string, value: make(json) }).pipe(
          reorderByVersion({
            store: 'versions',
            version: (record) => Number(record.value.version),
            first: 1,
            value: make(json),
          }),
          to('out', { key: serdes.string, value: make(json) }),
        );
      });
    const schemaRegistry = new MemoryRegistry();
    await open(reordering(v1), { schemaRegistry });
    await feed(v1, { id: 'a', version: 2 });
    await driver.restart(reordering(v2));
    await feed(v2, { id: 'a', version: 1, cents: 5 });
    assert.deepEqual(await driver.output('out', { key: serdes.string, value: make(v2) }).values(), [
      { id: 'a', version: 1, cents: 5 },
      { id: 'a', version: 2, cents: 7 },
    ]);
    await assert.rejects(
      TestDriver.create(reordering(v1), { schemaRegistry: anything() }).then(async (other) => {
        driver = other;
        await driver.restart(reordering(v3));
      }),
      isError('STATE_MISMATCH', /store versions/),
    );
  });

  it('is found by Avro keys as long as their schema stays, and refused if it does not', async () => {
    const keyed = (key: unknown): Topology =>
      topology('keyed', (t) => {
        t.stream('in', { key: make(key), value: serdes.int64 }).pipe(
          aggregate({ store: 'sums', value: serdes.int64, initial: () => 0, add: (sum, record) => sum + record.value }),
          process({
            name: 'looking',
            uses: ['sums'],
            process: async (record, context) => {
              const again = await context.store<Any, number>('sums').load(record.key as Any);
              context.forward({ key: record.key, value: again } as never);
            },
          }),
          to('out', { key: make(key), value: serdes.int64 }),
        );
      });
    const key = { type: 'record', name: 'Key', fields: [{ name: 'id', type: 'int' }] };
    const schemaRegistry = anything();
    await open(keyed(key), { schemaRegistry });
    const input = driver.input('in', { key: make(key), value: serdes.int64 });
    await input.sendAll([1, 2, 1].map((id) => ({ key: { id }, value: 5 })));
    await driver.restart();
    await input.send({ key: { id: 1 }, value: 5 });
    assert.deepEqual(
      (await driver.output('out', { key: make(key), value: serdes.int64 }).read()).map((record) => [
        record.key,
        record.value,
      ]),
      [
        [{ id: 1 }, 5],
        [{ id: 2 }, 5],
        [{ id: 1 }, 10],
        [{ id: 1 }, 15],
      ],
    );
    const wider = { ...key, fields: [...key.fields, { name: 'more', type: 'int', default: 0 }] };
    await assert.rejects(driver.restart(keyed(wider)), isError('STATE_MISMATCH', /its keys/, /found by its bytes/));
  });

  it('is found by Avro keys whose schema is the same in other words, also under another id', async () => {
    const key = { type: 'record', name: 'Key', fields: [{ name: 'id', type: 'int' }] };
    const summing = (words: object): Topology =>
      topology('keyed', (t) => {
        t.stream('in', { key: make({ ...key, ...words }), value: serdes.int64 }).pipe(
          aggregate({ store: 'sums', value: serdes.int64, initial: () => 0, add: (sum, record) => sum + record.value }),
          to('out', { key: make({ ...key, ...words }), value: serdes.int64 }),
        );
      });
    await open(summing({}), { schemaRegistry: new WrittenRegistry() });
    const input = driver.input('in', { key: make(key), value: serdes.int64 });
    await input.send({ key: { id: 1 }, value: 5 });
    await driver.restart(summing({ doc: 'Who it is.' }));
    await input.send({ key: { id: 1 }, value: 5 });
    const sent = await driver.output('out', { key: serdes.bytes, value: serdes.int64 }).read();
    assert.deepEqual(
      sent.map(({ value }) => value),
      [5, 10],
    );
    assert.deepEqual(sent[0]?.key, sent[1]?.key);
  });
});

describe('a global table of Avro values', () => {
  it('holds rows of any schema, also those whose schema stood in a header', async () => {
    const schemaRegistry = new MemoryRegistry();
    await schemaRegistry.register('rows-value', sourceOf(v1));
    const target = (json: unknown): Topology =>
      topology('global', (t) => {
        const rows = t.globalTable('rows', { key: serdes.string, value: make(json), store: 'all-rows' });
        t.stream('ask', { key: serdes.string, value: serdes.string }).pipe(
          joinGlobalTable(rows, { key: (record) => record.value, join: (_, row) => row }),
          to('out', { key: serdes.string, value: serdes.json<Any>() }),
        );
      });
    await open(target(v2), { schemaRegistry });
    const guid = Buffer.from(fingerprintUuid(schemaText(parseSchema(v1).schema)).replaceAll('-', ''), 'hex');
    await driver.input('rows', raw).send({
      key: 'h',
      value: Buffer.from('027806', 'hex'),
      headers: { __value_schema_id: Buffer.concat([Buffer.from([1]), guid]) },
    });
    await driver
      .input('rows', { key: serdes.string, value: make(v1) })
      .send({ key: 'p', value: { id: 'y', version: 1 } });
    await driver.restart(target(v2));
    await driver.input('ask', { key: serdes.string, value: serdes.string }).sendAll([
      { key: 'q', value: 'h' },
      { key: 'q', value: 'p' },
    ]);
    assert.deepEqual(await driver.output('out', { key: serdes.string, value: serdes.json() }).values(), [
      { id: 'x', version: 3, cents: 7 },
      { id: 'y', version: 1, cents: 7 },
    ]);
    // What the rows were written with is the business of those who write the topic: another reader is not refused at the start.
    await driver.restart(target({ ...v1, fields: [{ name: 'version', type: 'long' }] }));
    await driver.input('ask', { key: serdes.string, value: serdes.string }).send({ key: 'q', value: 'p' });
    assert.deepEqual(await driver.output('out', { key: serdes.string, value: serdes.json() }).values(), [
      { version: 1 },
    ]);
  });
});
