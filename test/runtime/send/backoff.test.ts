import assert from 'node:assert/strict';
import { process } from '#src/dsl/operators/process.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import type { Backoff } from '#src/model/policy/backoff.js';
import type { StreamRecord } from '#src/model/record.js';
import type { Guarantee } from '#src/runtime/config/config.js';
import { Application } from '../../support/application.js';
import { text } from '../../support/failing-places.js';
import { ToldLogger } from '../../support/told.js';

const FACTOR_2: Backoff = { kind: 'exponential', from: '100ms', max: '1s' };
const JITTER: Backoff = { ...FACTOR_2, max: '1h', jitter: 0.5 };

describe('the pauses between attempts', () => {
  let app: Application;
  let logger: ToldLogger;
  /** When each record was tried. */
  let tried: Map<string, number[]>;
  let left: number;

  async function open(backoff: Backoff, guarantee: Guarantee = 'exactly_once'): Promise<void> {
    tried = new Map();
    left = Number.POSITIVE_INFINITY;
    logger = new ToldLogger();
    const target = topology('app', (t) => {
      t.stream('in', text).pipe(
        process({ name: 'call' }, (record: StreamRecord<string, string>, { emit }) => {
          tried.set(record.value, [...(tried.get(record.value) ?? []), app.clock.now()]);
          if (left-- > 0) throw new Error('away');
          emit(record);
        }),
        to('out', text),
      );
    });
    app = new Application({
      topology: target,
      logger,
      options: { guarantee, batchRecords: 1, onError: { process: { retry: 5, backoff, then: 'skip' } } },
    });
    await app.createTopics({ in: 1, out: 1 });
    const values = ['one', 'two'];
    await app.write(
      'in',
      values.map((value, i) => ({ key: 'k', value, timestamp: i })),
    );
  }

  const pauses = (value: string, from = 0): number[] => {
    const times = (tried.get(value) ?? []).slice(from);
    return times.slice(1).map((time, i) => time - (times[i] as number));
  };

  afterEach(() => app.close());

  it('grow up to their limit, and the log names each', async () => {
    await open(FACTOR_2);
    await app.runThrough();
    assert.deepEqual(pauses('one'), [100, 200, 400, 800, 1_000]);
    const told = logger.lines.flatMap(
      (line) => /^(\w+): a record failed, (attempt .* ms): .*in\[0\]@0/.exec(line) ?? [],
    );
    assert.deepEqual(
      told.filter((_, i) => i % 3 > 0),
      [
        'warn',
        'attempt 2 of 6 in 100 ms',
        'debug',
        'attempt 3 of 6 in 200 ms',
        'debug',
        'attempt 4 of 6 in 400 ms',
      ].concat(['debug', 'attempt 5 of 6 in 800 ms', 'debug', 'attempt 6 of 6 in 1000 ms']),
    );
  });

  for (const guarantee of ['exactly_once', 'at_least_once'] as const)
    it(`are with jitter other ones for each record, and the same after a crash: ${guarantee}`, async () => {
      await open(JITTER, guarantee);
      // The first record gets through at last; the process dies before that is committed.
      left = 5;
      let crashes = 1;
      app.crashHere = (step) => step === '2 log' && crashes-- > 0;
      await app.runThrough(async () => {
        left = Number.POSITIVE_INFINITY;
      });
      assert.equal(app.crashes, 1);
      const first = pauses('one').slice(0, 5);
      assert.deepEqual(pauses('one', 6), first);
      assert.notDeepEqual(pauses('two').slice(-5), first);
      for (const [i, pause] of first.entries()) {
        const whole = 100 * 2 ** i;
        assert.ok(pause >= whole / 2 && pause <= whole, `${pause} of ${whole}`);
      }
    });
});
