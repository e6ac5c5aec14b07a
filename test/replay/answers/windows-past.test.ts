import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Broker } from '#src/broker/port.js';
import {
  aggregate,
  calendar,
  everyN,
  hopping,
  type StreamRecord,
  serdes,
  session,
  sliding,
  type Topology,
  topology,
  tumbling,
  type Windowed,
  type Windows,
} from '#src/index.js';
import {
  bisect,
  type ChangedRow,
  compare,
  history,
  type Predicate,
  parseMoment,
  replay,
  type StateChange,
  smallestSlice,
  stateAsOf,
  stateDiff,
  trace,
} from '#src/replay/index.js';
import { failure, json, open } from '../../dsl/support.js';
import { temporaryDirectory } from '../../support/project.js';
import { brokerWith, type Told } from '../support.js';

/** Texts that show what was folded in which order; a 9 empties the window. */
const folding = (window: Windows, merge = (first: string, second: string): string => `${first}|${second}`): Topology =>
  topology('visits', (t) => {
    t.stream('in', json<string>()).pipe(
      aggregate<StreamRecord<string, string>, string>({
        store: 'windows',
        window,
        value: serdes.string,
        initial: () => '',
        add: (all, { value }) => (value === '9' ? null : `${all}+${value}`),
        merge,
      }),
    );
  });

/** A change in short. The event is the place of its record. */
type Shown = readonly [event: number, key: string, start: number, end: number, before: unknown, after: unknown];

const short = ({ records, key, before, value }: StateChange): Shown => {
  const window = key as Windowed<string>;
  return [records - 1, window.key, window.start, window.end, before, value];
};

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** What one event has done in the order of the windows. */
const sorted = (changes: readonly Shown[]): Shown[] =>
  [...changes].sort((a, b) => a[0] - b[0] || a[2] - b[2] || a[3] - b[3]);

interface Lengths {
  readonly length: number;
  readonly grace: number;
  readonly longer: number;
}

interface Kind {
  readonly name: string;
  /** What a unit of time is. Default: a millisecond. */
  readonly unitMs?: number;
  window(lengths: Lengths): Windows;
  /** Whether a window is still in the store. */
  isKept(window: Windowed<string>, lengths: Lengths, now: number): boolean;
}

const HOUR = 3_600_000;
const kept =
  (openFor: (lengths: Lengths) => number, from: 'start' | 'end' = 'start'): Kind['isKept'] =>
  (window, lengths, now) =>
    window[from] + openFor(lengths) + lengths.longer >= now;
const ms = (value: number) => `${value}ms` as const;
const lives = ({ grace, longer }: Lengths, openFor: number) => ({
  grace: ms(grace),
  retention: ms(openFor + longer),
});

const KINDS: readonly Kind[] = [
  {
    name: 'tumbling',
    window: (lengths) => tumbling(ms(lengths.length), lives(lengths, lengths.length + lengths.grace)),
    isKept: kept(({ length, grace }) => length + grace),
  },
  {
    name: 'hopping',
    window: (lengths) =>
      hopping(ms(lengths.length), {
        every: ms(Math.ceil(lengths.length / 3)),
        ...lives(lengths, lengths.length + lengths.grace),
      }),
    isKept: kept(({ length, grace }) => length + grace),
  },
  {
    name: 'sliding',
    window: (lengths) => sliding(ms(lengths.length), lives(lengths, 2 * lengths.length + lengths.grace)),
    isKept: kept(({ length, grace }) => 2 * length + grace),
  },
  {
    name: 'session',
    window: (lengths) => session(ms(lengths.length), lives(lengths, lengths.length + lengths.grace)),
    isKept: kept(({ length, grace }) => length + grace, 'end'),
  },
  {
    name: 'everyN',
    window: ({ length }) => everyN(length),
    isKept: () => true,
  },
  {
    name: 'calendar',
    unitMs: HOUR / 4,
    window: (lengths) => calendar('hour', { timeZone: 'Europe/Berlin', ...lives(lengths, 2 * HOUR + lengths.grace) }),
    isKept: kept(({ grace }) => 2 * HOUR + grace),
  },
];

/** Times that go on, with some that are far behind and some far ahead. */
const records = (unitMs: number): fc.Arbitrary<Told[]> =>
  fc
    .array(
      fc.record({
        key: fc.constantFrom('a', 'b'),
        value: fc.constantFrom(...'0123456789'),
        advance: fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 9 }) }, { weight: 1, arbitrary: fc.nat({ max: 200 }) }),
        behind: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat({ max: 40 }) }),
      }),
      { minLength: 1, maxLength: 30 },
    )
    .map((steps) => {
      let now = 0;
      return steps.map(({ key, value, advance, behind }) => {
        now += advance;
        return { topic: 'in', key, value, timestamp: Math.max(0, now - behind) * unitMs };
      });
    });

/** What the windows of a key become with each record, as the test driver shows them. What only expires is left out. */
async function watched(
  target: Topology,
  given: readonly Told[],
  isKept: (window: Windowed<string>, now: number) => boolean,
): Promise<Shown[]> {
  const driver = await open(target);
  const input = driver.input('in', json<string>());
  const store = driver.store<Windowed<string>, string>('windows');
  const changes: Shown[] = [];
  const before: Record<string, readonly (readonly [Windowed<string>, string])[]> = { a: [], b: [] };
  let now = Number.NEGATIVE_INFINITY;
  for (const [event, { key, value, timestamp }] of given.entries()) {
    await input.send({ key, value: value as string, timestamp });
    now = Math.max(now, timestamp);
    for (const name of ['a', 'b']) {
      const after = await store.windows(name);
      const values = new Map<string, [Windowed<string>, unknown, unknown]>();
      const id = ({ start, end }: Windowed<string>): string => `${start} ${end}`;
      for (const [window, was] of before[name] as typeof after)
        if (isKept(window, now)) values.set(id(window), [window, was, null]);
      for (const [window, is] of after) values.set(id(window), [window, values.get(id(window))?.[1] ?? null, is]);
      for (const [window, was, is] of values.values())
        if (was !== is) changes.push([event, window.key, window.start, window.end, was, is]);
      before[name] = after;
    }
  }
  await driver.close();
  return changes;
}

describe('the past of windows', () => {
  for (const kind of KINDS) {
    const { name, unitMs = 1 } = kind;
    it(`${name}: the history of a key is what the store shows of it, before and after each event`, async () => {
      const lengths = fc.record({
        length: fc.integer({ min: 1, max: 30 }),
        grace: fc.oneof(fc.constant(0), fc.nat({ max: 60 })),
        longer: fc.nat({ max: 100 }),
      });
      await fc.assert(
        fc.asyncProperty(
          records(unitMs),
          lengths,
          fc.constantFrom(1, 7, 1_000),
          async (given, lengths, batchRecords) => {
            const target = folding(kind.window(lengths));
            const wanted = await watched(target, given, (window, now) => kind.isKept(window, lengths, now));
            const broker = await brokerWith(given, { topics: ['in'] });
            const options = { broker, inMemory: true, batchRecords, store: 'windows' };
            for (const key of ['a', 'b']) {
              const found = (await all(history(target, { ...options, key }))).map(short);
              assert.deepEqual(sorted(found), sorted(wanted.filter((change) => change[1] === key)));
              // One of its windows, named as it is shown.
              const [, , start, end] = found.at(-1) ?? [];
              if (start === undefined || end === undefined) continue;
              const one = (await all(history(target, { ...options, key: { key, start, end } }))).map(short);
              assert.deepEqual(
                one,
                found.filter((change) => change[2] === start && change[3] === end),
              );
            }
            await broker.close();
          },
        ),
        { numRuns: 40 },
      );
    });
  }

  describe('of sessions', () => {
    const target = folding(session('10ms', { retention: '1d' }));
    const told = (key: string, value: string, timestamp: number): Told => ({ topic: 'in', key, value, timestamp });
    // Two sessions of ada, and a visit between them that makes them one.
    const VISITS = [
      told('ada', '1', 0),
      told('bob', '2', 2),
      told('ada', '3', 18),
      told('ada', '4', 5),
      told('ada', '5', 9),
    ];
    const closings: (() => Promise<void>)[] = [];
    const given = async (visits: readonly Told[] = VISITS): Promise<{ broker: Broker; inMemory: true }> => {
      // The sixth hour of a retention that keeps everything: grace lets what is behind join.
      const broker = await brokerWith(visits, { topics: ['in'] });
      closings.push(() => broker.close());
      return { broker, inMemory: true };
    };
    const merging = folding(session('10ms', { grace: '1h', retention: '1d' }));

    afterEach(async () => {
      for (const close of closings.splice(0)) await close();
    });

    it('history shows first what is gone, then what it has become', async () => {
      const changes = await all(history(merging, { ...(await given()), store: 'windows', key: 'ada' }));
      assert.deepEqual(changes.map(short), [
        [0, 'ada', 0, 0, null, '+1'],
        [2, 'ada', 18, 18, null, '+3'],
        [3, 'ada', 0, 0, '+1', null],
        [3, 'ada', 0, 5, null, '|+1+4'],
        [4, 'ada', 0, 5, '|+1+4', null],
        [4, 'ada', 18, 18, '+3', null],
        [4, 'ada', 0, 18, null, '||+1+4|+3+5'],
      ]);
      assert.deepEqual(
        changes.map(({ timestamp, event }) => [timestamp, event.offset]),
        [
          [0, 0],
          [18, 2],
          [18, 3],
          [5, 3],
          [18, 4],
          [18, 4],
          [18, 4],
        ],
      );
    });

    it('bisect asks about sessions, those that are gone included, and names the one that it has found', async () => {
      const asked = { ...(await given()), store: 'windows' };
      const long = await bisect(merging, { ...asked, when: ({ key }) => key.end - key.start > 9 });
      assert.deepEqual(long && short(long.change), [4, 'ada', 0, 18, null, '||+1+4|+3+5']);
      const gone = await bisect(merging, { ...asked, when: ({ value, before }) => value === null && before === '+3' });
      assert.deepEqual(gone && short(gone.change), [4, 'ada', 18, 18, '+3', null]);
      const ofBob = await bisect(merging, { ...asked, key: 'bob', when: () => true });
      assert.deepEqual(ofBob && short(ofBob.change), [1, 'bob', 2, 2, null, '+2']);
      const window = { key: 'ada', start: 0, end: 5 };
      const one = await bisect(merging, { ...asked, key: window, when: ({ before }) => before !== null });
      assert.deepEqual(one && short(one.change), [4, 'ada', 0, 5, '|+1+4', null]);
      const never = await bisect(merging, { ...asked, key: 'ada', when: ({ value }) => value?.includes('2') });
      assert.equal(never, undefined);
    });

    it('bisect comes down to the smallest slice that brings the session about', async () => {
      const asked = { ...(await given()), store: 'windows', when: ({ key }: ChangedRow) => key.end - key.start > 9 };
      const found = await bisect(merging, asked);
      const { records: slice } = await smallestSlice(merging, asked, found!.change);
      assert.deepEqual(
        slice.map(({ value }) => JSON.parse(String(value))),
        ['1', '3', '5'],
      );
    });

    it('bisect says of a predicate that throws which session it was asked about', async () => {
      const when = ({ value }: ChangedRow): boolean => value.length > 99;
      await assert.rejects(
        bisect(merging, { ...(await given()), store: 'windows', when }),
        failure('PREDICATE_FAILED', /in\[0\]@3: saw key \{"key":"ada","start":0,"end":0\}, value null.*value\?\.field/),
      );
    });

    it('trace shows the sessions that were read, and those that became others', async () => {
      const [way] = await all(trace(merging, { ...(await given()), at: { topic: 'in', partition: 0, offset: 4 } }));
      const steps = way!.steps.flatMap((step) =>
        step.what === 'read' || step.what === 'write' ? [[step.what, step.key, step.value]] : [],
      );
      const [first, second, both] = [
        { key: 'ada', start: 0, end: 5 },
        { key: 'ada', start: 18, end: 18 },
        { key: 'ada', start: 0, end: 18 },
      ];
      assert.deepEqual(steps, [
        ['read', first, '|+1+4'],
        ['read', second, '+3'],
        ['write', first, null],
        ['write', second, null],
        ['write', both, '||+1+4|+3+5'],
      ]);
      const [begun] = await all(trace(merging, { ...(await given()), at: { topic: 'in', partition: 0, offset: 1 } }));
      const read = begun!.steps.find((step) => step.what === 'read');
      assert.deepEqual(read && [read.key, read.value], ['bob', null]);
    });

    it('compare tells two versions apart by the sessions that an event has changed', async () => {
      const other = folding(session('10ms', { grace: '1h', retention: '1d' }), (first, second) => `${first}&${second}`);
      const found = await compare(merging, other, await given());
      assert.equal(found?.event.offset, 3);
      assert.deepEqual(found?.rows, [
        { store: 'windows', key: { key: 'ada', start: 0, end: 5 }, first: '|+1+4', second: '&+1+4' },
      ]);
      assert.equal(
        await compare(merging, folding(session('10ms', { grace: '1h', retention: '2d' })), await given()),
        undefined,
      );
    });

    it('stateDiff shows the sessions that changed, of a key or one of them, also of keys with one beginning', async () => {
      const visits = [told('a', '1', 300), told('a\0', '1', 400), told('a', '2', 100_000), told('a', '3', 100_001)];
      const options = await given(visits);
      const diff = async (which: { store?: string; key?: unknown }): Promise<unknown[]> => {
        const moments = { before: parseMoment('offset:in:0=3'), after: parseMoment('latest') };
        return (await all(stateDiff(target, { ...options, ...moments, ...which }))).map(({ key, before, after }) => [
          (key as Windowed<string>).key,
          (key as Windowed<string>).end,
          before,
          after,
        ]);
      };
      const both = [
        ['a', 100_000, '+2', null],
        ['a', 100_001, null, '|+2+3'],
      ];
      assert.deepEqual(await diff({}), both);
      assert.deepEqual(await diff({ store: 'windows', key: 'a' }), both);
      assert.deepEqual(await diff({ store: 'windows', key: 'a\0' }), []);
      const one = { key: 'a', start: 100_000, end: 100_001 };
      assert.deepEqual(await diff({ store: 'windows', key: one }), both.slice(1));
      await assert.rejects(diff({ key: 'a' }), failure('USAGE', /a key and no store/));
    });

    it('shows what has expired between two moments as gone, in stateDiff and not in history', async () => {
      const short_ = folding(session('10ms', { retention: '20ms' }));
      const options = { ...(await given([told('ada', '1', 0), told('ada', '2', 500)])), store: 'windows', key: 'ada' };
      const moments = { before: parseMoment('offset:in:0=1'), after: parseMoment('latest') };
      const differences = await all(stateDiff(short_, { ...options, ...moments }));
      assert.deepEqual(
        differences.map(({ before, after }) => [before, after]),
        [
          ['+1', null],
          [null, '+2'],
        ],
      );
      assert.deepEqual((await all(history(short_, options))).map(short), [
        [0, 'ada', 0, 0, null, '+1'],
        [1, 'ada', 500, 500, null, '+2'],
      ]);
    });
  });

  describe('with snapshots', () => {
    const visits = Array.from({ length: 90 }, (_, i) => ({
      topic: 'in',
      key: i === 70 || i === 72 ? 'zoe' : `${i % 3}`,
      value: `${i % 9}`,
      timestamp: i * 2,
    }));
    const RETENTION = { retention: '1d' } as const;

    for (const [name, window] of [
      ['tumbling', tumbling('3ms', RETENTION)],
      ['sliding', sliding('5ms', RETENTION)],
      ['session', session('10ms', RETENTION)],
    ] as const) {
      it(`${name}: history and bisect of a key leave out what does not concern its windows, and find the same`, async () => {
        const target = folding(window);
        const broker = await brokerWith(visits, { topics: ['in'] });
        const snapshots = { directory: temporaryDirectory(), version: '1' };
        await replay(target, { broker, snapshots: { ...snapshots, every: { records: 10 } } });
        let taken = 0;
        const asked = { broker, store: 'windows', key: 'zoe' };
        const found = await all(
          history(target, { ...asked, snapshots, batchRecords: 1, onProgress: () => void taken++ }),
        );
        assert.deepEqual(found, await all(history(target, { ...asked, inMemory: true })));
        assert.deepEqual([...new Set(found.map(({ event }) => event.offset))], [70, 72]);
        assert.equal(taken, 10, 'of the part between two snapshots in which zoe came');
        const [last] = found.slice(-1);
        const when: Predicate = ({ key, value }) => key.key === 'zoe' && value === last?.value;
        for (const given of [{}, { monotone: true }, { key: undefined, monotone: true }, { key: last?.key }]) {
          const bisected = await bisect(target, { ...asked, ...given, snapshots, when });
          assert.deepEqual(bisected?.change, last, JSON.stringify(given));
        }
        const past = await stateAsOf(target, { broker, snapshots, asOf: parseMoment('latest') });
        assert.equal(past.beganWith, 90);
        await past.close();
        await broker.close();
      });
    }
  });
});
