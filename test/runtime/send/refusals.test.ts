import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type ErrorPolicy,
  groupBy,
  joinGlobalTable,
  mapValues,
  serdes,
  type Topology,
  to,
  topology,
  toStream,
  toTable,
} from '#src/index.js';
import { Headers } from '#src/model/headers.js';
import { contentBytes, deadLetter, shortened } from '#src/runtime/send/dead-letter.js';
import { deadLetters, failure, feed, json, open, values } from '../../dsl/support.js';
import { Application } from '../../support/application.js';

/** More than a topic takes that says nothing about it. */
const HUGE = 1_100_000;
const LIMIT = 1_048_588;

const grown = (value: string): string => (value === 'grow' ? 'x'.repeat(HUGE) : value);
const growing: Topology = topology('test', (t) => {
  t.stream('in', json<string>()).pipe(mapValues(grown), to('out', json<string>()));
});
const input = [
  ['k', 'one', 1],
  ['k', 'grow', 2],
  ['k', 'two', 3],
  ['k', 'grow', 4],
  ['k', 'three', 5],
] as const;

for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
  describe(`an output that the broker refuses, ${guarantee}`, () => {
    for (const batchRecords of [1, 1_000]) {
      it(`is skipped, and all others are written once and in order, in batches of ${batchRecords}`, async () => {
        const driver = await open(growing, { guarantee, batchRecords, onError: { produce: 'skip' } });
        await feed(driver, 'in', input);
        await driver.restart();
        assert.deepEqual(await values(driver), ['one', 'two', 'three']);
        assert.equal(driver.metrics.deadLetters, 0);
      });
    }

    const policies: ErrorPolicy[] = ['deadLetter', { retry: 3, backoff: '1s', then: 'deadLetter' }];
    for (const produce of policies) {
      it(`is a dead letter with the record that it was made of: ${JSON.stringify(produce)}`, async () => {
        const driver = await open(growing, { guarantee, onError: { produce } });
        await feed(driver, 'in', input);
        await driver.restart();
        assert.deepEqual(await values(driver), ['one', 'two', 'three']);
        const letters = await deadLetters(driver);
        assert.deepEqual(
          letters.map(({ key, value, code, from, operator }) => [key, value, code, from, operator]),
          [1, 3].map((offset) => ['k', 'grow', 'PRODUCE_FAILED', `in[0]@${offset}`, 'to out']),
        );
        assert.match(String(letters[0]?.message), /max\.message\.bytes = 1048588/);
      });
    }

    it('ends the application without a policy, with the reason of the broker', async () => {
      const driver = await open(growing, { guarantee });
      await assert.rejects(feed(driver, 'in', input), failure('PRODUCE_FAILED', /out\[0\].*too large/));
    });

    it('is a dead letter also if it goes to a repartition topic', async () => {
      // More than three of the largest records of its source: what a repartition topic takes.
      const tooLarge = (value: string): string => (value === 'grow' ? 'x'.repeat(4 * HUGE) : value);
      const target = topology('test', (t) => {
        t.stream('in', json<string>()).pipe(
          mapValues(tooLarge),
          groupBy(({ value }) => value.slice(0, 3), { key: serdes.string, name: 'by-start' }),
          toTable({ store: 'last', value: serdes.json<string>() }),
          toStream(),
          to('out', json<string>()),
        );
      });
      const driver = await open(target, { guarantee, onError: { produce: 'deadLetter' } });
      await feed(driver, 'in', input);
      assert.deepEqual(await values(driver), ['one', 'two', 'three']);
      assert.deepEqual(
        (await deadLetters(driver)).map(({ value, from }) => [value, from]),
        [
          ['grow', 'in[0]@1'],
          ['grow', 'in[0]@3'],
        ],
      );
    });

    it('is a dead letter also if its topic does not exist; without a policy that is TOPIC_UNKNOWN', async () => {
      const target = topology('test', (t) => {
        t.stream('in', json<string>()).pipe(
          to(({ value }) => (value === 'grow' ? 'nowhere' : 'out'), { name: 'chosen', ...json<string>() }),
        );
      });
      for (const [produce, end] of [
        ['deadLetter', 'idle'],
        ['fail', 'TOPIC_UNKNOWN'],
      ] as const) {
        const app = new Application({ topology: target, options: { guarantee, onError: { produce } } });
        await app.createTopics({ in: 1, out: 1 });
        await app.write(
          'in',
          input.map(([key, value, timestamp]) => ({ key, value: JSON.stringify(value), timestamp })),
        );
        const ended = await app.runThrough().then(
          () => 'idle',
          ({ code }) => code,
        );
        assert.equal(ended, end);
        if (produce === 'fail') continue;
        assert.deepEqual(
          (await app.read('out')).map(({ value }) => value),
          ['"one"', '"two"', '"three"'],
        );
        assert.deepEqual(
          (await app.read('test-dead-letter')).map(({ value, headers }) => [value, headers['millrace.error.code']]),
          [
            ['"grow"', 'TOPIC_UNKNOWN'],
            ['"grow"', 'TOPIC_UNKNOWN'],
          ],
        );
        await app.close();
      }
    });
  });

  describe(`a dead letter that the broker refuses, ${guarantee}`, () => {
    // As large as its topic takes: its dead letter has headers besides, in a topic that was there before.
    const deadLetterTopic = 'letters';
    const text = `not json ${'x'.repeat(LIMIT - 100)}`;
    const raw = { key: serdes.string, value: serdes.string };

    it('is written shorter, and says what it is of', async () => {
      const target = topology('test', (t) => {
        t.stream('in', json<string>()).pipe(to('out', json<string>()));
        t.stream('other', json<string>()).pipe(to(deadLetterTopic, json<string>()));
      });
      const driver = await open(target, { guarantee, deadLetterTopic, onError: { deserialize: 'deadLetter' } });
      await driver.input('in', raw).sendAll([
        { key: 'k', value: text, headers: { trace: 'abc' } },
        { key: 'k', value: '"fine"' },
      ]);
      await driver.restart();
      assert.deepEqual(await values(driver), ['fine']);
      const [letter] = await driver.deadLetters().read();
      assert.ok(letter);
      assert.ok(letter.value && text.startsWith(letter.value) && letter.value.length > 400_000);
      assert.equal(letter.key, 'k');
      assert.deepEqual(
        ['trace', 'millrace.topic', 'millrace.offset', 'millrace.shortened'].map((name) => letter.headers.text(name)),
        ['abc', 'in', '0', `value ${text.length}`],
      );
    });

    it('of a global table is written shorter as well', async () => {
      const target = topology('test', (t) => {
        const table = t.globalTable('rows', { ...json<string>(), store: 'rows' });
        t.stream('in', json<string>()).pipe(
          joinGlobalTable(table, { key: ({ key }) => key, join: (_, row) => row }),
          to('out', json<string>()),
        );
        t.stream('other', json<string>()).pipe(to(deadLetterTopic, json<string>()));
      });
      const driver = await open(target, { guarantee, deadLetterTopic, onError: { deserialize: 'deadLetter' } });
      await driver.input('rows', raw).sendAll([
        { key: 'k', value: text },
        { key: 'k', value: '"row"' },
      ]);
      await feed(driver, 'in', [['k', 'one']]);
      assert.deepEqual(await values(driver), ['row']);
      const [letter] = await driver.deadLetters().read();
      assert.equal(letter?.headers.text('millrace.shortened'), `value ${text.length}`);
    });
  });
}

describe('a dead letter that is shortened', () => {
  const bytes = fc.option(
    fc.nat({ max: 3_000 }).map((length) => Buffer.alloc(length, 'v')),
    { freq: 5 },
  );
  const letters = fc
    .record({
      key: bytes,
      value: bytes,
      message: fc.nat({ max: 2_000 }).map((length) => 'm'.repeat(length)),
      headers: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.string({ maxLength: 500 })),
    })
    .map(({ key, value, message, headers }) =>
      deadLetter({
        topic: 'letters',
        applicationId: 'app',
        operator: 'node',
        position: { topic: 'in', partition: 3, offset: 42 },
        key,
        value,
        timestamp: 7,
        headers: Headers.of(headers),
        error: new Error(message),
        attempt: 1,
      }),
    );
  const PLACE = ['millrace.topic', 'millrace.partition', 'millrace.offset', 'millrace.operator'];

  it('holds no more than it may, begins as it did, and keeps where it came from', () => {
    fc.assert(
      fc.property(letters, fc.integer({ min: 0, max: 8_000 }), (letter, maxBytes) => {
        const short = shortened(letter, maxBytes);
        // Where it came from, and what says what is missing, stay whole however little room there is.
        assert.ok(contentBytes(short) <= Math.max(maxBytes, 350), `${contentBytes(short)} of ${maxBytes}`);
        for (const part of ['key', 'value'] as const) {
          assert.equal(short[part] === null, letter[part] === null);
          assert.ok(short[part] === null || letter[part]?.subarray(0, short[part].length).equals(short[part]));
        }
        for (const name of PLACE) assert.equal(short.headers.text(name), letter.headers.text(name));
        const cut = short.value?.length !== letter.value?.length;
        assert.equal(/value \d+/.test(short.headers.text('millrace.shortened') ?? ''), cut);
        assert.equal(short.timestamp, 7);
      }),
    );
  });

  it('is shorter each time, until there is nothing left but where it came from', () => {
    fc.assert(
      fc.property(letters, (letter) => {
        let left = contentBytes(letter);
        for (let tries = 0; ; tries++) {
          assert.ok(tries < 20);
          const short = shortened(letter, Math.floor(left / 2));
          if (contentBytes(short) >= left) break;
          left = contentBytes(short);
        }
        assert.ok(left < 500, `${left}`);
      }),
    );
  });
});
