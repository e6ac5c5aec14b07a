import assert from 'node:assert/strict';
import { map } from 'rxjs';
import { count } from '#src/dsl/operators/aggregate.js';
import { process } from '#src/dsl/operators/process.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { StreamsError } from '#src/model/errors.js';
import type { FinalPolicy } from '#src/model/policy/policy.js';
import type { StreamRecord } from '#src/model/record.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import { Application, type ReadRecord, type TextRecord } from '../../support/application.js';
import { type Build, Fault, places, text } from '../../support/failing-places.js';

const input: readonly TextRecord[] = [
  { key: 'a', value: 'one', timestamp: 10 },
  { key: 'b', value: 'bad', timestamp: 20, headers: { trace: 'xyz' } },
  { key: 'c', value: 'two', timestamp: 30 },
];
const neighbours = ['one', 'two'];
const values = (records: readonly ReadRecord[]): (string | null)[] => records.map(({ value }) => value);

describe('a record that fails', () => {
  let app: Application;
  let fault: Fault;

  async function open(
    build: Build,
    onError: EngineOptions['onError'] = {},
    options: EngineOptions = {},
  ): Promise<void> {
    const target = topology('app', (t) => build(t, fault));
    fault = new Fault({ now: () => app.clock.now() });
    app = new Application({ topology: target, options: { onError, ...options } });
    await app.createTopics({ in: 1, out: 1 });
  }

  async function run(): Promise<unknown> {
    await app.write('in', input);
    return app.runThrough().then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  afterEach(() => app.close());

  for (const [what, step, code, node, build] of places) {
    describe(what, () => {
      it('fail (default): ends the engine, names the record, and shows nothing after the last commit', async () => {
        await open(build, {}, { batchRecords: 1, commitRecords: 1 });
        await app.write('in', [{ key: 'z', value: 'zero', timestamp: 1 }]);
        await app.runThrough();
        const error = await run();
        assert.ok(error instanceof StreamsError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, /in\[0\]@2/);
        assert.deepEqual(values(await app.read('out')), ['zero', 'one']);
        assert.deepEqual(await app.committed(), { 'in[0]': 2 });
      });

      it('fail: takes the whole uncommitted batch back, and goes on from there once mended', async () => {
        await open(build);
        assert.ok((await run()) instanceof StreamsError);
        assert.deepEqual(await app.read('out'), []);
        assert.deepEqual(await app.committed(), {});
        fault.left = 0;
        await app.runThrough();
        assert.deepEqual(values(await app.read('out')), ['one', 'bad', 'two']);
      });

      for (const batchRecords of [1, 1_000]) {
        it(`skip: drops and counts it alone, in batches of ${batchRecords}`, async () => {
          await open(build, { [step]: 'skip' }, { batchRecords });
          assert.equal(await run(), undefined);
          assert.deepEqual(values(await app.read('out')), neighbours);
          assert.equal(app.engine?.progress().metrics.nodes[node]?.skipped, 1);
          assert.deepEqual(await app.committed(), { 'in[0]': 3 });
        });
      }

      it('deadLetter: keeps key, value, timestamp and headers as they were read, and says what happened', async () => {
        await open(build, { [step]: 'deadLetter' });
        assert.equal(await run(), undefined);
        assert.deepEqual(values(await app.read('out')), neighbours);
        const [letter, ...more] = await app.read('app-dead-letter');
        assert.deepEqual(more, []);
        const message = letter?.headers['millrace.error.message'];
        assert.match(message ?? '', /in\[0\]@1/);
        assert.deepEqual(letter, {
          key: 'b',
          value: 'bad',
          timestamp: 20,
          partition: 0,
          headers: {
            trace: 'xyz',
            'millrace.topic': 'in',
            'millrace.partition': '0',
            'millrace.offset': '1',
            'millrace.application': 'app',
            'millrace.operator': node,
            'millrace.error.code': code,
            'millrace.error.message': message,
            'millrace.attempt': '1',
            '__streams.errors.exception': `${code}: ${message}`,
            '__streams.errors.message': message,
            '__streams.errors.topic': 'in',
            '__streams.errors.partition': '0',
            '__streams.errors.offset': '1',
          },
        });
        const { metrics } = app.engine!.progress();
        assert.equal(metrics.deadLetters, 1);
        assert.equal(metrics.nodes[node]?.['dead-letter'], 1);
      });

      if (step !== 'process') {
        it('retry: tries nothing again that would fail again, and follows the policy of then', async () => {
          await open(build, { [step]: { retry: 3, backoff: '100ms', then: 'deadLetter' } });
          assert.equal(await run(), undefined);
          assert.equal(new Set(fault.times).size, 1);
          assert.deepEqual(values(await app.read('out')), neighbours);
          assert.equal((await app.read('app-dead-letter'))[0]?.headers['millrace.attempt'], '1');
          assert.equal(app.engine?.progress().metrics.nodes[node]?.retries, undefined);
        });
        return;
      }

      it('retry: tries again after each backoff of the clock, then follows the policy of then', async () => {
        await open(build, { [step]: { retry: 3, backoff: '100ms', then: 'deadLetter' } });
        assert.equal(await run(), undefined);
        const asked = fault.times.map((time) => time - (fault.times[0] as number));
        assert.deepEqual(asked, [0, 100, 200, 300]);
        assert.deepEqual(values(await app.read('out')), neighbours);
        assert.equal((await app.read('app-dead-letter'))[0]?.headers['millrace.attempt'], '4');
        assert.equal(app.engine?.progress().metrics.nodes[node]?.retries, 3);
      });

      it('retry: lets the record through in its place once it succeeds', async () => {
        await open(build, { [step]: { retry: 2, backoff: '100ms', then: 'fail' } });
        fault.left = 2;
        assert.equal(await run(), undefined);
        const out = values(await app.read('out'));
        assert.deepEqual(out, ['one', 'bad', 'two']);
      });
    });
  }

  it('never changes a store that its operator had not reached', async () => {
    await open(
      (t) => {
        t.stream('in', text).pipe(
          map((record) => ({ ...record, value: fault.check(record.value) })),
          count({ store: 'counts' }),
        );
      },
      { process: 'skip' },
    );
    assert.equal(await run(), undefined);
    assert.deepEqual(await app.rows(), { 'counts[in-0] "a"': '1 at 10', 'counts[in-0] "c"': '1 at 30' });
  });

  it('fails on one of two ways only: the other way takes the record', async () => {
    await open(
      (t) => {
        const source = t.stream('in', text);
        source.pipe(to('out', text));
        source.pipe(
          map((record) => ({ ...record, value: fault.check(record.value) })),
          count({ store: 'counts' }),
        );
      },
      { process: 'skip' },
    );
    assert.equal(await run(), undefined);
    assert.deepEqual(values(await app.read('out')), ['one', 'bad', 'two']);
    assert.deepEqual(Object.keys(await app.rows()), ['counts[in-0] "a"', 'counts[in-0] "c"']);
  });

  it('behind a function that was tried again is handled at once, and for itself', async () => {
    let first = true;
    await open(
      (t) => {
        t.stream('in', text).pipe(
          process({
            name: 'again',
            process: (record: StreamRecord<string, string>, { forward }) => {
              if (record.value !== 'bad' || !first) return forward(record);
              first = false;
              throw new Error('once');
            },
          }),
          map((record) => ({ ...record, value: fault.check(record.value) })),
          to('out', text),
        );
      },
      { process: { retry: 1, backoff: '10ms', then: 'skip' } },
      { batchRecords: 2 },
    );
    assert.equal(await run(), undefined);
    assert.deepEqual(values(await app.read('out')), neighbours);
    assert.deepEqual(app.engine?.progress().metrics.nodes, {
      'process again': { retries: 1 },
      'to out': { retries: 1, skipped: 1 },
    });
    assert.equal(fault.times.length, 2);
  });

  it('of a timer has no record to blame: the engine ends whatever the policy', async () => {
    const policies: FinalPolicy[] = ['skip', 'deadLetter'];
    for (const policy of policies) {
      await open(
        (t) => {
          t.stream('in', text).pipe(
            process<StreamRecord<string, string>>({
              name: 'tick',
              start: ({ schedule }) => void schedule('5ms', 'stream', () => void fault.check('bad')),
              process: () => undefined,
            }),
            to('out', text),
          );
        },
        { process: policy },
      );
      const error = await run();
      assert.ok(error instanceof StreamsError && error.code === 'PROCESS_FAILED', String(error));
      assert.match(error.message, /a timer threw: no good/);
    }
  });

  it('by a changed key is a mistake of the program: no policy goes on over it', async () => {
    await open(
      (t) =>
        void t.stream('in', text).pipe(
          map((record) => ({ ...record, key: 'x' })),
          count({ store: 'counts' }),
        ),
      { process: 'skip' },
    );
    const error = await run();
    assert.ok(error instanceof StreamsError && error.code === 'KEY_CHANGED', String(error));
  });
});
