import assert from 'node:assert/strict';
import { dedupe, flatMapValues, process, type StreamRecord, selectKey, serdes } from '#src/index.js';
import { failure, feed, open, outputOf, read, type Short, through, values } from '../support.js';

interface Event {
  readonly id: string;
}

const event = (id: string): Event => ({ id });
const byKey = through<Event>((input) =>
  input.pipe(dedupe({ store: 'seen', id: (record) => record.value.id, within: '10ms' })),
);
const byPartition = through<Event>((input) =>
  input.pipe(dedupe({ store: 'seen', id: (record) => record.value.id, within: '10ms', scope: 'partition' })),
);

describe('dedupe', () => {
  it('passes the first record of an id and drops the others, in order, and counts them', async () => {
    const driver = await open(byKey);
    await feed(driver, 'in', [
      ['a', event('x'), 1],
      ['a', event('y'), 2],
      ['a', event('x'), 3],
      ['a', event('x'), 4],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', event('x'), 1],
      ['a', event('y'), 2],
    ]);
    assert.equal(driver.metrics.nodes['dedupe seen']?.duplicate, 2);
  });

  it('shows in its store where the first record of an id came from, and no more, also after a restart', async () => {
    const driver = await open(byKey);
    await feed(driver, 'in', [['a', event('x'), 1]]);
    const shown = async () => JSON.stringify(await driver.store<string, object>('seen').get('1:ax'));
    assert.equal(await shown(), '{"topic":"in","offset":0}');
    await driver.restart();
    assert.equal(await shown(), '{"topic":"in","offset":0}');
  });

  it('counts an id per key, or for the whole partition if the scope says so', async () => {
    const given: Short[] = [
      ['a', event('x'), 1],
      ['b', event('x'), 2],
      [null, event('x'), 3],
      [null, event('x'), 4],
    ];
    assert.equal((await outputOf(byKey, given)).length, 3);
    assert.equal((await outputOf(byPartition, given)).length, 1);
  });

  it('does not mistake the end of a key for the beginning of an id', async () => {
    const out = await outputOf(byKey, [
      ['a', event('1x'), 1],
      ['a1', event('x'), 2],
      ['1:a', event('x'), 3],
      ['', event('a1x'), 4],
    ]);
    assert.equal(out.length, 4);
  });

  it('remembers an id until stream time has passed its first timestamp + within', async () => {
    const at = async (timestamp: number) =>
      (
        await outputOf(byKey, [
          ['a', event('x'), 5],
          ['a', event('x'), timestamp],
        ])
      ).length;
    assert.equal(await at(15), 1);
    assert.equal(await at(16), 2);
  });

  it('counts from the first record of an id: duplicates do not prolong it', async () => {
    const out = await outputOf(byKey, [
      ['a', event('x'), 0],
      ['a', event('x'), 8],
      ['a', event('x'), 11],
    ]);
    assert.deepEqual(
      out.map(([, , timestamp]) => timestamp),
      [0, 11],
    );
  });

  it('follows the stream time of all keys, of dropped records too', async () => {
    const out = await outputOf(byKey, [
      ['a', event('x'), 0],
      ['b', event('y'), 5],
      ['b', event('y'), 11],
      ['a', event('x'), 3],
    ]);
    assert.deepEqual(
      out.map(([key, , timestamp]) => [key, timestamp]),
      [
        ['a', 0],
        ['b', 5],
        ['a', 3],
      ],
    );
  });

  it('keeps ids and stream time over a crash, and lets a record that is processed again pass once', async () => {
    for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
      for (const step of ['1 settle', '2 log', '3 offsets', '4 apply'] as const) {
        const driver = await open(byKey, { guarantee });
        await feed(driver, 'in', [['a', event('x'), 1]]);
        await driver.crash(step);
        await feed(driver, 'in', [
          ['a', event('y'), 2],
          ['a', event('x'), 3],
          ['a', event('y'), 4],
        ]);
        await driver.restart();
        await feed(driver, 'in', [
          ['a', event('y'), 5],
          ['a', event('z'), 6],
        ]);
        const ids = (await values(driver)).map((value) => (value as Event).id);
        // at_least_once: what was written before the crash, and not committed, is written once more.
        const twice = guarantee === 'at_least_once' && ['1 settle', '2 log'].includes(step);
        assert.deepEqual(twice ? [...new Set(ids)] : ids, ['x', 'y', 'z'], `${guarantee}, ${step}`);
      }
    }
  });

  it('keeps its time over a crash after step 3, even if the last records were all duplicates', async () => {
    const target = through<string>((input) =>
      input.pipe(dedupe({ store: 'seen', id: (record) => record.value, within: '20ms' })),
    );
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 'x', 0],
      ['a', 'y', 15],
    ]);
    await driver.crash('3 offsets');
    await feed(driver, 'in', [['a', 'y', 30]]);
    await driver.restart();
    // x expired at 20, and 30 has been seen: it passes again. If 30 was forgotten, x is taken for a duplicate.
    await feed(driver, 'in', [['a', 'x', 5]]);
    assert.deepEqual(await values(driver), ['x', 'y', 'x']);
  });

  it('drops a copy of a record that an operator before it made', async () => {
    const target = through<Event>((input) =>
      input.pipe(
        flatMapValues((value) => [value, value]),
        dedupe({ store: 'seen', id: (record) => record.value.id, within: '1d' }),
      ),
    );
    assert.equal(
      (
        await outputOf(target, [
          ['a', event('x'), 1],
          ['a', event('x'), 2],
        ])
      ).length,
      1,
    );
  });

  it('drops what a wall-clock timer before it forwards again', async () => {
    const target = through<string>((input) =>
      input.pipe(
        process({
          name: 'p',
          start: ({ schedule, forward }) => void schedule('1s', 'wall', () => forward({ key: 'a', value: 'x' })),
          process: (record: StreamRecord<string, string>, { forward }) => forward(record),
        }),
        dedupe({ store: 'seen', id: (record) => record.value, within: '1d' }),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', [['a', 'x', 1]]);
    await driver.advance('1s');
    await driver.advance('1s');
    assert.deepEqual(await values(driver), ['x']);
  });

  it('takes null values like others', async () => {
    const target = through<Event | null>((input) =>
      input.pipe(dedupe({ store: 'seen', id: (record) => record.value?.id ?? 'none', within: '1d' })),
    );
    assert.deepEqual(
      await outputOf(target, [
        ['a', null, 1],
        ['a', null, 2],
        ['a', event('x'), 3],
      ]),
      [
        ['a', null, 1],
        ['a', event('x'), 3],
      ],
    );
  });

  it('takes numbers and bigints for ids', async () => {
    const numbers = through<number>((input) =>
      input.pipe(dedupe({ store: 'seen', id: (record) => record.value, within: '1d' })),
    );
    assert.deepEqual(
      (
        await outputOf(numbers, [
          ['a', 0],
          ['a', 0],
          ['a', 1],
        ])
      ).map(([, value]) => value),
      [0, 1],
    );
    const bigints = through<number>((input) =>
      input.pipe(dedupe({ store: 'seen', id: (record) => BigInt(record.value) << 70n, within: '1d' })),
    );
    assert.deepEqual(
      (
        await outputOf(bigints, [
          ['a', 1],
          ['a', 1],
          ['a', 2],
        ])
      ).map(([, value]) => value),
      [1, 2],
    );
  });

  it('fails a record that has no id', async () => {
    for (const id of [undefined, null, '']) {
      const driver = await open(byKey);
      await assert.rejects(
        feed(driver, 'in', [['a', { id }]]),
        failure('PROCESS_FAILED', /the id of a record is missing at dedupe seen/),
      );
    }
  });

  it('reads behind a change of key from a repartition topic, so that equal keys meet', async () => {
    const target = through<Event>((input) =>
      input.pipe(
        selectKey(() => 'same', { name: 'one-key', key: serdes.string }),
        dedupe({ store: 'seen', id: (record) => record.value.id, within: '1d' }),
      ),
    );
    const driver = await open(target, { partitions: 3 });
    await feed(driver, 'in', [
      ['a', event('x'), 1, 0],
      ['b', event('x'), 2, 1],
      ['c', event('x'), 3, 2],
    ]);
    assert.equal((await values(driver)).length, 1);
  });

  it('forgets ids for good once they are expired', async () => {
    const driver = await open(byKey);
    await feed(
      driver,
      'in',
      Array.from({ length: 20 }, (_, i) => ['a', event(`e${i}`), i] as const),
    );
    await feed(driver, 'in', [['a', event('late'), 1_000]]);
    await feed(driver, 'in', [['a', event('later'), 1_001]]);
    assert.equal((await driver.store('seen').entries()).length, 2);
    const text = {
      name: 'text',
      encode: (value: string) => Buffer.from(value),
      decode: (bytes: Buffer) => bytes.toString('latin1'),
    };
    const changelog = await driver.output('test-seen-changelog', { key: text, value: text }).read();
    assert.equal(changelog.filter(({ value }) => value === null).length, 20);
  });
});
