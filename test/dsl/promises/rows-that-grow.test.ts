import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  aggregate,
  count,
  joinStream,
  joinTable,
  reduce,
  reorderByVersion,
  type StreamRecord,
  serdes,
  session,
  sliding,
  type Topology,
  to,
  topology,
} from '#src/index.js';
import { PAGE_BYTES } from '#src/state/rows/page-cut.js';
import type { TestDriver } from '#src/testing/index.js';
import { deadLetters, feed, json, open, read, type Short, values } from '../support.js';

const bytes = { key: serdes.bytes, value: serdes.bytes };
/** What a record of a changelog may have besides the items of a page, which are given by their length: keys, positions, names. */
const ENVELOPE = 512;

/** The longest record that the changelog of a store ever had, key and value. */
async function longestOf(driver: TestDriver, store: string): Promise<number> {
  const records = await driver.output(`test-${store}-changelog`, bytes).read();
  assert.ok(records.length > 0);
  return Math.max(...records.map(({ key, value }) => (key?.length ?? 0) + (value?.length ?? 0)));
}

/** No record of the changelog is longer than a page, or the longest of its items. */
async function assertBounded(driver: TestDriver, store: string, longestItem = 0): Promise<void> {
  const found = await longestOf(driver, store);
  assert.ok(found <= Math.max(PAGE_BYTES, longestItem) + ENVELOPE, `${store}: ${found} bytes`);
}

interface Event {
  readonly version: number;
  readonly text: string;
}

const ordered = (maxBuffered?: number): Topology =>
  topology('test', (t) => {
    t.stream('in', json<Event>()).pipe(
      reorderByVersion({
        store: 'order',
        version: (record) => record.value.version,
        first: 1,
        ...(maxBuffered !== undefined && { maxBuffered }),
      }),
      to('out', json<Event>()),
    );
  });

const event = (version: number, length: number): Short<Event> => [
  'order-7',
  { version, text: 'x'.repeat(length) },
  version,
];

describe('records that wait for one version', () => {
  it('may be as many as maxBuffered is by default, and all come out, also after a restart', async () => {
    const driver = await open(ordered(), { onError: { process: 'deadLetter' } });
    for (let from = 2; from <= 10_000; from += 2_000)
      await feed(
        driver,
        'in',
        Array.from({ length: 2_000 }, (_, i) => event(from + i, 200)),
      );
    await feed(driver, 'in', [event(10_002, 200)]);
    const [letter, ...others] = await deadLetters(driver);
    assert.deepEqual(others, []);
    assert.equal(letter?.code, 'REORDER_BUFFER_FULL');
    await driver.restart();
    await feed(driver, 'in', [event(1, 200)]);
    const out = (await values(driver)) as Event[];
    assert.deepEqual(
      out.map(({ version }) => version),
      Array.from({ length: 10_001 }, (_, i) => i + 1),
    );
    await assertBounded(driver, 'order');
    assert.deepEqual(await driver.store<string, { held: unknown[] }>('order').entries(), [
      ['order-7', { next: 10_002, held: [] }],
    ]);
  });

  it('are one row in the store, however many they are', async () => {
    const driver = await open(ordered());
    await feed(
      driver,
      'in',
      Array.from({ length: 1_000 }, (_, i) => event(i + 2, 200)),
    );
    const [[key, row] = [], ...others] = await driver.store<string, { held: Event[] }>('order').entries();
    assert.deepEqual(others, []);
    assert.equal(key, 'order-7');
    assert.equal(row?.held.length, 1_000);
    assert.equal((await driver.store<string, { held: Event[] }>('order').get('order-7'))?.held.length, 1_000);
  });

  it('write what has changed, and not all that waits, when one more comes', async () => {
    const driver = await open(ordered());
    await feed(
      driver,
      'in',
      Array.from({ length: 5_000 }, (_, i) => event(i + 2, 200)),
    );
    await longestOf(driver, 'order');
    await feed(driver, 'in', [event(6_000, 200)]);
    const more = await driver.output('test-order-changelog', bytes).read();
    const written = more.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    assert.ok(written <= 2 * PAGE_BYTES, `${written} bytes`);
  });

  it('may each be as large as a record of the source can be', async () => {
    const driver = await open(ordered());
    // JSON in the topic: the key, and {"version":1,"text":""}. A record counts as a batch of its own, with its frame.
    const frame = 100;
    const most = 1_048_588 - frame - 'order-7{"version":1,"text":""}'.length;
    await feed(
      driver,
      'in',
      [3, 5, 2, 4].map((version) => event(version, most)),
    );
    await driver.restart();
    await feed(driver, 'in', [event(1, most)]);
    assert.deepEqual(
      ((await values(driver)) as Event[]).map(({ version }) => version),
      [1, 2, 3, 4, 5],
    );
  });

  it('come out in their order, whatever their sizes, order, batches, crashes and caches', async () => {
    const sizes = fc.oneof(
      { weight: 6, arbitrary: fc.nat({ max: 400 }) },
      { weight: 2, arbitrary: fc.nat({ max: 40_000 }) },
      { weight: 1, arbitrary: fc.nat({ max: 1_000_000 }) },
    );
    const burst = fc.array(fc.tuple(sizes, fc.nat()), { minLength: 1, maxLength: 300 }).map((all) => {
      // No more than a few megabytes together.
      let left = 4_000_000;
      return all
        .map(([size, place], i) => {
          const length = Math.min(size, left);
          left -= length;
          return { version: i + 2, length, place };
        })
        .sort((a, b) => a.place - b.place);
    });
    const run = fc.record({
      batchRecords: fc.constantFrom(1, 7, 1_000),
      cacheBytes: fc.constantFrom(1, 10_000_000),
      guarantee: fc.constantFrom('at_least_once', 'exactly_once'),
      parts: fc.integer({ min: 1, max: 8 }),
      crash: fc.constantFrom(undefined, '1 settle', '2 log', '3 offsets', '4 apply'),
    });
    await fc.assert(
      fc.asyncProperty(burst, run, async (given, { parts, crash, ...options }) => {
        const driver = await open(ordered(), options as object);
        const each = Math.ceil(given.length / parts);
        for (let at = 0; at < given.length; at += each) {
          const part = given.slice(at, at + each).map(({ version, length }) => event(version, length));
          if (crash !== undefined && at === each) await driver.crash(crash as never);
          await feed(driver, 'in', part);
          if (driver.crashed) await driver.restart();
        }
        await feed(driver, 'in', [event(1, 10)]);
        const out = (await values(driver)) as Event[];
        const lengths = new Map(given.map(({ version, length }) => [version, length]));
        assert.deepEqual(
          out.map(({ version, text }) => [version, text.length]),
          Array.from({ length: given.length + 1 }, (_, i) => [i + 1, i === 0 ? 10 : lengths.get(i + 1)]),
        );
        await assertBounded(driver, 'order', Math.max(...given.map(({ length }) => length)));
        await driver.close();
      }),
      { numRuns: 40 },
    );
  });
});

describe('windows of one key', () => {
  const text = (_: unknown, value: string): string => value;

  it('that are sessions may be thousands within the grace: all of them stay, and are found', async () => {
    const target = topology('test', (t) => {
      t.stream('in', json<string>()).pipe(
        reduce({ store: 'sessions', window: session('1ms', { grace: '1d' }), value: serdes.string, add: text }),
      );
    });
    const driver = await open(target);
    const all = Array.from({ length: 3_000 }, (_, i): Short<string> => ['k', `${i}`.padEnd(400, 'x'), 10 * i]);
    for (let at = 0; at < all.length; at += 500) await feed(driver, 'in', all.slice(at, at + 500));
    await driver.restart();
    // One in the middle becomes longer, and two become one.
    await feed(driver, 'in', [
      ['k', 'longer', 15_001],
      ['k', 'a', 20_001],
      ['k', 'b', 20_009],
      ['k', 'c', 20_003],
      ['k', 'd', 20_005],
      ['k', 'e', 20_007],
      ['k', 'f', 20_002],
      ['k', 'g', 20_004],
      ['k', 'h', 20_006],
      ['k', 'one', 20_008],
    ]);
    const found = await driver.store<{ start: number; end: number }, string>('sessions').entries();
    assert.equal(found.length, 2_999);
    const at = (start: number) => found.find(([window]) => window.start === start) as (typeof found)[number];
    assert.equal(at(15_000)[1], 'longer');
    assert.equal(at(15_000)[0].end, 15_001);
    assert.deepEqual([at(20_000)[0].end, at(20_000)[1]], [20_010, 'one']);
    assert.equal(await driver.store('sessions').get(at(29_990)[0]), all[2_999]?.[1]);
    await assertBounded(driver, 'sessions');
  });

  it('that are sessions may be kept in thousands when they have closed', async () => {
    const target = topology('test', (t) => {
      t.stream('in', json<string>()).pipe(count({ store: 'sessions', window: session('30s', { retention: '30d' }) }));
    });
    const driver = await open(target);
    const all = Array.from({ length: 5_000 }, (_, i): Short<string> => ['k', 'x', 60_000 * i]);
    for (let at = 0; at < all.length; at += 1_000) await feed(driver, 'in', all.slice(at, at + 1_000));
    await driver.restart();
    const found = await driver.store<{ start: number }, number>('sessions').entries();
    assert.deepEqual(
      found.map(([{ start }]) => start),
      all.map(([, , start]) => start),
    );
    await assertBounded(driver, 'sessions');
  });

  it('that slide may be thousands in one stretch of time', async () => {
    const target = topology('test', (t) => {
      t.stream('in', json<string>()).pipe(
        aggregate<StreamRecord<string, string>, string>({
          store: 'sliding',
          window: sliding('100ms', { grace: '1d' }),
          value: serdes.string,
          initial: () => ''.padEnd(900, 'x'),
          add: (all) => all,
        }),
      );
    });
    const driver = await open(target);
    await feed(
      driver,
      'in',
      Array.from({ length: 200 }, (_, i): Short<string> => ['k', 'x', 1_000 + ((i * 67) % 200)]),
    );
    await driver.restart();
    const found = await driver.store<{ start: number }, string>('sliding').entries();
    // Those that end with a record, and those that begin behind one and have others.
    assert.deepEqual(
      found.map(([{ start }]) => start),
      Array.from({ length: 300 }, (_, i) => 900 + i),
    );
    await assertBounded(driver, 'sliding');
  });
});

describe('what joins keep', () => {
  it('of large records of one key lies in rows of a few of them, and all of them are met', async () => {
    const target = topology('test', (t) => {
      const right = t.stream('right', json<string>());
      t.stream('left', json<string>()).pipe(
        joinStream(right, {
          store: 'pairs',
          within: '100s',
          join: (a: string, b: string) => `${a.length} ${b.length}`,
        }),
        to('out', json<string>()),
      );
    });
    const driver = await open(target);
    const left = Array.from({ length: 60 }, (_, i): Short<string> => ['k', 'x'.repeat(100_000 + i), 1_000 + i]);
    for (const record of left) await feed(driver, 'left', [record]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'right', [['k', 'y', 2_000]]);
    assert.deepEqual(
      await values(driver),
      left.map((_, i) => `${100_000 + i} 1`),
    );
    await assertBounded(driver, 'pairs-left', 2 * 100_100);
  });

  it('until a grace is over may be thousands of one key and moment, and comes in order of arrival', async () => {
    const target = topology('test', (t) => {
      const rows = t.table('rows', { ...json<string>(), store: 'rows', history: '1d' });
      t.stream('in', json<string>()).pipe(
        joinTable(rows, {
          join: (a: string, b: string) => a.slice(0, 8) + b,
          grace: '1s',
          store: 'waiting',
          value: serdes.json<string>(),
        }),
        to('out', json<string>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'rows', [['k', '!', 0]]);
    const all = Array.from({ length: 2_000 }, (_, i): Short<string> => ['k', `${i}`.padEnd(1_000), 500]);
    for (let at = 0; at < all.length; at += 250) await feed(driver, 'in', all.slice(at, at + 250));
    await driver.restart();
    await feed(driver, 'in', [['z', 'later', 5_000]]);
    assert.deepEqual(
      await values(driver),
      all.map(([, value]) => `${(value as string).slice(0, 8)}!`),
    );
    await assertBounded(driver, 'waiting');
    assert.equal((await driver.store('waiting').entries()).length, 1);
  });

  it('of the past of a row may be many large values, and each moment is found', async () => {
    const target = topology('test', (t) => {
      const rows = t.table('rows', { ...json<string>(), store: 'rows', history: '1d' });
      t.stream('in', json<string>()).pipe(
        joinTable(rows, (a: string, b: string) => a + b.length),
        to('out', json<string>()),
      );
    });
    const driver = await open(target);
    const versions = Array.from(
      { length: 300 },
      (_, i): Short<string> => ['k', 'x'.repeat(20_000 + i), 1_000 + 10 * i],
    );
    // Some of them come late, into the middle.
    const late = versions.filter((_, i) => i % 7 === 3);
    await feed(
      driver,
      'rows',
      versions.filter((_, i) => i % 7 !== 3),
    );
    await feed(driver, 'rows', late);
    await driver.restart();
    await feed(
      driver,
      'in',
      versions.map((_, i): Short<string> => ['k', '', 1_005 + 10 * i]),
    );
    assert.deepEqual(
      await values(driver),
      versions.map((_, i) => `${20_000 + i}`),
    );
    await assertBounded(driver, 'rows-versions', 20_400);
  });

  it('of the rows that refer to one row may be many long keys', async () => {
    const target = topology('test', (t) => {
      const customers = t.table('customers', { ...json<string>(), store: 'customers' });
      t.table('orders', { ...json<string>(), store: 'orders' }).pipe(
        joinTable(customers, {
          foreignKey: (order: string) => order,
          join: (_: string, customer: string) => customer,
          store: 'joined',
          value: serdes.string,
        }),
        to('out', json<string>()),
      );
    });
    const driver = await open(target);
    const key = (i: number): string => `${String(i).padStart(4, '0')}${'k'.repeat(2_000)}`;
    await feed(driver, 'customers', [['c', 'Ann', 0]]);
    const order = Array.from({ length: 600 }, (_, i) => (i * 389) % 600);
    await feed(
      driver,
      'orders',
      order.map((i): Short<string> => [key(i), 'c', 10]),
    );
    await read(driver);
    await driver.restart();
    await feed(driver, 'customers', [['c', 'Bea', 20]]);
    const out = await read(driver);
    assert.deepEqual(
      out.map(([at, value]) => [at, value]),
      order.toSorted((a, b) => a - b).map((i) => [key(i), 'Bea']),
    );
    await assertBounded(driver, 'joined-subscribers');
  });
});
