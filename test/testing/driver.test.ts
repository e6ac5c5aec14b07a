import assert from 'node:assert/strict';
import { map } from 'rxjs';
import { count } from '#src/dsl/operators/aggregate.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { process } from '#src/dsl/operators/process.js';
import { flatMapValues, mapValues } from '#src/dsl/operators/stateless.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { Headers } from '#src/index.js';
import { type ErrorCode, isStreamsError } from '#src/model/errors.js';
import type { StreamRecord } from '#src/model/record.js';
import type { CommitStep } from '#src/runtime/config/config.js';
import { serdes } from '#src/serdes/serdes.js';
import { TestDriver, type TestDriverOptions } from '#src/testing/index.js';

const text = { key: serdes.string, value: serdes.string };
const number = { key: serdes.string, value: serdes.int64 };

const wordCount = topology('word-count', (t) => {
  t.stream('lines', text).pipe(
    flatMapValues((line) => line.split(' ')),
    groupBy((record) => record.value, { ...text, name: 'by-word' }),
    count({ store: 'counts' }),
    to('counts', number),
  );
});

const perKey = topology('per-key', (t) => {
  t.stream('lines', text).pipe(count({ store: 'totals' }), to('out', number));
});

const isError =
  (code: ErrorCode, message = /./) =>
  (error: unknown) =>
    isStreamsError(error) && error.code === code && message.test(error.message);

describe('the test driver', () => {
  let driver: TestDriver;
  const open = async (target = perKey, options: TestDriverOptions = {}): Promise<void> => {
    driver = await TestDriver.create(target, options);
  };

  afterEach(() => driver?.close());

  it('does what its example says', async () => {
    await open(wordCount);
    await driver.input('lines', text).send({ key: 'a', value: 'to be or not to be' });
    const counts = driver.output('counts', number);
    assert.deepEqual((await counts.values()).toSorted(), [1, 1, 1, 1, 2, 2]);
    assert.equal(await driver.store<string, number>('counts').get('be'), 2);
  });

  it('create: TOPOLOGY_INVALID lists what is wrong with the topology', async () => {
    const invalid = topology('invalid', (t) => void t.stream('in put', text).pipe(to('', text)));
    await assert.rejects(TestDriver.create(invalid), isError('TOPOLOGY_INVALID', /2 problems/));
  });

  it('create: makes topics with as many partitions as asked for, of all or by topic', async () => {
    await open(perKey, { partitions: 3 });
    await driver.input('lines', text).sendAll([0, 1, 2].map((partition) => ({ key: 'a', value: 'x', partition })));
    assert.equal((await driver.store('totals').entries()).length, 3);
    await driver.close();
    await open(perKey, { partitions: { lines: 2 } });
    await driver.input('lines', text).sendAll([0, 1].map((partition) => ({ key: 'a', value: 'x', partition })));
    assert.deepEqual(
      (await driver.output('out', number).read()).map(({ partition }) => partition),
      [0, 0],
    );
  });

  it('input: a record has the time of the clock, no headers and the partition of its key by default', async () => {
    const through = topology('through', (t) => void t.stream('in', text).pipe(to('out', text)));
    await open(through, { startMs: 1_000, partitions: 4 });
    const input = driver.input('in', text);
    await input.send({ key: 'a', value: 'plain' });
    await input.send({ key: 'a', value: 'full', timestamp: 7, headers: { one: '1', none: null }, partition: 3 });
    await input.send({ key: null, value: null });
    const found = await driver.output('out', text).read();
    const plain = found.find(({ value }) => value === 'plain');
    assert.deepEqual(plain, {
      key: 'a',
      value: 'plain',
      timestamp: 1_000,
      headers: Headers.none,
      partition: plain?.partition,
    });
    const full = found.find(({ value }) => value === 'full');
    assert.deepEqual(full, {
      key: 'a',
      value: 'full',
      timestamp: 7,
      headers: Headers.of({ one: '1', none: null }),
      partition: plain?.partition,
    });
    assert.deepEqual(
      found.find(({ key }) => key === null),
      { key: null, value: null, timestamp: 1_000, headers: Headers.none, partition: 0 },
    );
  });

  it('input: TOPIC_UNKNOWN for a topic that the topology neither reads nor writes; output the same', async () => {
    await open();
    await assert.rejects(driver.input('other', text).send({ key: 'a', value: 'x' }), isError('TOPIC_UNKNOWN', /other/));
    await assert.rejects(driver.output('other', text).read(), isError('TOPIC_UNKNOWN', /other/));
  });

  it('sendAll: delivers with the faults asked for, the same for the same seed', async () => {
    const through = topology('through', (t) => void t.stream('in', text).pipe(to('out', text)));
    const records = Array.from({ length: 200 }, (_, i) => ({ key: 'a', value: `${i}` }));
    const deliver = async (faults: object): Promise<readonly (string | null)[]> => {
      await open(through);
      await driver.input('in', text).sendAll(records, faults);
      const values = await driver.output('out', text).values();
      await driver.close();
      return values;
    };
    const sent = records.map(({ value }) => value);
    assert.deepEqual(await deliver({}), sent);
    const faulty = await deliver({ duplicate: 0.2, shuffle: 5, seed: 3 });
    assert.ok(faulty.length > 210 && faulty.length < 300);
    assert.deepEqual(new Set(faulty), new Set(sent));
    const firsts = [...new Set(faulty)];
    assert.notDeepEqual(firsts, sent);
    firsts.forEach((value, place) => assert.ok(Math.abs(place - Number(value)) <= 5));
    assert.deepEqual(await deliver({ duplicate: 0.2, shuffle: 5, seed: 3 }), faulty);
    assert.notDeepEqual(await deliver({ duplicate: 0.2, shuffle: 5, seed: 4 }), faulty);
  });

  it('output: gives what was written since the last call, by partition and offset', async () => {
    await open(perKey, { partitions: 2 });
    const input = driver.input('lines', text);
    const output = driver.output('out', number);
    await input.sendAll(['a', 'b', 'c', 'd', 'a', 'b'].map((key) => ({ key, value: 'x' })));
    const first = await output.read();
    assert.equal(first.length, 6);
    assert.deepEqual(
      first.map(({ partition }) => partition),
      first.map(({ partition }) => partition).toSorted(),
    );
    assert.deepEqual(await output.read(), []);
    await input.send({ key: 'a', value: 'x' });
    assert.deepEqual(await output.values(), [3]);
  });

  it('store: looks over all partitions, at what was committed last; STORE_UNKNOWN for an unknown name', async () => {
    await open(perKey, { partitions: 3 });
    await driver.input('lines', text).sendAll(['a', 'b', 'c', 'a'].map((key) => ({ key, value: 'x' })));
    const totals = driver.store<string, number>('totals');
    assert.equal(await totals.get('a'), 2);
    assert.equal(await totals.get('nobody'), null);
    assert.deepEqual((await totals.entries()).toSorted(), [
      ['a', 2],
      ['b', 1],
      ['c', 1],
    ]);
    await assert.rejects(async () => driver.store('total').get('a'), isError('STORE_UNKNOWN', /total/));
  });

  it('deadLetters: gives those so far, as text', async () => {
    const failing = topology('failing', (t) => {
      t.stream('in', text).pipe(
        map((record) => {
          if (record.value === 'bad') throw new Error('no good');
          return record;
        }),
        to('out', text),
      );
    });
    await open(failing, { onError: { process: 'deadLetter' } });
    await driver.input('in', text).sendAll([
      { key: 'a', value: 'bad' },
      { key: 'b', value: 'good' },
    ]);
    const [letter, ...more] = await driver.deadLetters().read();
    assert.deepEqual(
      [letter?.key, letter?.value, letter?.headers.text('millrace.operator'), more.length],
      ['a', 'bad', 'to out', 0],
    );
    assert.deepEqual(await driver.output('out', text).values(), ['good']);
  });

  it('advance: moves the wall clock on and runs the timers that are due; time does not pass by itself', async () => {
    const ticking = topology('ticking', (t) => {
      t.stream('in', text).pipe(
        process<StreamRecord<string, string>>({
          name: 'tick',
          start: ({ schedule, forward }) =>
            void schedule('10s', 'wall', (now) => forward({ key: 'tick', value: `${now}` })),
          process: () => undefined,
        }),
        to('out', text),
      );
    });
    await open(ticking);
    const output = driver.output('out', text);
    await driver.input('in', text).send({ key: 'a', value: 'x', timestamp: 99_000 });
    await driver.advance('9s');
    assert.deepEqual(await output.values(), []);
    await driver.advance('1s');
    assert.deepEqual(await output.values(), ['10000']);
    await driver.advance('60s');
    assert.deepEqual(await output.values(), ['70000']);
  });

  it('crash(): at once; what was committed stays, and what is fed in meanwhile waits for restart', async () => {
    await open();
    const input = driver.input('lines', text);
    const output = driver.output('out', number);
    await input.send({ key: 'a', value: 'x' });
    assert.equal(driver.crashed, false);
    await driver.crash();
    assert.equal(driver.crashed, true);
    await input.send({ key: 'a', value: 'x' });
    assert.deepEqual(await output.values(), [1]);
    await driver.restart();
    assert.equal(driver.crashed, false);
    assert.deepEqual(await output.values(), [2]);
  });

  for (const step of ['1 settle', '2 log', '3 offsets', '4 apply'] satisfies CommitStep[]) {
    it(`crash('${step}'): at the next commit, right after that step`, async () => {
      await open();
      await driver.crash(step);
      assert.equal(driver.crashed, false);
      await driver.input('lines', text).send({ key: 'a', value: 'x' });
      assert.equal(driver.crashed, true);
      const output = driver.output('out', number);
      assert.deepEqual(await output.values(), step === '1 settle' || step === '2 log' ? [] : [1]);
      await driver.restart();
      assert.deepEqual(await output.values(), step === '1 settle' || step === '2 log' ? [1] : []);
      assert.equal(await driver.store('totals').get('a'), 1);
      await driver.input('lines', text).send({ key: 'a', value: 'x' });
      assert.equal(driver.crashed, false);
    });
  }

  it('STOPPED: stores and metrics of an engine that crashed are not there to look at', async () => {
    await open();
    await driver.crash();
    assert.throws(() => driver.metrics, isError('STOPPED', /restart/));
    await assert.rejects(async () => driver.store('totals').get('a'), isError('STOPPED'));
  });

  it('restart: goes on with another topology on the same topics and stores', async () => {
    await open();
    await driver.input('lines', text).send({ key: 'a', value: 'x' });
    const changed = topology('per-key', (t) => {
      t.stream('lines', text).pipe(count({ store: 'totals' }), to('out', number), to('copy', number));
    });
    await driver.restart(changed);
    await driver.input('lines', text).send({ key: 'a', value: 'x' });
    assert.deepEqual(await driver.output('copy', number).values(), [2]);
    assert.deepEqual(await driver.output('out', number).values(), [1, 2]);
  });

  it('an error of the topology is thrown by what fed it in, and the engine is down', async () => {
    await open(
      topology(
        'failing',
        (t) =>
          void t.stream('in', text).pipe(
            map((record) => {
              if (record.key) throw new Error('no good');
              return record;
            }),
            to('out', text),
          ),
      ),
    );
    await assert.rejects(driver.input('in', text).send({ key: 'a', value: 'x' }), isError('PROCESS_FAILED', /no good/));
    assert.equal(driver.crashed, true);
  });

  it('an engine that has ended takes nothing more: what is fed in is rejected with the error that ended it', async () => {
    const failing = topology('failing', (t) => {
      t.stream('in', text).pipe(
        mapValues((value: string) => {
          if (value === 'bad') throw new Error('no such order');
          return value;
        }),
        to('out', text),
      );
    });
    const driver = await TestDriver.create(failing);
    const input = driver.input('in', text);
    const isWhy = /no such order/;
    await assert.rejects(input.send({ key: 'a', value: 'bad' }), isWhy);
    await assert.rejects(input.send({ key: 'a', value: 'good' }), isWhy);
    await assert.rejects(driver.advance('1s'), isWhy);
    await assert.rejects(driver.restart(), isWhy, 'it is read again');
    await assert.rejects(input.send({ key: 'a', value: 'good' }), isWhy);
    await driver.close();
  });

  it('counts what production counts', async () => {
    await open(wordCount, { partitions: 2 });
    await driver.input('lines', text).sendAll([{ key: 'a', value: 'a b a' }]);
    const { recordsIn, recordsOut, changelogRecords, restoredRecords, nodes } = driver.metrics;
    assert.deepEqual(
      { recordsIn, recordsOut, changelogRecords, restoredRecords, nodes },
      { recordsIn: 4, recordsOut: 6, changelogRecords: 2, restoredRecords: 0, nodes: {} },
    );
  });
});
