import assert from 'node:assert/strict';
import { process, type StreamRecord, serdes } from '#src/index.js';
import { applyReset, planReset } from '#src/replay/index.js';
import { diskMachine } from '../../support/application.js';
import { failure, feed, open, rows, through, values } from '../support.js';
import { ByTheClock, between, ticking } from './clock.support.js';

type In = StreamRecord<string, number>;
const ALL = ['none', 'one', 'each'] as const;
const tens = (n: number): number[] => Array.from({ length: n }, () => 10);

/** The moments that a timer of the topic has noted. */
const moments = async ({ app }: ByTheClock): Promise<number[]> =>
  (await app.read('app-tick-timers'))
    .map(({ value }) => JSON.parse(value as string) as { due: number; begins?: boolean })
    .filter(({ begins }) => begins !== true)
    .map(({ due }) => due);

const increase = (numbers: readonly number[]): boolean =>
  numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as number));

describe('a timer of a clock that is set back', () => {
  for (const missed of ALL) {
    it(`goes on after a restart, an hour earlier, with missed: ${missed}`, async () => {
      const timer = await ByTheClock.of(ticking(missed));
      timer.clock.advance(3_600_000);
      await timer.app.start();
      await timer.go(1, 10);
      await timer.app.stop();
      timer.clock.skew = -3_600_000;
      await timer.app.start();
      const before = (await timer.out()).split(' ').length;
      await timer.go(...tens(20));
      assert.equal((await timer.out()).split(' ').length, before + 20);
      assert.ok(increase(await moments(timer)));
      assert.equal(await timer.replayed(), await timer.out());
      await timer.app.close();
    });

    it(`goes on in a running task, an hour earlier, with missed: ${missed}`, async () => {
      const timer = await ByTheClock.of(ticking(missed));
      timer.clock.advance(3_600_000);
      await timer.app.start();
      await timer.go(1, 10);
      timer.clock.skew = -3_600_000;
      await timer.go(0);
      const before = (await timer.out()).split(' ').length;
      await timer.go(...tens(20));
      assert.equal((await timer.out()).split(' ').length, before + 20);
      assert.ok(increase(await moments(timer)));
      assert.equal(await timer.replayed(), await timer.out());
      await timer.app.close();
    });

    it(`goes on if its firing was on its way, with missed: ${missed}`, async () => {
      const timer = await ByTheClock.of(ticking(missed));
      await timer.app.start();
      await timer.go(1, 39);
      timer.app.crashHere = (step) => {
        if (step === '3 offsets') timer.clock.skew = -25;
        return false;
      };
      await timer.go(10);
      const before = (await timer.out()).split(' ').length;
      await timer.go(...tens(10));
      // As the clock passes the last moment again, there is a multiple for which it has fired already.
      assert.equal((await timer.out()).split(' ').length, before + 9);
      assert.equal(await timer.replayed(), await timer.out());
      await timer.app.close();
    });
  }

  it('fires once for a moment that comes twice, in the application and in a replay', async () => {
    const timer = await ByTheClock.of(ticking());
    await timer.app.start();
    await timer.go(1, 10);
    await timer.app.stop();
    timer.clock.skew = -3;
    await timer.app.start();
    await timer.go(0, 3, 10);
    assert.ok(increase(await moments(timer)));
    assert.equal(await timer.replayed(), await timer.out());
    await timer.app.close();
  });
});

describe('firings that are missed, with missed: each', () => {
  it('come after a reset to the beginning as they would have come without it', async () => {
    const machine = diskMachine();
    const timer = await ByTheClock.of(ticking('each'), {}, machine);
    const { app, clock } = timer;
    await app.start();
    await timer.go(1, 10, 10);
    await app.stop();
    clock.advance(30);
    const { stateDirectory } = machine;
    const at = { broker: app.broker, stateDirectory };
    await applyReset(await planReset(app.topology, { ...at, to: { kind: 'earliest' }, now: clock.now() }), {
      ...at,
      clock,
    });
    await app.start();
    await timer.go(0, 1, 10);
    assert.equal(await timer.out(), '10 20 30 40 50 60');
    await app.close();
    await machine.lose();
  });

  it('come if the first start crashed before its first note was read', async () => {
    const timer = await ByTheClock.of(ticking('each'));
    let left = 1;
    timer.app.crashHere = (step) => step === '3 offsets' && left-- === 1;
    await timer.app.start();
    assert.equal(await timer.app.run(), false);
    await timer.go(35, 10);
    assert.equal(await timer.out(), '10 20 30 40');
    assert.equal(await timer.replayed(), '10 20 30 40');
    await timer.app.close();
  });
});

describe('a timer of the wall clock', () => {
  it('stays cancelled after a restart, and in a replay', async () => {
    const timer = await ByTheClock.of(ticking());
    await timer.app.start();
    await timer.go(1, 10);
    await timer.app.write('in', [{ key: 'a', value: '1', timestamp: 11 }]);
    await timer.go(0, 10);
    await timer.app.stop();
    await timer.app.start();
    await timer.go(10, 10);
    assert.equal(await timer.out(), '11');
    assert.equal(await timer.replayed(), '11');
    await timer.app.close();
  });

  it('CONFIG_INVALID: a record or a timer schedules it', async () => {
    const late = (options: object) =>
      through<number>((input) =>
        input.pipe(
          process<In, Record<never, never>, number, string>({ name: 'late', ...options }, (_record, { schedule }) => {
            schedule('1s', 'wall', () => undefined);
          }),
        ),
      );
    for (const options of [{}, { start: () => undefined }, { start: () => undefined, wallClock: false }]) {
      const driver = await open(late(options));
      await assert.rejects(feed(driver, 'in', [['a', 1]]), failure('CONFIG_INVALID', /Schedule it in start/));
    }
    await assert.rejects(open(late({ wallClock: true })), failure('TOPOLOGY_INVALID', /there is no start/));
    const inner = through<number>((input) =>
      input.pipe(
        process<In, Record<never, never>, number, string>(
          {
            name: 'inner',
            start: ({ schedule }) =>
              void schedule('10ms', 'wall', () => void schedule('10ms', 'wall', () => undefined)),
          },
          () => undefined,
        ),
      ),
    );
    const driver = await open(inner);
    await assert.rejects(driver.advance('10ms'), failure('CONFIG_INVALID', /scheduled after the start/));
  });

  it('goes on after a firing that throws and is left out', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process<In, Record<never, never>, number, string>(
          {
            name: 'tick',
            rekey: { key: serdes.string },
            start: ({ schedule, emit }) =>
              void schedule('10ms', 'wall', (now) => {
                if (now === 20) throw new Error('no twenty');
                emit({ key: 'tick', value: now });
              }),
          },
          () => undefined,
        ),
      ),
    );
    const driver = await open(target, { onError: { process: 'skip' } });
    for (let i = 0; i < 3; i++) await driver.advance('10ms');
    assert.deepEqual(await values(driver), [10, 30]);
    assert.deepEqual(await rows(driver, 'tick-fired'), { '10 start[0]': 30 });
  });

  it('emits with the time at which it was due, or the stream time if that is earlier', async () => {
    const timer = await ByTheClock.of(ticking());
    await timer.app.start();
    await timer.go(1, 10);
    const first = await timer.app.read('out');
    assert.deepEqual(
      first.map(({ timestamp }) => timestamp),
      [10],
    );
    await timer.app.close();
    const kept = between((input) =>
      input.pipe(
        process<In, Record<never, never>, number, string>(
          {
            name: 'tick',
            rekey: { key: serdes.string },
            start: ({ schedule, emit }) => void schedule('10ms', 'wall', (now) => emit({ key: 'tick', value: now })),
          },
          () => undefined,
        ),
      ),
    );
    for (const [timestamp, expected] of [
      [5, 5],
      [5_000, 10],
    ] as const) {
      const other = await ByTheClock.of(kept);
      await other.app.start();
      await other.app.write('in', [{ key: 'a', value: '1', timestamp }]);
      await other.go(0, 10);
      assert.deepEqual(
        (await other.app.read('out')).map((record) => record.timestamp),
        [expected],
      );
      await other.app.close();
    }
  });

  it('drops a note that names no moment', async () => {
    for (const value of ['{"due":1e300,"now":5}', '{"due":20,"now":-5}', '{"begins":true,"due":-1000000,"now":5}']) {
      const timer = await ByTheClock.of(ticking('each'));
      await timer.app.start();
      await timer.forge('app-tick-timers', '10 start[0]', value);
      await timer.go(0, 10);
      await timer.app.stop();
      await timer.app.start();
      await timer.go(10);
      assert.equal(await timer.out(), '10 20');
      await timer.app.close();
    }
  });

  it('is not put back by a forged note that it begins', async () => {
    const timer = await ByTheClock.of(ticking('each'));
    await timer.app.start();
    await timer.go(1, 10, 10);
    for (const due of [0, 500])
      await timer.forge('app-tick-timers', '10 start[0]', `{"begins":true,"due":${due},"now":5}`);
    await timer.go(0);
    await timer.app.stop();
    await timer.app.start();
    await timer.go(10);
    assert.equal(await timer.out(), '10 20 30');
    await timer.app.close();
  });
});
