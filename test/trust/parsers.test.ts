import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { clientCredentials } from '#src/broker/kafkajs/login/oauth.js';
import { kafkaOptionsFromEnv } from '#src/broker/kafkajs/login/properties.js';
import { TokenEndpointError } from '#src/broker/kafkajs/wire/errors.js';
import type { BrokerRecord } from '#src/broker/port.js';
import { decodeHead, decodeRecords } from '#src/broker/record-batch/decoder.js';
import { inputRecord } from '#src/cli/records/input-record.js';
import { answerSerde, subscriptionSerde } from '#src/dsl/foreign-keys/messages.js';
import { isStreamsError } from '#src/model/errors.js';
import { Headers } from '#src/model/headers.js';
import { isName } from '#src/model/names.js';
import { Secret } from '#src/model/text/secret.js';
import { KeySet } from '#src/replay/snapshots/key-set.js';
import { formatSnapshot, parseSnapshot } from '#src/replay/snapshots/snapshot-format.js';
import { causeOf } from '#src/runtime/changelog/change-log.js';
import { versionOf, versionOnDisk } from '#src/runtime/config/application-version.js';
import { errorPoliciesOf, policiesOf } from '#src/runtime/config/kept-policies.js';
import { systemClock } from '#src/runtime/config/system.js';
import { decodeAssignment, decodeMemberState, encodeMemberState } from '#src/runtime/group/member-state.js';
import { markOf } from '#src/runtime/offsets/reset-marks.js';
import { decodeChange, encodeChange } from '#src/runtime/poll/change-format.js';
import { streamTimesOf } from '#src/runtime/restore/stream-times.js';
import { FileRegistry } from '#src/serdes/registry/file.js';
import { openRegistry } from '#src/serdes/registry/open.js';
import { resolveSchema } from '#src/serdes/registry/resolve.js';
import { parseSchema } from '#src/serdes/schema/parse.js';
import { serdes } from '#src/serdes/serdes.js';
import { decodeCheckpoint, encodeCheckpoint } from '#src/state/directory/checkpoint.js';
import { parseIdentity } from '#src/state/directory/identity.js';
import { memoryIdentityFiles } from '#src/state/directory/identity-files.js';
import { forged, smallBatch } from '../broker/record-batch/support.js';
import { temporaryDirectory } from '../support/project.js';
import { ASKED, mutantsOf, otherJson, RUNS } from './mutants.js';

/** Runs a parser over inputs: it answers, or throws what `allowed` says. */
function survives<T>(
  name: string,
  inputs: fc.Arbitrary<T>,
  parse: (input: T) => unknown,
  {
    allowed = isStreamsError,
    runs = RUNS,
  }: { readonly allowed?: (error: unknown) => boolean; readonly runs?: number } = {},
): void {
  it(`of ${name}: an answer, or an error that is ours`, async () => {
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        try {
          await parse(input);
        } catch (error) {
          if (!allowed(error)) throw error;
        }
      }),
      { numRuns: runs },
    );
  });
}

/** What serdes throw: the engine makes DESERIALIZE_FAILED of it, with the record's position. */
const isPlain = (error: unknown): boolean => error instanceof Error;

const METADATA = [
  { format: 1, task: 5, stores: { a: 7, b: null }, jumps: { in: [0, 9] } },
  { format: 1, generation: [2, 'app-shadow-2'], retired: { id: 'app-promote-1', kind: 'promote' } },
  { format: 1, onError: ['sdf', 3] },
  { format: 1, reset: { id: 'app-1', until: 9, effects: 'silent', keeps: true, marked: true } },
];
const metadata = fc.oneof(
  otherJson(METADATA),
  mutantsOf(METADATA.map((one) => JSON.stringify(one))).map((bytes) => bytes.toString()),
);

describe('parsers of what others wrote, given anything', () => {
  survives('the metadata of committed offsets', metadata, (text) => {
    const committed = [{ topic: 'in', partition: 0, offset: 3, metadata: text }];
    const times = streamTimesOf(committed);
    assert.equal(typeof times.task, 'number');
    for (const name of ['a', 'b', 'constructor', '__proto__']) {
      assert.ok(['number', 'undefined'].includes(typeof times.store(name)));
      assert.ok(['object', 'undefined'].includes(typeof times.jump(name)));
    }
    const found = versionOf(committed, 'app');
    assert.ok(found === undefined || /^app(-shadow-\d+)?$/.test(found.prefix), found?.prefix);
    const kept = policiesOf(committed);
    for (const policy of Object.values(kept ? errorPoliciesOf(kept) : {}))
      assert.ok(['fail', 'skip', 'deadLetter'].includes(policy));
    const mark = markOf(committed[0] as (typeof committed)[0]);
    assert.ok(mark === undefined || typeof mark.until === 'number');
  });

  const generations = fc.oneof(
    otherJson([{ format: 1, n: 2, prefix: 'app-shadow-2' }]),
    mutantsOf(['{"format":1,"n":2,"prefix":"app-shadow-2"}\n']).map((bytes) => bytes.toString()),
  );
  survives('generation.json', generations, async (text) => {
    const files = memoryIdentityFiles();
    await files.writeAtomically(join('state', 'app', 'generation.json'), text);
    const { prefix } = await versionOnDisk('state', 'app', files);
    assert.match(prefix, /^app(-shadow-\d+)?$/);
  });

  const identity = { id: 1, kind: 'keyValue', key: 'string', value: 'json', formats: { key: ['a'] } };
  const identities = [{ format: 1, application: 'a', topology: 't', task: '0_0', stores: { s: identity } }];
  survives('identity.json', fc.oneof(otherJson(identities), fc.json()), (text) => parseIdentity(text, 'identity.json'));

  const checkpoint = { sources: { in: 3 }, changelogs: { s: 2 }, streamTimes: { '': 7 }, epochs: { s: 2 } };
  const logs = new Map([['s', { topicId: 'x', asOf: 9 }]]);
  const checkpoints = fc.oneof(
    otherJson([
      { format: 1, ...checkpoint },
      { format: 2, ...checkpoint, logs: [['s', 9, 'x']], emptied: 'reset' },
    ]).map((text) => Buffer.from(text)),
    mutantsOf([encodeCheckpoint({ ...checkpoint, logs })]),
  );
  survives('the checkpoint', checkpoints, (bytes) => decodeCheckpoint(bytes, 'state'));

  const snapshot = {
    records: 3,
    streamTimes: {},
    jumps: {},
    repartitions: { 'r:0': 2 },
    topology: 't',
    application: 'app',
    positions: [{ topic: 'in', partition: 0, offset: 3 }],
    exhausted: ['in:0'],
    maxTimestamp: 9,
    since: 0,
  };
  const snapshots = fc.oneof(
    otherJson([JSON.parse(formatSnapshot(snapshot))]),
    mutantsOf([formatSnapshot(snapshot)]).map((bytes) => bytes.toString()),
  );
  survives('snapshot.json', snapshots, (text) => {
    const { application, positions } = parseSnapshot(text, 'snapshot.json');
    assert.ok(isName(application));
    for (const at of positions) assert.equal(typeof at.topic, 'string');
  });
  survives('the keys of a snapshot', mutantsOf([KeySet.of(new Set(['a', 'b'])).format()]), (bytes) =>
    KeySet.parse(bytes).mayHave('a'),
  );

  const member = {
    format: 1,
    tasks: ['0-0'],
    onDisk: [],
    shapes: [{ id: '0', topics: ['in'], repartitions: [], stores: [], partitions: 1 }],
  };
  const members = fc.oneof(
    otherJson([member, { format: 1, refused: 'no' }]).map((text) => Buffer.from(text)),
    mutantsOf([JSON.stringify(member), encodeMemberState(member)]),
    otherJson([
      { tasks: { ranges: [['0', [0, 1]]], others: ['x'] }, onDisk: { ranges: [], others: [] }, shapes: [] },
    ]).map((text) => Buffer.concat([Buffer.from([2]), deflateRawSync(text)])),
  );
  survives('what members of the group say', members, (bytes) => {
    for (const task of decodeMemberState(bytes).tasks) assert.equal(typeof task, 'string');
    const assigned = decodeAssignment(bytes);
    if ('tasks' in assigned) for (const task of assigned.tasks) assert.equal(typeof task, 'string');
  });

  const cause = Buffer.concat([Buffer.from([1]), Buffer.alloc(8), Buffer.from('in')]);
  survives('the header of a changelog record', mutantsOf([cause]), (bytes) =>
    causeOf(new Headers([['millrace.cause', bytes]])),
  );
  survives(
    'a change in a repartition topic',
    mutantsOf([encodeChange(Buffer.from('new'), Buffer.from('old'), true), encodeChange(null, null)]),
    (bytes) => decodeChange(bytes),
    { allowed: isPlain },
  );
  survives(
    'messages of foreign-key joins',
    mutantsOf([
      subscriptionSerde.encode({ ask: 2, partition: 1, at: 5, leftKey: Buffer.from('k') }),
      answerSerde(serdes.json()).encode({ at: 5, foreignKey: Buffer.from('f'), right: { a: 1 } }),
    ]),
    (bytes) => {
      try {
        subscriptionSerde.decode(bytes, Headers.none);
      } finally {
        answerSerde(serdes.json()).decode(bytes, Headers.none);
      }
    },
    { allowed: isPlain },
  );

  const batches = fc.oneof(
    mutantsOf([smallBatch()]),
    // With a checksum that is right: a producer may write anything.
    fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 })).map(([at, bytes]) =>
      forged((batch) => {
        batch.set(bytes.subarray(0, 1), 21 + (at % (batch.length - 21)));
      }),
    ),
  );
  survives('record batches', batches, (bytes) => {
    const context = { topic: 'in', partition: 0 };
    const records: BrokerRecord[] = [];
    const head = decodeHead(bytes, 0, context);
    decodeRecords(bytes, 0, head, context, 0, records);
    for (const { headers } of records) void headers.entries;
  });

  const line = '{"id":"a","at":"2026-01-01T00:00:00Z","nested":{"x":1}}';
  survives('a line of input', mutantsOf([line]), (bytes) =>
    inputRecord({ number: 1, bytes, end: bytes.length }, { key: 'nested.x', timestamp: 'at' }, 'input', () => 0),
  );

  const properties = 'security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username=a\nsasl.password=b\n# c\n';
  survives('a properties file', mutantsOf([properties]), (bytes) => {
    const file = join(temporaryDirectory(), 'kafka.properties');
    writeFileSync(file, bytes);
    kafkaOptionsFromEnv({}, { file });
  });

  const schema = {
    type: 'record',
    name: 'Order',
    fields: [
      { name: 'id', type: 'string', default: 'x' },
      { name: 'lines', type: { type: 'array', items: ['null', { type: 'fixed', name: 'F', size: 2 }] } },
      { name: 'kind', type: { type: 'enum', name: 'E', symbols: ['A', 'B'] }, default: 'A' },
      { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 } },
    ],
  };
  survives('schemas', fc.oneof(otherJson([schema]), fc.json()), (text) => parseSchema(text));

  const index = {
    format: 1,
    compatibility: 'BACKWARD',
    subjects: { a: { versions: [{ id: 1, schema: 'string', references: [{ name: 'x', subject: 'b', version: 1 }] }] } },
  };
  survives('the index of a registry in a directory', otherJson([index]), async (text) => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'index.json'), text);
    await FileRegistry.open(directory);
  });

  describe('of servers', () => {
    let body = '';
    let status = 200;
    let url = '';
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(body);
    });
    before(async () => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(() => {
      server.closeAllConnections();
      server.close();
    });
    const statuses = fc.constantFrom(200, 200, 200, 307, 400, 401, 404, 409, 422);

    const stored = {
      id: 1,
      version: 1,
      subject: 's',
      schema: '"string"',
      schemaType: 'AVRO',
      references: [{ name: 'x', subject: 's', version: 2 }],
    };
    survives(
      'a schema registry',
      fc.tuple(otherJson([stored, [1, 2]]), statuses),
      async ([text, code]) => {
        [body, status] = [text, code];
        const registry = await openRegistry(url, { retryForMs: 0 }, systemClock);
        const asked = await Promise.allSettled([
          registry.version('s', 'latest').then((found) => resolveSchema(registry, found, 's')),
          registry.lookup('s', { schema: '"string"', references: [] }),
          registry.register('s', { schema: '"string"', references: [] }),
          registry.subjects(),
          registry.versions('s'),
          registry.compatibility('s'),
        ]);
        for (const one of asked) if (one.status === 'rejected' && !isStreamsError(one.reason)) throw one.reason;
      },
      { runs: ASKED },
    );

    survives(
      'a token endpoint',
      fc.tuple(otherJson([{ access_token: 't', expires_in: 60, error: 'x' }]), statuses),
      async ([text, code]) => {
        [body, status] = [text, code];
        const token = await clientCredentials(systemClock, {
          endpoint: url,
          clientId: 'me',
          clientSecret: new Secret('s'),
          scope: undefined,
        });
        assert.ok(token.expiresAt === undefined || Number.isFinite(token.expiresAt));
      },
      { runs: ASKED, allowed: (error) => isStreamsError(error) || error instanceof TokenEndpointError },
    );
  });
});
