import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { ReadableStream } from 'node:stream/web';
import {
  asapScheduler,
  auditTime,
  bindCallback,
  catchError,
  concat,
  concatMap,
  concatWith,
  debounceTime,
  defer,
  delay,
  EMPTY,
  exhaustMap,
  first,
  from,
  fromEvent,
  groupBy as groupByRx,
  identity,
  lastValueFrom,
  type MonoTypeOperatorFunction,
  map,
  merge,
  mergeMap,
  NEVER,
  Observable,
  observeOn,
  of,
  queueScheduler,
  race,
  Subject,
  share,
  startWith,
  switchMap,
  take,
  takeUntil,
  takeWhile,
  tap,
  toArray,
  windowCount,
} from 'rxjs';
import {
  count,
  groupBy,
  type StreamRecord,
  serdes,
  type Topology,
  type TopologyBuilder,
  to,
  topology,
  validate,
} from '#src/index.js';
import { TestDriver } from '#src/testing/index.js';
import { failure, feed, json, open } from '../dsl/support.js';

const text = json<string>();

describe('an operator outside a topology function', () => {
  it('is refused with advice', () => {
    let leaked: ReturnType<TopologyBuilder['stream']> | undefined;
    void topology('test', (t) => {
      leaked = t.stream('in', text);
    }).graph;
    const outside = failure('TOPOLOGY_INVALID', /was used outside a topology function/);
    assert.throws(() => leaked?.pipe(count({ store: 's' })), outside);
    assert.throws(() => leaked?.pipe(to('out', text as never)), outside);
    assert.throws(() => leaked?.pipe(groupBy((r) => r.key as string, { key: serdes.string, name: 'x' })), outside);
  });
});

describe('a blueprint that is not deterministic', () => {
  it('is refused when it is run for a task', async () => {
    let runs = 0;
    const target = topology('test', (t) => {
      runs++;
      t.stream('in', text).pipe(count({ store: `counts-${runs}` }));
    });
    assert.deepEqual(validate(target), []);
    await assert.rejects(open(target), failure('TOPOLOGY_NOT_DETERMINISTIC', /counts-2.*counts-1/));
  });
});

describe('what can only be seen while records flow', () => {
  const running = async (target: Topology): Promise<unknown> => {
    const driver = await open(target, { onError: { process: 'skip' } });
    await feed(driver, 'in', [['a', 'x', 1]]);
    // A timer of the machine that is due must fire, and its record be noticed with the next one.
    await new Promise((resolve) => setTimeout(resolve, 5));
    return feed(driver, 'in', [['a', 'y', 2]]);
  };

  it('KEY_CHANGED: a plain operator changed the key before a keyed one, whatever the policy', async () => {
    const target = topology('test', (t) => {
      t.stream('in', text).pipe(
        map((record) => ({ ...record, key: record.value })),
        count({ store: 's' }),
        to('out', json<number>()),
      );
    });
    await assert.rejects(running(target), failure('KEY_CHANGED', /selectKey\(\) or groupBy\(\)/));
  });

  it('a plain operator may change the key before a sink', async () => {
    const target = topology('test', (t) => {
      t.stream('in', text).pipe(
        map((record) => ({ ...record, key: record.value })),
        to('out', text),
      );
    });
    assert.equal(await running(target), undefined);
  });

  it('LATE_EMISSION: delay says what to use instead, whatever the policy', async () => {
    const target = topology('test', (t) => {
      t.stream('in', text).pipe(delay(0), to('out', text));
    });
    await assert.rejects(running(target), failure('LATE_EMISSION', /process\(\) with an async function or a timer/));
  });

  type Operator = MonoTypeOperatorFunction<StreamRecord<string, string>>;
  const never = new Promise<never>(() => undefined);
  const thenable = { then: () => thenable };
  const later: readonly (readonly [string, Operator])[] = [
    ['delay', delay(3_600_000)],
    ['debounceTime', debounceTime(3_600_000)],
    ['auditTime', auditTime(3_600_000)],
    ['a promise in mergeMap', mergeMap(async (record) => record)],
    ['a promise in concatMap that takes longer than any commit', concatMap(() => never)],
    ['a promise in switchMap, by from', switchMap((record) => from(Promise.resolve(record)))],
    ['a promise in exhaustMap, by defer', exhaustMap((record) => defer(async () => record))],
    [
      'an asynchronous generator',
      mergeMap(async function* (record) {
        yield record;
      }),
    ],
    [
      'an Observable around a timer of the machine',
      mergeMap(
        (record) => new Observable<typeof record>((subscriber) => void setTimeout(() => subscriber.next(record))),
      ),
    ],
    [
      'an Observable that begins at once and goes on later',
      mergeMap((record) =>
        defer(() =>
          new Observable<typeof record>((subscriber) => {
            subscriber.next(record);
            setTimeout(() => subscriber.complete());
          }).pipe(mergeMap((value) => of(value))),
        ),
      ),
    ],
    [
      'a callback that is called later',
      concatMap((record) => bindCallback((done: (value: typeof record) => void) => void setImmediate(done, record))()),
    ],
    ['an event', switchMap(() => fromEvent(new EventEmitter(), 'event') as Observable<StreamRecord<string, string>>)],
    ['a thenable that is no promise', mergeMap(() => thenable as unknown as Promise<never>)],
    ['a stream of the web', mergeMap(() => new ReadableStream() as unknown as Promise<never>)],
    [
      'a promise whose error somebody catches',
      (source) =>
        source.pipe(
          mergeMap(() => never),
          catchError(() => EMPTY),
        ),
    ],
  ];
  for (const [name, operator] of later) {
    // It fails on the first record, and nothing of that is committed.
    it(`LATE_EMISSION before the first commit: ${name}`, async () => {
      const withOperator = topology('test', (t) => {
        t.stream('in', text).pipe(operator, to('out', text));
      });
      const without = topology('test', (t) => {
        t.stream('in', text).pipe(to('out', text));
      });
      const driver = await TestDriver.create(withOperator, { onError: { process: 'skip' } });
      await assert.rejects(feed(driver, 'in', [['a', 'x']]), failure('LATE_EMISSION', /an operator deferred work/));
      await driver.restart(without);
      assert.deepEqual(await driver.output('out', text).values(), ['x']);
      await driver.close();
    });
  }

  it('lets RxJS put work off, and wait for promises, at all other times', async () => {
    const worked = await new Promise((resolve) => asapScheduler.schedule(() => resolve(true)));
    assert.equal(worked, true);
    assert.equal(await lastValueFrom(from(Promise.resolve(7))), 7);
    assert.deepEqual(
      await lastValueFrom(
        from([1, 2]).pipe(
          concatMap(async (value) => value),
          toArray(),
        ),
      ),
      [1, 2],
    );
  });

  it('lets code subscribe to Observables that complete with the record, or emit only what is pushed', async () => {
    type Text = StreamRecord<string, string>;
    const synchronous: Operator[] = [
      mergeMap((record) => defer(() => [record])),
      concatMap((record) => of(record).pipe(observeOn(queueScheduler), concatWith(EMPTY))),
      switchMap((record) => concat(of(record), NEVER)),
      (source) =>
        source.pipe(
          groupByRx((record) => record.key),
          mergeMap((group) => group.pipe(take(2))),
        ),
      (source) => source.pipe(windowCount(1), mergeMap(identity)),
      switchMap((record) => race(NEVER, of(record))),
      // Its teardown ends it within the push.
      mergeMap((record) => new Observable<Text>((subscriber) => subscriber.next(record)).pipe(take(1))),
    ];
    const seen: string[] = [];
    const target = topology('test', (t) => {
      t.stream('in', text).pipe(
        (source) =>
          synchronous.reduce((before, operator) => before.pipe(operator), source as Observable<Text>) as typeof source,
        tap((record) => {
          // By hand, beside the stream: nothing of it comes back.
          new Observable<string>(() => undefined).pipe(startWith(record.value)).subscribe((value) => seen.push(value));
        }),
        to('out', text),
      );
    });
    const driver = await TestDriver.create(target);
    await feed(driver, 'in', [
      ['a', 'x'],
      ['a', 'y'],
    ]);
    assert.deepEqual(await driver.output('out', text).values(), ['x', 'y']);
    assert.deepEqual(seen, ['x', 'y']);
    await driver.close();
  });

  it('LATE_EMISSION: a subject that somebody else feeds emitted outside the record it was given', async () => {
    const fed = new Subject<StreamRecord<string, string>>();
    const target = topology('test', (t) => {
      t.stream('in', text).pipe(
        tap((record) => setTimeout(() => fed.next(record), 0)),
        switchMap(() => fed),
        to('out', text),
      );
    });
    await assert.rejects(running(target), failure('LATE_EMISSION', /emitted a record asynchronously/));
    const driver = await TestDriver.create(target);
    await assert.rejects(
      async () => {
        await feed(driver, 'in', [['a', 'x']]);
        await new Promise((resolve) => setTimeout(resolve, 5));
        await driver.close(); // that of the last record is noticed at the latest when the engine stops
      },
      failure('LATE_EMISSION', /emitted a record asynchronously/),
    );
  });

  const ending: readonly (readonly [string, Operator])[] = [
    ['take', take(1)],
    ['takeWhile', takeWhile((record) => record.value !== 'x', true)],
    ['first', first()],
    ['takeUntil', (source) => source.pipe(takeUntil(source))],
  ];
  for (const [name, operator] of ending) {
    it(`TOPOLOGY_INVALID: ${name} ends the stream, and no record is dropped without a trace`, async () => {
      const withOperator = topology('test', (t) => {
        t.stream('in', text).pipe(operator, to('out', text));
      });
      const without = topology('test', (t) => {
        t.stream('in', text).pipe(to('out', text));
      });
      const driver = await TestDriver.create(withOperator, { onError: { process: 'skip' } });
      const given: [string, string][] = [
        ['a', 'x'],
        ['a', 'y'],
      ];
      await assert.rejects(feed(driver, 'in', given), failure('TOPOLOGY_INVALID', /an operator ended the stream/));
      await driver.restart(without);
      assert.deepEqual(await driver.output('out', text).values(), ['x', 'y']);
      await driver.close();
    });
  }

  it('TOPOLOGY_INVALID: a record came by a way that share() had hidden', async () => {
    const target = topology('test', (t) => {
      const shared = t.stream('in', text).pipe(share());
      shared.pipe(to('a', text));
      merge(shared, t.stream('other', text)).pipe(to('b', text));
    });
    await assert.rejects(
      running(target),
      failure('TOPOLOGY_INVALID', /a path that did not exist when the topology was drawn/),
    );
  });
});
