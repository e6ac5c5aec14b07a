import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  distinctUntilChanged,
  filter,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  scan,
  skip,
  takeWhile,
  tap,
} from 'rxjs';
import {
  aggregate,
  type Change,
  count,
  filterValues,
  groupBy,
  joinTable,
  mapValues,
  peek,
  serdes,
  type Table,
  to,
  topology,
  toStream,
  validate,
} from '#src/index.js';
import { failure, feed, json, open, read, rows, type Short } from '../support.js';

interface Person {
  readonly city: string;
  readonly age: number;
}
type People = Table<string, Person>;

const isAdult = ({ age }: Person): boolean => age >= 18;

/** People, what is built on them, and how many there are in each city, and how old they are together. */
const counted = (build: (people: People) => People) =>
  topology('test', (t) => {
    const built = build(t.table('in', { ...json<Person>(), store: 'people' }));
    built.pipe(to('out', json<any>()));
    built.pipe(
      groupBy(({ value }) => value.city, { key: serdes.string, value: serdes.json<Person>(), name: 'by-city' }),
      aggregate({
        store: 'ages',
        value: serdes.json<{ people: number; years: number }>(),
        initial: () => ({ people: 0, years: 0 }),
        add: ({ people, years }, { value }) => ({ people: people + 1, years: years + value.age }),
        subtract: ({ people, years }, { value }) => ({ people: people - 1, years: years - value.age }),
      }),
    );
  });

/** Plain operators that make something of each row alone, and the same in the words of this library. */
const FUNCTIONS: Record<string, readonly [plain: (people: People) => People, own: (people: People) => People]> = {
  tap: [(people) => people.pipe(tap(() => undefined)), (people) => people],
  'filter of what is there': [
    (people) => people.pipe(filter(({ value }) => value === null || isAdult(value))),
    (people) => people.pipe(filterValues(isAdult)),
  ],
  'filter that forgets deletions': [
    (people) => people.pipe(filter(({ value }) => value !== null && isAdult(value))),
    (people) => people.pipe(filterValues(isAdult)),
  ],
  'map of the value alone': [
    (people) => people.pipe(map((change) => ({ ...change, value: change.value && { ...change.value, age: 1 } }))),
    (people) => people.pipe(mapValues((person) => ({ ...person, age: 1 }))),
  ],
  'map to nothing': [
    (people) =>
      people.pipe(map((change) => ({ ...change, value: change.value && isAdult(change.value) ? change.value : null }))),
    (people) => people.pipe(filterValues(isAdult)),
  ],
  'mergeMap to one or none': [
    (people) => people.pipe(mergeMap((change) => (change.value && isAdult(change.value) ? of(change) : of()))),
    (people) => people.pipe(filterValues(isAdult)),
  ],
  'several, between operators of this library': [
    (people) =>
      people.pipe(
        mapValues((person) => ({ ...person, age: person.age + 1 })),
        filter(({ value }) => value !== null && isAdult(value)),
        tap(() => undefined),
        peek(() => undefined),
        filter(({ value }) => value?.city !== 'Kiel'),
      ),
    (people) =>
      people.pipe(
        mapValues((person) => ({ ...person, age: person.age + 1 })),
        filterValues((person) => isAdult(person) && person.city !== 'Kiel'),
      ),
  ],
};

const person: fc.Arbitrary<Person> = fc.record({
  city: fc.constantFrom('Bonn', 'Kiel'),
  age: fc.integer({ min: 15, max: 20 }),
});
const row: fc.Arbitrary<Person | null> = fc.option(person, { freq: 4 });
const updates = fc.array(fc.tuple(fc.constantFrom('ann', 'bob'), row), { maxLength: 20 });

async function resultOf(build: (people: People) => People, records: readonly Short[], options = {}) {
  const driver = await open(counted(build), options);
  await feed(driver, 'in', records);
  const result = { out: await read(driver), ages: await rows(driver, 'ages') };
  await driver.close();
  return result;
}

describe('plain operators of RxJS on a table', () => {
  for (const [name, [plain, own]] of Object.entries(FUNCTIONS)) {
    it(`make of rows what those of this library do: ${name} (property)`, async () => {
      await fc.assert(
        fc.asyncProperty(updates, async (records) => {
          const [made, expected] = [await resultOf(plain, records), await resultOf(own, records)];
          assert.deepEqual(made.ages, expected.ages);
          // What was not there is not deleted behind filterValues, and behind mapValues it is.
          const there = ({ out }: typeof made): unknown => {
            const last = new Map<unknown, unknown>();
            return out.filter(([key, value]) => {
              const isNew = value !== null || (last.get(key) ?? null) !== null;
              last.set(key, value);
              return isNew;
            });
          };
          assert.deepEqual(there(made), there(expected));
        }),
        { numRuns: 20 },
      );
    });
  }

  it('delete a row that no longer passes a filter, in counts as well', async () => {
    const target = topology('test', (t) => {
      t.table('in', { ...json<Person>(), store: 'people' }).pipe(
        filter(({ value }) => value === null || isAdult(value)),
        groupBy(({ value }) => value.city, { key: serdes.string, name: 'by-city' }),
        count({ store: 'adults' }),
      );
    });
    const driver = await open(target);
    const counts: unknown[] = [];
    for (const value of [{ city: 'Bonn', age: 20 }, { city: 'Kiel', age: 17 }, null, { city: 'Kiel', age: 18 }]) {
      await feed(driver, 'in', [['ann', value]]);
      counts.push(await rows(driver, 'adults'));
    }
    assert.deepEqual(counts, [{ Bonn: 1 }, { Bonn: 0 }, { Bonn: 0 }, { Bonn: 0, Kiel: 1 }]);
  });

  it('go the way of the policy when they throw, and then there is no row', async () => {
    const build = (people: People): People =>
      people.pipe(
        tap(({ value }) => {
          if (value?.age === 19) throw new Error('nineteen');
        }),
      );
    const records = [20, 19, 18].map((age) => ['ann', { city: 'Bonn', age }] as const);
    await assert.rejects(resultOf(build, records), failure('PROCESS_FAILED', /nineteen/));
    const skipping = { onError: { process: 'skip' } } as const;
    const { out, ages } = await resultOf(build, records, skipping);
    assert.deepEqual(
      out.map(([, value]) => (value as Person | null)?.age ?? null),
      [20, null, 18],
    );
    assert.deepEqual(ages, { Bonn: { people: 1, years: 18 } });
    const driver = await open(counted(build), skipping);
    await feed(driver, 'in', records);
    assert.deepEqual(driver.metrics.nodes['to out'], { skipped: 1 });
  });

  const refused: Record<string, (people: People) => Observable<any>> = {
    'a distinctUntilChanged that takes one row for another': (people) =>
      people.pipe(distinctUntilChanged((a, b) => a.value?.age === b.value?.age)),
    'a scan': (people) =>
      people.pipe(
        scan((sum: Change<string, Person>, change) => ({
          ...change,
          value: change.value && { ...change.value, age: (sum.value?.age ?? 0) + change.value.age },
        })),
      ),
    'a skip': (people) => people.pipe(skip(1)),
    'a filter that counts': (people) => people.pipe(filter((_, i) => i % 2 === 0)),
    'a mergeMap that makes two of one': (people) => people.pipe(mergeMap((change) => of(change, change))),
    'a map to another key': (people) => people.pipe(map((change) => ({ ...change, key: 'all' }))),
    'a map that looks at what the row was': (people) =>
      people.pipe(
        map(({ previous, ...change }) => ({
          ...change,
          previous,
          value: change.value && { ...change.value, age: change.value.age - (previous?.age ?? 0) },
        })),
      ),
    'a takeWhile that ends': (people) => people.pipe(takeWhile(({ value }) => value?.age !== 30)),
  };
  for (const [name, build] of Object.entries(refused)) {
    // It ends before it commits anything of the record.
    it(`end the application if no function of a row: ${name}`, async () => {
      const driver = await open(counted(build as (people: People) => People));
      const records = [
        ['ann', { city: 'Bonn', age: 20 }],
        ['bob', { city: 'Bonn', age: 20 }],
        ['ann', { city: 'Bonn', age: 30 }],
        ['bob', { city: 'Kiel', age: 30 }],
      ] as const;
      await assert.rejects(feed(driver, 'in', records), failure('TOPOLOGY_INVALID'));
    });
  }

  it('are refused where they merge tables, which may have rows of one key', () => {
    const [problem] = validate(
      topology('test', (t) => {
        const people = t.table('in', { ...json<Person>(), store: 'people' });
        merge(people, t.table('other', { ...json<Person>(), store: 'other' })).pipe(to('out', json<any>()));
      }),
    );
    assert.deepEqual(problem?.what, 'a table is merged with something else, and both may have rows of one key');
    assert.match(problem?.advice ?? '', /toStream\(\) .* toTable/);
  });

  it('are refused where a join would look rows up', () => {
    const [problem] = validate(
      topology('test', (t) => {
        const people = t.table('in', { ...json<Person>(), store: 'people' });
        people.pipe(joinTable(people.pipe(filter(() => true)), (a) => a));
      }),
    );
    assert.match(problem?.what ?? '', /the table on the right has no store/);
  });

  it('work on the changes as they are behind toStream, or before it', async () => {
    const target = topology('test', (t) => {
      const people = t.table('in', { ...json<Person>(), store: 'people' });
      people.pipe(
        filter(({ previous }) => previous === null),
        toStream(),
        to('new', json<any>()),
      );
      people.pipe(
        toStream(),
        filter((_, i) => i % 2 === 1),
        to('out', json<any>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['ann', { city: 'Bonn', age: 20 }],
      ['ann', { city: 'Bonn', age: 21 }],
    ]);
    assert.deepEqual(
      [await read(driver, 'new'), await read(driver)].map((all) => all.map(([, value]) => (value as Person).age)),
      [[20], [21]],
    );
  });
});
