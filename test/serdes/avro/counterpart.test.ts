// Promise: what Confluent's own serializer writes is read here, what is written here is read by its deserializer, and both write the same bytes; on registries that others wrote.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { type SchemaRegistry, type Serde, serdes } from 'millrace';
import { avro } from 'millrace/avro';
import { whenReady } from '#src/model/not-ready.js';
import type { Tls } from '#src/net/tls.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openedFor } from '#src/runtime/send.js';
import { openRegistry } from '#src/serdes/registry/open.js';
import { parseSchema } from '#src/serdes/schema/parse.js';
import { makeCertificates, PASSPHRASE } from '../../support/certificates.js';
import { isError } from '../../support/errors.js';
import { temporaryDirectory } from '../../support/project.js';
import { describeWithRegistry } from '../../support/registry.js';
import { RegistryServer } from '../../support/registry-server.js';
import { registryContract } from '../registry/contract.js';
import { schemas, valuesOf } from '../schema/arbitrary.js';
import { official } from './official.js';

let count = 0;
const fresh = (name: string): string => `${name}-${process.pid}-${count++}`;

/** Both serializers on one registry; topics are new ones. */
function counterpart(
  title: string,
  url: () => string,
  options: { readonly runs: number; readonly guids: boolean },
): void {
  describe(`Confluent's serializer and ours, ${title}`, () => {
    const { AvroDeserializer, AvroSerializer, HeaderSchemaIdSerializer, SchemaRegistryClient } = official();
    const config = { subjectNameStrategyType: 'TOPIC' };
    let schemaRegistry: SchemaRegistry;

    beforeEach(async () => {
      schemaRegistry = await openRegistry(url(), {}, systemClock);
    });

    const ours = async (topic: string, json: unknown, registerSchemas: boolean): Promise<Serde<unknown>> => {
      const value = avro<unknown>(JSON.stringify(json));
      const services = { schemaRegistry: async () => schemaRegistry, registerSchemas };
      return (await openedFor(topic, registerSchemas ? 'both' : 'write', { key: serdes.string, value }, services))
        .value;
    };
    const theirs = () => new SchemaRegistryClient({ baseURLs: [url()] });

    const order = {
      type: 'record',
      name: 'Order',
      namespace: 'shop',
      fields: [
        { name: 'id', type: 'string' },
        { name: 'cents', type: 'long', default: 7 },
        { name: 'note', type: ['null', 'string'], default: null },
        { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['new', 'paid'] } },
        {
          name: 'lines',
          type: { type: 'array', items: { type: 'record', name: 'Line', fields: [{ name: 'count', type: 'int' }] } },
        },
        { name: 'by', type: ['null', 'Line', { type: 'record', name: 'Other', fields: [] }] },
      ],
    };
    const value = {
      id: 'ä',
      cents: 1 << 40,
      note: null,
      kind: 'paid',
      lines: [{ count: 1 }, { count: -2 }],
      by: { 'shop.Line': { count: 3 } },
    };

    it('write the same bytes, for schemas that either has registered', async () => {
      for (const oursFirst of [true, false]) {
        const topic = fresh('orders');
        const client = theirs();
        if (!oursFirst) await client.register(`${topic}-value`, { schemaType: 'AVRO', schema: JSON.stringify(order) });
        const serde = await ours(topic, order, oursFirst);
        const written = await new AvroSerializer(client, 'VALUE', { ...config, useLatestVersion: true }).serialize(
          topic,
          value,
        );
        assert.deepEqual(serde.encode(value), written);
      }
    });

    it('read what the other wrote', async () => {
      const topic = fresh('orders');
      const serde = await ours(topic, order, true);
      const client = theirs();
      const read = await new AvroDeserializer(client, 'VALUE', config).deserialize(topic, serde.encode(value));
      assert.deepEqual(JSON.parse(JSON.stringify(read)), value);
      const written = await new AvroSerializer(client, 'VALUE', { ...config, useLatestVersion: true }).serialize(
        topic,
        value,
      );
      assert.deepEqual(await whenReady(() => serde.decode(written)), value);
    });

    it('agree on random schemas and values, both ways, byte for byte', async () => {
      // What has other values here is compared elsewhere: the official one knows no logical types. At the top it passes bytes as they are, and takes no null.
      const cases = schemas
        .filter((json) => !JSON.stringify(json).includes('logicalType') && json !== 'bytes')
        .map((json) => ({ type: 'record', name: 'Top', fields: [{ name: 'value', type: json }] }))
        .chain((json) => fc.tuple(fc.constant(json), valuesOf(parseSchema(json).schema)))
        // Which the official one takes for the prototype of the map, and loses.
        .filter(([, random]) => !inspect(random, { depth: 20 }).includes('__proto__'));
      await fc.assert(
        fc.asyncProperty(cases, async ([json, random]) => {
          const topic = fresh('random');
          const serde = await ours(topic, json, true);
          const client = theirs();
          const written = await new AvroSerializer(client, 'VALUE', { ...config, useLatestVersion: true }).serialize(
            topic,
            random,
          );
          assert.deepEqual(serde.encode(random), written);
          assert.deepEqual(serde.decode(written), random);
          const read = await new AvroDeserializer(client, 'VALUE', config).deserialize(topic, serde.encode(random));
          assert.deepEqual(serde.encode(read), written);
        }),
        { numRuns: options.runs },
      );
    });

    it('read the versions of each other through a later schema', async () => {
      const topic = fresh('orders');
      const client = theirs();
      const old = { ...order, fields: order.fields.filter(({ name }) => name !== 'cents') };
      await client.register(`${topic}-value`, { schemaType: 'AVRO', schema: JSON.stringify(old) });
      const written = await new AvroSerializer(client, 'VALUE', { ...config, useLatestVersion: true }).serialize(
        topic,
        value,
      );
      const serde = await ours(topic, order, true);
      assert.deepEqual(await whenReady(() => serde.decode(written)), { ...value, cents: 7 });
    });

    if (options.guids) {
      it('read the schema from a header', async () => {
        const topic = fresh('orders');
        const serde = await ours(topic, order, true);
        const headers: Record<string, Buffer> = {};
        const serializer = new AvroSerializer(theirs(), 'VALUE', {
          ...config,
          useLatestVersion: true,
          schemaIdSerializer: HeaderSchemaIdSerializer,
        });
        const written = await serializer.serialize(topic, value, headers);
        const { Headers } = await import('millrace');
        assert.deepEqual(Object.keys(headers), ['__value_schema_id']);
        assert.deepEqual(await whenReady(() => serde.decode(written, Headers.of(headers))), value);
      });
    }
  });
}

describe('on a registry by HTTP', () => {
  let server: RegistryServer;
  before(async () => {
    server = await RegistryServer.start();
  });
  after(() => server.stop());

  counterpart('a registry of ours', () => server.url, { runs: 60, guids: true });
});

describeWithRegistry('a schema registry of others', (url) => {
  registryContract('Apicurio', async () => {
    const suffix = fresh('');
    return { registry: await openRegistry(url(), {}, systemClock), subject: (name) => `${name}${suffix}` };
  });
  counterpart('Apicurio', url, { runs: 15, guids: false });

  it('is reached by TLS, if each knows the other', async () => {
    const made = makeCertificates(temporaryDirectory());
    const pem = (path: string): Buffer => readFileSync(path);
    const secure = { cert: pem(made.broker), key: pem(made.broker), ca: pem(made.authority), requestCert: true };
    const server = await RegistryServer.start(secure);
    const client = {
      certificate: { file: made.clientCertificate },
      key: { file: made.encryptedKey },
      passphrase: PASSPHRASE,
    };
    const ca = { file: made.authority };
    const ask = async (host: string, tls: Tls): Promise<readonly string[]> =>
      (await openRegistry(`https://${host}:${server.port}`, { tls, retryForMs: 0 }, systemClock)).subjects();
    try {
      assert.deepEqual(await ask('localhost', { ca, ...client }), []);
      assert.deepEqual(await ask('127.0.0.1', { ca, ...client, checkServerName: false }), []);
      for (const [host, tls, message] of [
        ['localhost', { ca: { file: made.stranger }, ...client }, /self-signed|unable to (get|verify)/],
        ['localhost', { ca }, /certificate required|socket hang up|ECONNRESET|EPIPE/],
        ['127.0.0.1', { ca, ...client }, /does not match certificate/],
      ] as const)
        await assert.rejects(ask(host, tls), isError('REGISTRY_UNAVAILABLE', message));
    } finally {
      await server.stop();
    }
  });

  it('says itself why it would refuse a schema', async () => {
    const registry = await openRegistry(url(), {}, systemClock);
    const subject = fresh('refusing');
    const source = (type: string) => ({
      schema: JSON.stringify({ type: 'record', name: 'R', fields: [{ name: 'x', type }] }),
      references: [],
    });
    assert.equal(await registry.refuses?.(subject, source('int')), undefined);
    await registry.register(subject, source('int'));
    assert.equal(await registry.refuses?.(subject, source('long')), undefined);
    assert.match((await registry.refuses?.(subject, source('string'))) ?? '', /\S/);
  });
});
