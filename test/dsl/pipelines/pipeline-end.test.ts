import assert from 'node:assert/strict';
import { filter, interval, merge, Observable, pipe, tap } from 'rxjs';
import {
  count,
  joinTable,
  leftJoinTable,
  mapValues,
  peek,
  serdes,
  to,
  topology,
  toTable,
  validate,
} from '#src/index.js';
import { feed, json, open, rows, values } from '../support.js';

describe('a pipeline that ends in nothing', () => {
  it('runs, for what it does on the way', async () => {
    const seen: unknown[] = [];
    const target = topology('test', (t) => {
      const stream = t.stream('in', json<number>());
      const table = t.table('rows', { ...json<number>(), store: 'rows' });
      stream.pipe(peek(({ value }) => void seen.push(['peek', value])));
      stream.pipe(tap(({ value }) => void seen.push(['tap', value])));
      stream.pipe(
        peek(({ value }) => void seen.push(['first', value])),
        mapValues((n) => n * 2),
      );
      merge(stream, t.stream('other', json<number>())).pipe(tap(({ value }) => void seen.push(['merged', value])));
      table.pipe(peek(({ value }) => void seen.push(['row', value])));
    });
    const driver = await open(target);
    await feed(driver, 'in', [['a', 1]]);
    await feed(driver, 'other', [['a', 2]]);
    await feed(driver, 'rows', [['a', 3]]);
    assert.deepEqual(seen, [
      ['peek', 1],
      ['tap', 1],
      ['first', 1],
      ['merged', 1],
      ['merged', 2],
      ['row', 3],
    ]);
    assert.deepEqual(
      target.graph.nodes.flatMap(({ id }) => (id.startsWith('end ') ? [id] : [])),
      ['end in', 'end in.2', 'end in.3', 'end in.4', 'end rows'],
    );
  });

  it('goes the way of the policy when it throws', async () => {
    const driver = await open(
      topology('test', (t) => {
        t.stream('in', json<number>()).pipe(
          peek(({ value }) => {
            if (value === 1) throw new Error('one');
          }),
        );
      }),
      { onError: { process: 'skip' } },
    );
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 2],
    ]);
    assert.deepEqual(driver.metrics.nodes['end in'], { skipped: 1 });
  });

  it('may be one operator that is applied as a function, or several by pipe() of RxJS', async () => {
    const seen: unknown[] = [];
    const look = (name: string) => peek<any>(({ value }) => void seen.push([name, value]));
    const target = topology('test', (t) => {
      const stream = t.stream('in', json<number>());
      look('applied')(stream);
      pipe(
        look('piped'),
        filter<any>(() => true),
        look('and piped on'),
      )(stream);
      // Each runs once, whatever says how one follows from the other.
      look('followed')(stream).pipe(to('out', json<any>()));
      merge(look('merged')(stream), stream.pipe(look('merged, too'))).pipe(tap(() => undefined));
      stream.pipe(
        look('behind nothing plain'),
        filter(() => false),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [['a', 1]]);
    const names = ['applied', 'piped', 'and piped on', 'followed', 'merged', 'merged, too', 'behind nothing plain'];
    assert.deepEqual(new Map(seen as [string, number][]), new Map(names.map((name) => [name, 1])));
    assert.equal(seen.length, names.length);
  });

  it('may be a table that streams only look into: it runs for each change', async () => {
    const seen: unknown[] = [];
    const target = topology('test', (t) => {
      const table = t.table('rows', { ...json<number>(), store: 'rows' });
      const looked = table.pipe(
        peek(({ value }) => void seen.push(value)),
        mapValues((n) => n * 2),
      );
      const stream = t.stream('in', json<number>());
      stream.pipe(
        joinTable(looked, (n, m) => n * m),
        to('out', json<any>()),
      );
      const followed = table.pipe(peek(({ value }) => void seen.push(['followed', value])));
      followed.pipe(to('rows-again', json<any>()));
      stream.pipe(leftJoinTable(followed, (n) => n)).pipe(to('also', json<any>()));
    });
    const driver = await open(target);
    await feed(driver, 'rows', [['a', 3]]);
    await feed(driver, 'in', [['a', 5]]);
    assert.deepEqual(seen.sort(), [3, ['followed', 3]]);
    assert.deepEqual(await values(driver), [30]);
    assert.deepEqual(
      target.graph.nodes.flatMap(({ id }) => (id.startsWith('end ') ? [id] : [])),
      ['end rows'],
    );
  });

  it('is none where something follows, tables are joined, or it has nothing to do with streams', async () => {
    let subscribed = 0;
    const target = topology('test', (t) => {
      const stream = t.stream('in', json<number>());
      const table = t.table('rows', { ...json<number>(), store: 'rows' });
      const doubled = table.pipe(mapValues((n) => n * 2));
      const counted = stream.pipe(peek(() => undefined)).pipe(count({ store: 'counts' }));
      counted.pipe(to('counts', json<any>()));
      stream.pipe(toTable({ store: 'in', value: serdes.json<number>() })).pipe(
        joinTable(doubled, (n, m) => n * m),
        to('out', json<any>()),
      );
      new Observable<number>(() => void subscribed++).pipe(tap(() => undefined));
      interval(1_000)
        .pipe(tap(() => undefined))
        .subscribe()
        .unsubscribe();
    });
    assert.deepEqual(validate(target), []);
    assert.deepEqual(
      target.graph.nodes.filter(({ id }) => id.startsWith('end ')),
      [],
    );
    const driver = await open(target);
    await feed(driver, 'in', [['a', 1]]);
    assert.deepEqual(await rows(driver, 'counts'), { a: 1 });
  });
});
