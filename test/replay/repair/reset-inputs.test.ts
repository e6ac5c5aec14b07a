import assert from 'node:assert/strict';
import { process, type StreamRecord, serdes, to, topology } from '#src/index.js';
import {
  applyReset,
  type Moment,
  planReset,
  type ResetOptions,
  type ResetPlan,
  type SnapshotOptions,
  stateAsOf,
} from '#src/replay/index.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { failure, json } from '../../dsl/support.js';
import { Application, diskMachine, memoryBroker } from '../../support/application.js';
import { temporaryDirectory } from '../../support/project.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();
const texts = json<string>();

/** Logs the key of each record, and 100 ms later, when its timer fires, the key in upper case. */
const logging = topology('app', (t) =>
  t.stream('in', numbers).pipe(
    process<In, { log: typeof texts }, number, string, number>(
      {
        name: 'r',
        scope: 'partition',
        stores: { log: texts },
        timer: {
          payload: serdes.json(),
          run: async ({ key }, { stores: { log } }) =>
            log.put('log', `${(await log.load('log')) ?? ''}${key.toUpperCase()}`),
        },
      },
      async ({ key, timestamp }, { at, stores: { log } }) => {
        log.put('log', `${(await log.load('log')) ?? ''}${key}`);
        at(timestamp + 100, 0);
      },
    ),
    to('out', numbers),
  ),
);

/** One application with its machine, and what can be done to it. */
class Life {
  readonly machine = diskMachine();
  readonly clock = new ManualClock();
  readonly app = new Application({
    topology: logging,
    clock: this.clock,
    broker: memoryBroker(this.clock),
    machine: this.machine,
  });

  async go(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.app.runThrough();
  }

  /** Each record comes 200 ms after the one before, so each timer fires before the next record. */
  async feed(keys: string, everyMs = 200): Promise<void> {
    for (const key of keys) {
      await this.app.write('in', [{ key, value: '1', timestamp: this.clock.now() }]);
      await this.go(everyMs);
    }
  }

  plan(options: Partial<ResetOptions> = {}): Promise<ResetPlan> {
    const { broker } = this.app;
    const { stateDirectory } = this.machine;
    return planReset(logging, { broker, stateDirectory, to: { kind: 'earliest' }, now: this.clock.now(), ...options });
  }

  async reset(options: Partial<ResetOptions> = {}): Promise<ResetPlan> {
    const plan = await this.plan(options);
    const { broker } = this.app;
    await applyReset(plan, { broker, stateDirectory: this.machine.stateDirectory, clock: this.clock });
    return plan;
  }

  async live(): Promise<string> {
    const found = Object.entries(await this.app.rows()).find(([row]) => row.startsWith('log['));
    return /"(\w*)\\?" at/.exec(found?.[1]?.replaceAll('\\', '') ?? '')?.[1] ?? '';
  }

  async past(asOf: Moment = { kind: 'latest' }, snapshots?: SnapshotOptions): Promise<string> {
    const { broker } = this.app;
    const state = await stateAsOf(logging, { broker, ...(snapshots ? { snapshots } : { inMemory: true }), asOf });
    let log: unknown;
    for (const store of state.stores)
      if (store.spec.name === 'log') for await (const [, value] of store.entries()) log = value;
    await state.close();
    return String(log);
  }

  async close(): Promise<void> {
    await this.app.close();
    await this.machine.lose();
  }
}

describe('a reset of an application with an internal input', () => {
  let life: Life;
  beforeEach(async () => {
    life = new Life();
    await life.app.createTopics({ in: 1, out: 1 });
    await life.go(0);
  });
  afterEach(() => life.close());

  it('takes again what was noted, each note at its place', async () => {
    await life.feed('abc');
    assert.equal(await life.live(), 'aAbBcC');
    await life.app.stop();
    await life.reset();
    await life.go(1);
    assert.equal(await life.live(), 'aAbBcC');
    assert.equal(await life.past(), 'aAbBcC');
  });

  it('may name the internal input, and says so for a partition that there is not', async () => {
    await life.feed('abc');
    await life.app.stop();
    const at = { topic: 'app-r-timers', partition: 0, offset: 1 };
    const { moves } = await life.plan({ stores: 'keep', to: { kind: 'offset', offsets: [at] } });
    assert.deepEqual(
      moves.map(({ topic, from, to: target }) => `${topic} ${from} -> ${target}`),
      ['in 3 -> 3', 'app-r-timers 3 -> 1'],
    );
    await assert.rejects(
      life.plan({ to: { kind: 'offset', offsets: [{ ...at, partition: 7 }] } }),
      failure('USAGE', /expected in\[0\], app-r-timers\[0\]/),
    );
  });

  it('warns of notes that are gone: they are noted again, live and in the past at the same places', async () => {
    await life.feed('abc');
    await life.app.stop();
    await life.app.broker.admin.deleteRecords([{ topic: 'app-r-timers', partition: 0, offset: 2 }]);
    const { warnings } = await life.reset();
    assert.match(warnings.join('\n'), /app-r-timers\[0\] begins at offset 2: what was noted before is noted again/);
    await life.go(1);
    await life.go(1_000);
    assert.equal(await life.live(), 'abcCAB');
    assert.equal(await life.past(), 'abcCAB');
  });

  it('goes on after the source was created again, shorter than the places of old notes', async () => {
    await life.feed('abcd');
    await life.app.stop();
    await life.app.broker.admin.deleteTopics(['in']);
    await life.app.createTopics({ in: 1 });
    await life.reset({ stores: 'delete' });
    await life.app.write('in', [{ key: 'n', value: '1', timestamp: life.clock.now() }]);
    await life.go(0);
    await life.go(1_000);
    assert.equal(await life.live(), 'nN');
    assert.equal(await life.past(), 'nN');
  });

  it('works as the error says that a start gives after the internal input was deleted', async () => {
    await life.feed('ab');
    await life.feed('c', 0);
    await life.app.stop();
    await life.app.broker.admin.deleteTopics(['app-r-timers']);
    await assert.rejects(
      life.go(0),
      failure('STATE_MISMATCH', /app-r-timers\[0\] ends before that: .*--to earliest --stores delete\.$/),
    );
    await life.reset({ stores: 'delete' });
    await life.go(0);
    await life.go(200);
    assert.equal(await life.live(), 'abcABC');
    assert.equal(await life.past(), 'abcABC');
  });
});

describe('a snapshot between two notes of one commit', () => {
  it('continues with the second', async () => {
    const life = new Life();
    await life.app.createTopics({ in: 1, out: 1 });
    await life.go(0);
    const together = ['a', 'b', 'c'].map((key) => ({ key, value: '1', timestamp: 0 }));
    await life.app.write('in', together);
    await life.go(1);
    await life.go(200);
    await life.feed('z');
    const snapshots = { directory: temporaryDirectory(), version: 'v', every: { records: 1 } };
    const offsets = [
      { topic: 'in', partition: 0, offset: 4 },
      { topic: 'app-r-timers', partition: 0, offset: 1 },
    ];
    assert.equal(await life.past({ kind: 'offset', offsets }, snapshots), 'abcAz');
    assert.equal(await life.past({ kind: 'latest' }, snapshots), 'abcABCzZ');
    assert.equal(await life.past(), await life.live());
    await life.close();
  });
});
