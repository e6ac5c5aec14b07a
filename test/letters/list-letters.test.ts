import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Broker, ProducerRecord } from '#src/broker/port.js';
import { type LetterProgress, LetterSet, listLetters } from '#src/letters/index.js';
import type { ListLettersOptions } from '#src/letters/list-letters.js';
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
  open,
  TOPIC,
  withLetters,
  write,
} from './support.js';

const PARTITIONS = 3;
const partition = fc.nat({ max: PARTITIONS - 1 });
const operator = fc.constantFrom('to out', 'by-account');
const key = fc.constantFrom('a', 'b');

/** A letter of some kind; `kind` says who wrote it. */
const letters = fc.array(
  fc.record({
    partition,
    kind: fc.constantFrom('own', 'own', 'own', 'other', 'foreign'),
    operator,
    key,
    minutes: fc.nat({ max: 5 }),
  }),
  { maxLength: 40 },
);

/** A record of the ledger about some letter, or about something else. */
const entries = fc.array(
  fc.record({
    partition,
    offset: fc.nat({ max: 15 }),
    what: fc.constantFrom('discard', 'discard', 'redrive', 'reopen', 'damaged', 'deleted', 'newer', 'elsewhere'),
    reason: fc.constantFrom('a', 'b', 'c'),
  }),
  { maxLength: 40 },
);

const filters = fc.record(
  {
    operator,
    key,
    state: fc.constantFrom('open' as const, 'discarded' as const, 'redriven' as const, 'all' as const),
    since: fc.nat({ max: 5 }).map((minutes) => NOW + minutes * 60_000),
    until: fc.nat({ max: 5 }).map((minutes) => NOW + minutes * 60_000),
    where: fc.constant((letter: { readonly offset: number }) => letter.offset % 2 === 0),
    // So little that one reading of the ledger does not keep all.
    limits: fc.constantFrom({ pages: 1, characters: 1_000 }, { pages: 2, characters: 60 }),
  },
  { requiredKeys: [] },
);

function recordOf(each: {
  partition: number;
  kind: string;
  operator: string;
  key: string;
  minutes: number;
}): ProducerRecord {
  const timestamp = NOW + each.minutes * 60_000;
  if (each.kind === 'foreign')
    return { ...foreignRecord(undefined, each.partition), key: Buffer.from(each.key), timestamp };
  return letterRecord({ ...each, timestamp, application: each.kind === 'own' ? APP : 'billing' });
}

function entryOf({
  partition: at,
  offset,
  what,
  reason,
}: {
  partition: number;
  offset: number;
  what: string;
  reason: string;
}) {
  const value = { format: what === 'newer' ? 2 : 1, what: what === 'elsewhere' ? 'discard' : what, reason };
  const text = what === 'damaged' ? '{"format":1,' : what === 'deleted' ? null : JSON.stringify(value);
  return ledgerRecordOf(keyOf(at, offset, what === 'elsewhere' ? 'other-dead-letter' : TOPIC), text);
}

describe('the list of letters', () => {
  it('is that of a model, over any letters, entries and filters', async () => {
    await fc.assert(
      fc.asyncProperty(letters, entries, filters, async (written, noted, filter) => {
        const broker = await withLetters(written.map(recordOf), PARTITIONS);
        if (noted.length > 0) await note(broker, ...noted.map(entryOf));
        const states = new Map<string, string>();
        for (const { partition: at, offset, what } of noted) {
          if (what === 'elsewhere') continue;
          states.set(`${at}@${offset}`, what === 'discard' ? 'discarded' : what === 'redrive' ? 'redriven' : 'open');
        }
        const expected = Array.from({ length: PARTITIONS }, (_, at) =>
          written
            .filter((each) => each.partition === at)
            .map((each, offset) => ({
              ...each,
              offset,
              id: `${at}@${offset}`,
              state: states.get(`${at}@${offset}`) ?? 'open',
            })),
        )
          .flat()
          .filter((each) => each.kind !== 'other')
          .filter((each) => filter.operator === undefined || (each.kind === 'own' && each.operator === filter.operator))
          .filter((each) => filter.key === undefined || each.key === filter.key)
          .filter((each) => NOW + each.minutes * 60_000 >= (filter.since ?? 0))
          .filter((each) => NOW + each.minutes * 60_000 <= (filter.until ?? Number.POSITIVE_INFINITY))
          .filter((each) => filter.where === undefined || filter.where(each))
          .filter((each) => filter.state === 'all' || each.state === (filter.state ?? 'open'));
        const found = await all(broker, filter);
        assert.deepEqual(
          found.map(({ id, state }) => [id, state.name]),
          expected.map(({ id, state }) => [id, state]),
        );
      }),
    );
  });

  it('counts what it has seen, and what the ledger has that it cannot use', async () => {
    const records = [
      letterRecord(),
      letterRecord(),
      letterRecord(),
      foreignRecord(),
      letterRecord({ application: 'b' }),
    ];
    const broker = await withLetters(records);
    await note(
      broker,
      ledgerRecordOf(keyOf(0, 0), '{"format":1,"what":"discard"}'),
      ledgerRecordOf(keyOf(0, 1), '{"format":1,"what":"redrive"}'),
      ledgerRecordOf(keyOf(0, 2), '{"format":1,"what":"reopen"}'),
      ledgerRecordOf('reset', 'x'),
      ledgerRecordOf('start', '[]'),
    );
    const reports: LetterProgress[] = [];
    assert.deepEqual(await ids(broker, { onProgress: (now) => reports.push(now) }), ['0@2', '0@3']);
    assert.deepEqual(reports.at(-1), {
      ...{ read: 5, total: 5, open: 2, discarded: 1, requested: 0, redriven: 1, foreign: 1, others: 1 },
      ledger: { damaged: 2, unknown: 1 },
    });
  });

  it('reads a ledger that one reading cannot keep in parts, and says the same', async () => {
    const broker = await withLetters(
      Array.from({ length: 6_000 }, (_, i) => letterRecord({ partition: i % 2 })),
      2,
    );
    const settled = Array.from({ length: 1_500 }, (_, i) => i * 2);
    const entry = (i: number) =>
      ledgerRecordOf(keyOf(0, i), JSON.stringify({ format: 1, what: 'discard', reason: `${i}` }));
    await note(broker, ...settled.map(entry));
    const listed = await all(broker, { state: 'discarded', limits: { pages: 2, characters: 20_000 } });
    assert.deepEqual(
      listed.map(({ partition: at, offset, state }) => [at, offset, 'reason' in state && state.reason]),
      settled.map((i) => [0, i, `${i}`]),
    );
    assert.equal((await ids(broker, { limits: { pages: 1, characters: 1_000 } })).length, 4_500);
  });

  it('has the letters of its beginning: neither those that come meanwhile, nor those that are removed', async () => {
    const broker = await withLetters(Array.from({ length: 2_500 }, () => letterRecord()));
    const found: number[] = [];
    for await (const { offset } of listLetters({ broker, applicationId: APP })) {
      if (found.length === 0) {
        await write(broker, [letterRecord()]);
        await broker.admin.deleteRecords([{ topic: TOPIC, partition: 0, offset: 2_400 }]);
      }
      found.push(offset);
    }
    assert.equal(found[0], 0);
    assert.equal(found.at(-1), 2_499);
    assert.ok(found.length < 2_500 && found.length >= 1_100, `${found.length}`);
  });

  it('is empty without a topic; TOPIC_UNKNOWN for a topic that is named and not there', async () => {
    const broker = open();
    assert.deepEqual(await ids(broker), []);
    await broker.admin.createTopics([{ name: 'dead-letters', partitions: 1 }]);
    const named: Partial<ListLettersOptions> = { deadLetterTopic: 'dead-leters' };
    await assert.rejects(ids(broker, named), isError('TOPIC_UNKNOWN', /Did you mean dead-letters\?/));
    assert.deepEqual(await ids(broker, { deadLetterTopic: 'dead-letters' }), []);
  });

  it('PREDICATE_FAILED names the letter; a predicate may be asynchronous', async () => {
    const broker = await withLetters([letterRecord(), foreignRecord()]);
    const where: ListLettersOptions['where'] = ({ origin }) => (origin as { offset: number }).offset > 1;
    await assert.rejects(ids(broker, { where }), isError('PREDICATE_FAILED', /the letter 0@1 of payments-dead-letter/));
    assert.deepEqual(await ids(broker, { where: async ({ foreign }) => foreign }), ['0@1']);
  });

  it('ends with STOPPED when it is told to', async () => {
    const broker: Broker = await withLetters([letterRecord()]);
    await assert.rejects(ids(broker, { signal: AbortSignal.abort() }), isError('STOPPED'));
  });

  it('ignores entries about an earlier topic of the same name: its letters are other ones', async () => {
    const broker = await withLetters([letterRecord()]);
    const entry = { format: 1, what: 'discard', topicId: 'another' };
    await note(broker, ledgerRecordOf(keyOf(0, 0), JSON.stringify(entry)));
    assert.deepEqual(await ids(broker), ['0@0']);
    const [topic] = await broker.admin.describeTopics([TOPIC]);
    await note(broker, ledgerRecordOf(keyOf(0, 0), JSON.stringify({ ...entry, topicId: topic?.id })));
    assert.deepEqual(await ids(broker), []);
  });
});

describe('a set of letters', () => {
  it('has each position once, in the order of the topic', () => {
    const position = fc.record({ partition: fc.nat({ max: 3 }), offset: fc.nat({ max: 200_000 }) });
    fc.assert(
      fc.property(fc.array(position), (positions) => {
        const set = new LetterSet();
        for (const at of positions) set.add(at);
        const sorted = [...new Set(positions.map((at) => at.partition * 1_000_000 + at.offset))].sort((a, b) => a - b);
        assert.equal(set.size, sorted.length);
        assert.deepEqual(
          [...set].map((at) => at.partition * 1_000_000 + at.offset),
          sorted,
        );
      }),
    );
    const far = new LetterSet();
    far.add({ partition: 0, offset: Number.MAX_SAFE_INTEGER });
    assert.deepEqual([...far], [{ partition: 0, offset: Number.MAX_SAFE_INTEGER }]);
  });
});
