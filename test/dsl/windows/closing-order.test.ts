import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Observable } from 'rxjs';
import {
  type Change,
  calendar,
  cogroup,
  count,
  type Duration,
  hopping,
  type StreamRecord,
  serdes,
  session,
  sliding,
  suppress,
  type Topology,
  to,
  topology,
  tumbling,
  type Windowed,
} from '#src/index.js';
import { WindowKey } from '#src/model/window.js';
import type { TestDriver } from '#src/testing/index.js';
import { feed, json, open, type Short } from '../support.js';

const HOUR = 3_600_000;
const windowed = { key: serdes.windowed(serdes.string), value: serdes.json<number>() };

/** Keys whose bytes do not lie in the order of their characters, and some that begin with others. */
const KEYS = ['', 'a', 'a\0', 'aa', 'b', '\u00e4', '\uffee', '\u{1f600}'];

/** Windows of each kind, and how much longer than milliseconds their times are. */
const kinds = {
  tumbling: { scale: 1, window: (length: number, grace: Duration) => tumbling(`${length}ms`, { grace }) },
  hopping: {
    scale: 1,
    window: (length: number, grace: Duration) => hopping(`${length}ms`, { every: `${Math.ceil(length / 3)}ms`, grace }),
  },
  sliding: { scale: 1, window: (length: number, grace: Duration) => sliding(`${length}ms`, { grace }) },
  session: { scale: 1, window: (length: number, grace: Duration) => session(`${length}ms`, { grace }) },
  calendar: {
    scale: 8 * HOUR,
    window: (_: number, grace: Duration) => calendar('day', { timeZone: 'Asia/Tokyo', grace }),
  },
};
type Kind = keyof typeof kinds;
type Windows = ReturnType<(typeof kinds)[Kind]['window']>;
type Source = Observable<StreamRecord<string, number>>;
type Results = Observable<Change<Windowed<string>, number>>;

/** The same windows twice: as they change, and in one of the ways in which each is given out once it is closed. */
function pipeline(window: Windows, closing: (input: Source, window: Windows) => Results): Topology {
  return topology('test', (t) => {
    const input = t.stream('in', json<number>());
    input.pipe(count({ store: 'changing', window }), to('changes', windowed));
    closing(input, window).pipe(to('closed', windowed));
  });
}

const closings = {
  'a fold that emits on close': (input: Source, window: Windows): Results =>
    input.pipe(count({ store: 'closing', key: serdes.string, window, emit: 'onClose' })) as Results,
  'a cogroup that emits on close': (input: Source, window: Windows): Results =>
    cogroup(
      {
        store: 'closing',
        key: serdes.string,
        value: serdes.json<number>(),
        window: window as never,
        emit: 'onClose',
        initial: () => 0,
        merge: (a: number, b: number) => a + b,
      },
      (add) => [add(input, (all: number) => all + 1)],
    ) as Results,
};

const suppressed = (input: Source, window: Windows): Results =>
  input.pipe(
    count({ store: 'counts', key: serdes.string, window }),
    suppress({ store: 'closing', until: 'windowCloses' }),
  ) as Results;

interface Closed {
  readonly window: Windowed<string>;
  readonly count: number | null;
}

/** By end, start and key, as Kafka Streams' stores of windows lie when they are read by time. */
const byEndStartKey = (a: Closed, b: Closed): number =>
  a.window.end - b.window.end ||
  a.window.start - b.window.start ||
  Buffer.from(a.window.key).compare(Buffer.from(b.window.key));

/** By end, then by the bytes of key and bounds: as Kafka Streams' buffer of `suppress` lies. */
const byEndKey = (a: Closed, b: Closed): number =>
  a.window.end - b.window.end || windowed.key.encode(a.window).compare(windowed.key.encode(b.window));

const given: fc.Arbitrary<Given> = fc.record({
  length: fc.integer({ min: 1, max: 9 }),
  grace: fc.constantFrom(0, 1, 4),
  batchRecords: fc.constantFrom(1, 3, 1_000),
  crashAt: fc.nat({ max: 40 }),
  // Many records a moment, so that much closes together, and what merges does so in many ways.
  steps: fc.array(
    fc.record({
      key: fc.constantFrom(...KEYS),
      advance: fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 2 }) }, { weight: 1, arbitrary: fc.nat({ max: 40 }) }),
      behind: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 9 }) }),
    }),
    { maxLength: 60 },
  ),
});

interface Given {
  readonly length: number;
  readonly grace: number;
  readonly batchRecords: number;
  readonly crashAt: number;
  readonly steps: readonly { readonly key: string; readonly advance: number; readonly behind: number }[];
}

function recordsOf({ steps }: Given, scale: number): readonly Short[] {
  let now = 0;
  return steps.map(({ key, advance, behind }): Short => {
    now += advance;
    return [key, 1, (5 + Math.max(0, now - behind)) * scale];
  });
}

const isClosed = (records: readonly Short[], afterMs: number) => {
  const streamTime = Math.max(...records.map(([, , timestamp = 0]) => timestamp));
  return ({ window: { end } }: Closed): boolean => end + afterMs <= streamTime;
};

/** What the windows were last, as long as they were not merged into others. */
async function lastOf(driver: TestDriver): Promise<Closed[]> {
  const last = new Map<string, Closed>();
  for (const closed of await read(driver, 'changes')) {
    const id = windowed.key.encode(closed.window).toString('latin1');
    if (closed.count === null) last.delete(id);
    else last.set(id, closed);
  }
  return [...last.values()];
}

const read = async (driver: TestDriver, topic: string): Promise<Closed[]> =>
  (await driver.output(topic, windowed).read()).map(({ key, value }) => ({
    window: key as Windowed<string>,
    count: value,
  }));

describe('windows that close together come by end, start and the bytes of their keys', () => {
  for (const [name, kind] of Object.entries(kinds)) {
    for (const [by, closing] of Object.entries(closings)) {
      it(`${name} windows of ${by}`, async () => {
        await fc.assert(
          fc.asyncProperty(given, async (story) => {
            const window = kind.window(story.length, `${story.grace * kind.scale}ms`);
            const records = recordsOf(story, kind.scale);
            const driver = await open(pipeline(window, closing), { batchRecords: story.batchRecords });
            await feed(driver, 'in', records.slice(0, story.crashAt));
            await driver.crash();
            await driver.restart();
            await feed(driver, 'in', records.slice(story.crashAt));
            const expected = (await lastOf(driver)).filter(isClosed(records, window.closesAfterMs)).sort(byEndStartKey);
            assert.deepEqual(await read(driver, 'closed'), expected);
            await driver.close();
          }),
          { numRuns: 60 },
        );
      });
    }

    it(`${name} windows of suppress, by end and then the bytes of key and bounds, as its buffer lies`, async () => {
      await fc.assert(
        fc.asyncProperty(given, async (story) => {
          // One record closes all of them: in the millisecond of their end, windows that include it may come twice.
          const window = kind.window(story.length, `${1_000 * kind.scale}ms`);
          const driver = await open(pipeline(window, suppressed), { batchRecords: story.batchRecords });
          await feed(driver, 'in', recordsOf(story, kind.scale));
          const expected = (await lastOf(driver)).sort(byEndKey);
          await feed(driver, 'in', [['z', 1, 100_000 * kind.scale]]);
          assert.deepEqual(await read(driver, 'closed'), expected);
          await driver.close();
        }),
        { numRuns: 40 },
      );
    });
  }

  it('a session that grew to the end of another begins before it, and comes first', async () => {
    const driver = await open(pipeline(session('1ms'), closings['a fold that emits on close']));
    await feed(driver, 'in', [
      ['b', 1, 0],
      ['a', 1, 1],
      ['b', 1, 1],
      ['a', 1, 9],
    ]);
    assert.deepEqual(await read(driver, 'closed'), [
      { window: new WindowKey('b', 0, 1), count: 2 },
      { window: new WindowKey('a', 1, 1), count: 1 },
    ]);
  });

  it('sessions, more than are taken at once, some of which have grown to the end of others', async () => {
    const driver = await open(pipeline(session('2ms'), closings['a fold that emits on close']));
    const names = Array.from({ length: 2_500 }, (_, i) => `k${String(i).padStart(4, '0')}`);
    await feed(driver, 'in', [
      ...names.filter((_, i) => i % 3 !== 0).map((key): Short => [key, 1, 4]),
      ...names.filter((_, i) => i % 3 !== 1).map((key): Short => [key, 1, 5]),
      ['last', 1, 100],
    ]);
    const closed = await read(driver, 'closed');
    assert.deepEqual(closed, closed.toSorted(byEndStartKey));
    assert.equal(closed.length, names.length);
  });
});
