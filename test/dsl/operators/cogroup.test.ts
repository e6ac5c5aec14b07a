import assert from 'node:assert/strict';
import {
  cogroup,
  type Stream,
  type StreamRecord,
  selectKey,
  serdes,
  session,
  sliding,
  type TopologyBuilder,
  to,
  topology,
  toStream,
  tumbling,
  validate,
  type Windowing,
} from '#src/index.js';
import { failure, feed, json, open, read, rows } from '../support.js';

interface Money {
  readonly amount: number;
  readonly account?: string;
}
const money = (amount: number, account?: string): Money => ({ amount, ...(account && { account }) });
const numbers = json<number>();

const balances = topology('test', (t) => {
  cogroup({ store: 'balances', value: serdes.json<number>(), initial: () => 0 }, (add) => [
    add(t.stream('deposits', json<Money>()), (balance, { value }) => balance + value.amount),
    add(t.stream('withdrawals', numbers), (balance, { value }) => (balance === value ? null : balance - value)),
  ]).pipe(toStream(), to('out', numbers));
});

/** Texts of two streams, added with + and -, in windows. */
const windowed = (windowing: Windowing, merge?: (a: string, b: string) => string) =>
  topology('test', (t) => {
    const texts = { store: 'texts', value: serdes.string, initial: () => '', ...windowing, ...(merge && { merge }) };
    cogroup(texts, (add) => [
      add(t.stream('one', numbers), (text, { value }) => `${text}+${value}`),
      add(t.stream('two', numbers), (text, { value }) => `${text}-${value}`),
    ]).pipe(
      toStream(),
      selectKey(({ key }) => `${key.key}@${key.start}-${key.end}`),
      to('out', json<any>()),
    );
  });

describe('cogroup', () => {
  it('folds several streams into one table, each with a function of its own', async () => {
    const driver = await open(balances);
    await feed(driver, 'deposits', [
      ['a', money(5), 1],
      ['b', money(7), 2],
    ]);
    await feed(driver, 'withdrawals', [
      ['a', 2, 0],
      ['b', 7, 9],
      ['b', 1, 3],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', 5, 1],
      ['b', 7, 2],
      ['a', 3, 1],
      ['b', null, 9],
      ['b', -1, 3],
    ]);
    assert.deepEqual(await rows(driver, 'balances'), { a: 3, b: -1 });
  });

  it('drops and counts null keys and null values of each stream', async () => {
    const driver = await open(balances);
    await feed(driver, 'deposits', [
      [null, money(5)],
      ['a', null],
    ]);
    await feed(driver, 'withdrawals', [
      [null, 5],
      ['a', null],
      ['a', 1],
    ]);
    assert.deepEqual(await read(driver), [['a', -1, 0]]);
    assert.deepEqual(driver.metrics.nodes['cogroup balances'], { 'null-key': 2, 'null-value': 2 });
  });

  it('takes the streams in the order of their timestamps when it lags behind', async () => {
    const driver = await open(balances);
    await driver.crash();
    await feed(driver, 'withdrawals', [
      ['a', 1, 20],
      ['a', 2, 40],
    ]);
    await feed(driver, 'deposits', [
      ['a', money(10), 10],
      ['a', money(20), 30],
    ]);
    await driver.restart();
    assert.deepEqual(
      (await read(driver)).map(([, value]) => value),
      [10, 9, 29, 27],
    );
  });

  it('folds into windows of one stream time, and takes null values in there', async () => {
    const driver = await open(windowed({ window: tumbling('100ms') }));
    await feed(driver, 'one', [['a', 1, 10]]);
    await feed(driver, 'two', [
      ['a', null, 20],
      [null, 3, 500],
    ]);
    await feed(driver, 'one', [['a', 4, 30]]);
    await feed(driver, 'two', [['b', 5, 100]]);
    await feed(driver, 'one', [['a', 6, 40]]);
    assert.deepEqual(await read(driver), [
      ['a@0-100', '+1', 10],
      ['a@0-100', '+1-null', 20],
      ['a@0-100', '+1-null+4', 30],
      ['b@100-200', '-5', 100],
    ]);
    assert.deepEqual(driver.metrics.nodes['cogroup texts'], { 'null-key': 1, late: 1 });
  });

  it('folds into sessions and sliding windows', async () => {
    const sessions = await open(windowed({ window: session('10ms') }, (a, b) => `${a}|${b}`));
    await feed(sessions, 'one', [['a', 1, 10]]);
    await feed(sessions, 'two', [['a', 2, 15]]);
    assert.deepEqual(await read(sessions), [
      ['a@10-10', '+1', 10],
      ['a@10-10', null, 10],
      ['a@10-15', '|+1-2', 15],
    ]);
    const slid = await open(windowed({ window: sliding('10ms') }));
    await feed(slid, 'one', [['a', 1, 20]]);
    await feed(slid, 'two', [['a', 2, 25]]);
    assert.deepEqual(await read(slid), [
      ['a@10-20', '+1', 20],
      ['a@21-31', '-2', 25],
      ['a@15-25', '+1-2', 25],
    ]);
  });

  it('gives each window once if it emits on close, whichever stream closes it', async () => {
    const driver = await open(windowed({ window: tumbling('100ms'), emit: 'onClose' }));
    await feed(driver, 'one', [['a', 1, 10]]);
    await feed(driver, 'two', [
      ['a', 2, 20],
      ['b', 3, 100],
    ]);
    assert.deepEqual(await read(driver), [['a@0-100', '+1-2', 20]]);
  });

  it('repartitions each stream whose key was changed, and not the others', async () => {
    const target = topology('test', (t) => {
      const key = (name: string) => ({ key: serdes.string, value: serdes.json<Money>(), name });
      const by = (record: StreamRecord<string, Money>) => record.value.account ?? '';
      cogroup({ store: 'balances', value: serdes.json<number>(), initial: () => 0 }, (add) => [
        add(
          t.stream('deposits', json<Money>()).pipe(selectKey(by, key('deposits-by-account'))),
          (sum, { value }) => sum + value.amount,
        ),
        add(
          t.stream('fees', json<Money>()).pipe(selectKey(by, key('fees-by-account'))),
          (sum, { value }) => sum - value.amount,
        ),
        add(t.stream('gifts', numbers), (sum, { value }) => sum + value),
      ]).pipe(toStream(), to('out', numbers));
    });
    const driver = await open(target, { partitions: 3 });
    await feed(driver, 'deposits', [
      ['p1', money(5, 'a')],
      ['p2', money(6, 'b')],
    ]);
    await feed(driver, 'fees', [['f1', money(1, 'a')]]);
    await feed(driver, 'gifts', [['a', 100]]);
    assert.deepEqual(await rows(driver, 'balances'), { a: 104, b: 6 });
  });

  it('TOPIC_MISMATCH: needs streams with equal partition counts', async () => {
    await assert.rejects(
      open(balances, { partitions: { deposits: 3, withdrawals: 2, out: 1 } }),
      failure('TOPIC_MISMATCH', /deposits.*withdrawals|withdrawals.*deposits/),
    );
  });

  it('goes on where it was after a restart', async () => {
    const driver = await open(balances);
    await feed(driver, 'deposits', [['a', money(5)]]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'withdrawals', [['a', 2]]);
    assert.deepEqual((await read(driver)).at(-1), ['a', 3, 0]);
  });

  it('PROCESS_FAILED: a function that throws leaves the row as it was', async () => {
    const target = topology('test', (t) => {
      cogroup({ store: 'sum', value: serdes.json<number>(), initial: () => 0 }, (add) => [
        add(t.stream('one', numbers), (sum, { value }) => sum + value),
        add(t.stream('two', numbers), () => {
          throw new Error('two');
        }),
      ]).pipe(toStream(), to('out', numbers));
    });
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'one', [['a', 1]]);
    await feed(driver, 'two', [['a', 1]]);
    await feed(driver, 'one', [['a', 1]]);
    assert.deepEqual(await rows(driver, 'sum'), { a: 2 });
    const [letter] = await driver.deadLetters().read();
    assert.equal(letter?.headers.text('millrace.error.code'), 'PROCESS_FAILED');
  });

  it('says what is wrong with no streams, with a table, and with two changes of key of one name', () => {
    const problems = (build: (t: TopologyBuilder) => readonly Stream<string, number>[]) =>
      validate(
        topology('test', (t) => {
          cogroup({ store: 'sum', value: serdes.json<number>(), initial: () => 0 }, (add) =>
            build(t).map((stream) => add(stream, (sum, { value }) => sum + value)),
          ).pipe(toStream(), to('out', numbers));
        }),
      ).map(({ where, what }) => `${where}: ${what}`);
    assert.ok(problems(() => []).includes('cogroup sum: it has no streams'));
    assert.deepEqual(
      problems((t) => [t.table('rows', { ...numbers, store: 'rows' }) as unknown as Stream<string, number>]),
      ['cogroup sum: its input is a table, and it has no function to subtract a row'],
    );
    assert.deepEqual(
      problems((t) => ['one', 'two'].map((topic) => t.stream(topic, numbers).pipe(selectKey(({ key }) => key)))),
      ['repartition sum: two nodes have this name'],
    );
  });
});
