import assert from 'node:assert/strict';
import fc from 'fast-check';
import { showLetter } from '#src/letters/index.js';
import { StreamsError } from '#src/model/errors.js';
import { type HeaderEntry, Headers } from '#src/model/headers.js';
import { shortened } from '#src/runtime/send/dead-letter.js';
import { isError } from '../support/errors.js';
import {
  APP,
  all,
  foreignRecord,
  ids,
  keyOf,
  ledgerRecordOf,
  letterRecord,
  NOW,
  note,
  TOPIC,
  withLetters,
  write,
} from './support.js';

const header = (name: string, value: string): HeaderEntry => [name, Buffer.from(value)];

describe('a letter', () => {
  it('says where the record came from, who gave it up and why, and keeps its bytes', async () => {
    const error = new StreamsError('VERSION_GAP', { what: 'version 2 is missing', action: 'Send it.' });
    const broker = await withLetters([letterRecord({ error, headers: { trace: 'x' } })]);
    const [letter] = await all(broker);
    assert.ok(letter);
    const { headers, key, value, ...rest } = letter;
    assert.deepEqual([key?.toString(), value?.toString(), headers.text('trace')], ['k', '{"amount":5}', 'x']);
    assert.deepEqual(rest, {
      id: '0@0',
      topic: TOPIC,
      partition: 0,
      offset: 0,
      timestamp: NOW,
      writtenAt: null,
      foreign: false,
      origin: { topic: 'payments', partition: 3, offset: 42, timestamp: NOW },
      application: APP,
      operator: 'to out',
      code: 'VERSION_GAP',
      message: 'version 2 is missing. Send it.',
      attempt: 4,
      shortened: [],
      state: { name: 'open' },
    });
  });

  it('says what is shorter than it was', async () => {
    const record = shortened(letterRecord({ value: 'v'.repeat(5_000), key: 'k'.repeat(2_000) }), 1_500);
    const [letter] = await all(await withLetters([record]));
    assert.deepEqual(letter?.shortened, [
      { part: 'value', bytes: 5_000 },
      { part: 'key', bytes: 2_000 },
    ]);
    assert.equal(letter.origin?.offset, 42);
  });

  it('of a topic that stamps its records is of the time when it was written', async () => {
    const broker = await withLetters([]);
    await broker.admin.configureTopics([{ name: TOPIC, config: { 'message.timestamp.type': 'LogAppendTime' } }]);
    await write(broker, [letterRecord({ timestamp: 7 })]);
    const [letter] = await all(broker);
    assert.deepEqual([letter?.writtenAt, letter?.origin?.timestamp], [letter?.timestamp, null]);
  });

  it('without a header of millrace is foreign, and shown all the same', async () => {
    const streams = new Headers([header('__streams.errors.topic', 'in')]);
    const [first, second] = await all(await withLetters([foreignRecord(), foreignRecord(streams)]));
    for (const letter of [first, second])
      assert.deepEqual([letter?.foreign, letter?.origin, letter?.code, letter?.attempt], [true, null, null, null]);
    assert.equal(first?.value?.toString(), 'what');
  });

  it('counts the headers that were written last: the record may be a letter that was fed in again', async () => {
    const old = { 'millrace.topic': 'elsewhere', 'millrace.offset': '1', 'millrace.attempt': '9' };
    const [letter] = await all(await withLetters([letterRecord({ headers: old })]));
    assert.deepEqual([letter?.origin?.topic, letter?.origin?.offset, letter?.attempt], ['payments', 42, 4]);
  });

  it('is shown whatever its headers say: what is no number or no name is left out', async () => {
    for (const [name, wrong] of [
      ['millrace.topic', '../../etc'],
      ['millrace.topic', ''],
      ['millrace.partition', '-1'],
      ['millrace.partition', '1e3'],
      ['millrace.offset', '99999999999999999999'],
      ['millrace.offset', 'NaN'],
    ] as const) {
      const { headers, ...record } = letterRecord();
      const [letter] = await all(await withLetters([{ ...record, headers: headers.with(name, wrong) }]));
      assert.equal(letter?.origin, null, `${name}=${wrong}`);
      assert.equal(letter.operator, 'to out');
    }
  });

  it('never crashes a reader, whatever the bytes of its headers are', async () => {
    const names = ['topic', 'partition', 'offset', 'application', 'operator', 'error.code', 'attempt', 'shortened'];
    const entry = fc.tuple(
      fc.constantFrom(...names.map((name) => `millrace.${name}`), 'other'),
      fc.option(
        fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
        { nil: null },
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 12 }), async (entries) => {
        const broker = await withLetters([foreignRecord(new Headers(entries))]);
        const named = new Headers(entries).text('millrace.application');
        assert.equal((await all(broker)).length, named === undefined || named === APP ? 1 : 0);
      }),
    );
  });
});

describe('one letter', () => {
  it('is shown with the entries of the ledger about it', async () => {
    const broker = await withLetters([letterRecord(), letterRecord()]);
    const entry = {
      format: 1,
      what: 'discard',
      actor: 'ada',
      time: '2026-03-01T00:00:00.000Z',
      reason: 'a test',
      more: 7,
    };
    await note(
      broker,
      ledgerRecordOf(keyOf(0, 1), JSON.stringify(entry)),
      ledgerRecordOf(keyOf(0, 0), JSON.stringify(entry)),
      ledgerRecordOf('start', JSON.stringify({ ...entry, what: 'start' })),
    );
    const { letter, entries } = await showLetter({ broker, applicationId: APP, id: '0@1' });
    assert.deepEqual(letter.state, { name: 'discarded', actor: 'ada', time: NOW, reason: 'a test' });
    assert.deepEqual(entries, [
      { offset: 0, key: keyOf(0, 1), what: 'discard', actor: 'ada', time: NOW, reason: 'a test', fields: entry },
    ]);
  });

  it('LETTER_UNKNOWN: there is none, it is gone, or it is of another application', async () => {
    const broker = await withLetters([letterRecord(), letterRecord(), letterRecord({ application: 'billing' })], 2);
    await broker.admin.deleteRecords([{ topic: TOPIC, partition: 0, offset: 1 }]);
    const show = (id: string) => showLetter({ broker, applicationId: APP, id });
    await assert.rejects(show('0@3'), isError('LETTER_UNKNOWN', /letters from 0@1 up to 0@2/));
    await assert.rejects(show('0@0'), isError('LETTER_UNKNOWN', /no longer keeps/));
    await assert.rejects(show('1@0'), isError('LETTER_UNKNOWN', /no letters/));
    await assert.rejects(show('2@0'), isError('LETTER_UNKNOWN', /2 partitions/));
    await assert.rejects(show('0@2'), isError('LETTER_UNKNOWN', /the application billing/));
    for (const id of ['17', '0@', '-1@0', '0@99999999999999999', 'a@b', '0@1 '])
      await assert.rejects(show(id), isError('USAGE', /PARTITION@OFFSET/));
    assert.equal((await show('0@1')).letter.id, '0@1');
  });

  it('is listed by its id, in the order of the topic and once, also if it is settled', async () => {
    const broker = await withLetters([0, 1, 2].map(() => letterRecord()));
    await note(broker, ledgerRecordOf(keyOf(0, 2), '{"format":1,"what":"discard"}'));
    assert.deepEqual(await ids(broker, { ids: ['0@2', '0@0', '0@2'] }), ['0@0', '0@2']);
    assert.deepEqual(await ids(broker, { ids: ['0@2', '0@0'], state: 'open' }), ['0@0']);
    await assert.rejects(ids(broker, { ids: ['0@0', '0@7'] }), isError('LETTER_UNKNOWN'));
  });
});
