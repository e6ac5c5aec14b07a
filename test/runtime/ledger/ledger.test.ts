import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker, BrokerRecord } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { letterKey, letterOfKey, parseLedgerRecord } from '#src/runtime/ledger/ledger-entry.js';
import { readLedger } from '#src/runtime/ledger/ledger-reader.js';
import { ensureLedger, findLedger } from '#src/runtime/ledger/ledger-topic.js';
import { LedgerWriter } from '#src/runtime/ledger/ledger-writer.js';
import { owned } from '#src/runtime/topics/topic-owners.js';
import { LEDGER_CONFIG } from '#src/runtime/topics/topic-uses.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { isError } from '../../support/errors.js';

const NOW = Date.UTC(2026, 2, 1);
const open = (): Broker => new MemoryBroker({ clock: new ManualClock(NOW) });
const record = (key: Buffer | null, value: Buffer | null): BrokerRecord => ({
  ...{ topic: 'app-ledger', partition: 0, offset: 7, timestamp: NOW, key, value },
  headers: Headers.none,
});

describe('the ledger', () => {
  it('is one compacted partition with the mark of its owner, made when it is first needed', async () => {
    const broker = open();
    assert.equal(await findLedger(broker.admin, 'app'), undefined);
    const writer = await LedgerWriter.open(broker, 'app', new ManualClock(NOW));
    await writer.write([{ key: 'start', what: 'start', actor: 'ada', fields: { version: 3 } }]);
    await writer.close();
    const [topic] = await broker.admin.describeTopics(['app-ledger']);
    assert.equal(topic?.partitions, 1);
    assert.deepEqual(topic.config, owned(LEDGER_CONFIG, { prefix: 'app', kind: 'application' }));
    assert.equal(topic.config?.['cleanup.policy'], 'compact');
    const entries = [];
    for await (const entry of readLedger({ broker, applicationId: 'app' })) entries.push(entry);
    assert.deepEqual(entries, [
      {
        ...{ offset: 0, key: 'start', what: 'start', actor: 'ada', time: NOW, reason: null },
        fields: { format: 1, what: 'start', actor: 'ada', time: '2026-03-01T00:00:00.000Z', version: 3 },
      },
    ]);
  });

  it('TOPIC_FOREIGN: the topic has the mark of another owner, or none', async () => {
    for (const [config, saw] of [
      [owned(LEDGER_CONFIG, { prefix: 'app-x', kind: 'application' }), /app-x/],
      [owned(LEDGER_CONFIG, { prefix: 'app', kind: 'shadow' }), /a topic of app/],
      [{ 'cleanup.policy': 'compact' }, /settings that name no owner/],
    ] as const) {
      const broker = open();
      const applicationId = saw.source === 'app-x' ? 'app-x-eu' : 'app';
      await broker.admin.createTopics([{ name: `${applicationId}-ledger`, partitions: 1, config }]);
      await assert.rejects(findLedger(broker.admin, applicationId), isError('TOPIC_FOREIGN', saw));
      await assert.rejects(ensureLedger(broker.admin, applicationId), isError('TOPIC_FOREIGN', saw));
    }
  });

  it('is read without a look at its settings, and not written: they prove whose it is', async () => {
    const broker = open();
    await ensureLedger(broker.admin, 'app');
    const admin = Object.create(broker.admin);
    admin.describeTopics = async (names: readonly string[]) =>
      (await broker.admin.describeTopics(names)).map((topic) => ({ ...topic, config: null }));
    assert.equal((await findLedger(admin, 'app'))?.name, 'app-ledger');
    await assert.rejects(ensureLedger(admin, 'app'), isError('TOPIC_FOREIGN', /DescribeConfigs/));
  });

  it('TOPIC_MISMATCH: the topic does not keep its entries', async () => {
    const broker = open();
    const config = owned({ 'cleanup.policy': 'delete' }, { prefix: 'app', kind: 'application' });
    await broker.admin.createTopics([{ name: 'app-ledger', partitions: 1, config }]);
    await assert.rejects(ensureLedger(broker.admin, 'app'), isError('TOPIC_MISMATCH', /cleanup\.policy=delete/));
  });

  it('is made once by two processes at the same time', async () => {
    const broker = open();
    assert.deepEqual(await Promise.all([ensureLedger(broker.admin, 'app'), ensureLedger(broker.admin, 'app')]), [
      'app-ledger',
      'app-ledger',
    ]);
  });
});

describe('a record of the ledger', () => {
  it('is no entry if it is damaged, and says why; fields that are wrong are left out', () => {
    const parsed = (value: string) => parseLedgerRecord(record(Buffer.from('k'), Buffer.from(value)));
    for (const [value, why] of [
      ['{', /no JSON object/],
      ['[]', /no JSON object/],
      ['null', /no JSON object/],
      ['{"what":"discard"}', /format is undefined/],
      ['{"format":2,"what":"discard"}', /format is 2/],
      ['{"format":1}', /"what" is undefined/],
    ] as const) {
      const found = parsed(value);
      assert.equal(found.kind, 'damaged', value);
      assert.match(found.kind === 'damaged' ? found.why : '', why);
    }
    const found = parsed('{"format":1,"what":"discard","actor":7,"time":"soon","reason":null,"more":true}');
    assert.ok(found.kind === 'entry');
    const { actor, time, reason, fields } = found.entry;
    assert.deepEqual([actor, time, reason, fields.more], [null, null, null, true]);
    assert.equal(parseLedgerRecord(record(null, Buffer.from('{}'))).kind, 'damaged');
    assert.equal(parseLedgerRecord(record(Buffer.from('k'), null)).kind, 'deleted');
  });

  it('never throws, whatever its bytes are', () => {
    const bytes = fc.option(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => Buffer.from(json)),
      ),
      { nil: null },
    );
    fc.assert(
      fc.property(bytes, bytes, (key, value) => {
        const { kind } = parseLedgerRecord(record(key && Buffer.from(key), value && Buffer.from(value)));
        assert.ok(['entry', 'deleted', 'damaged'].includes(kind));
      }),
    );
  });

  it('names a letter by its key, whatever the topic is called', () => {
    const topic = fc.constantFrom('a', 'a-1', 'a-1-2', '0', '-', 'a.b_c-dead-letter');
    fc.assert(
      fc.property(topic, fc.nat(), fc.maxSafeNat(), (name, partition, offset) => {
        const at = { topic: name, partition, offset };
        assert.deepEqual(letterOfKey(letterKey(at)), at);
      }),
    );
    for (const key of ['start', 'letter a@1', 'letter a-1@', 'letter a-1@99999999999999999', 'letter a b-1@1', ''])
      assert.equal(letterOfKey(key), undefined, key);
  });
});
