import assert from 'node:assert/strict';
import { effect, process, type StreamRecord, serdes, to, topology } from '#src/index.js';
import { deadLetters, failure, feed, json, open, read, rows, through, values } from '../support.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

/** Says when its timer fired. */
const ticking = (missed?: 'none' | 'one' | 'each') =>
  through<number>((input) =>
    input.pipe(
      process<In>({
        name: 'tick',
        ...(missed && { wallClock: { missed } }),
        start: ({ schedule, forward }) => void schedule('10ms', 'wall', (now) => forward({ key: 'tick', value: now })),
        process: () => undefined,
      }),
    ),
  );

describe('firings that a timer has missed', () => {
  for (const [missed, expected] of [
    [undefined, [10, 50]],
    ['none', [10, 50]],
    ['one', [10, 45, 50]],
    ['each', [10, 20, 30, 40, 50]],
  ] as const) {
    it(`after downtime, with missed: ${missed ?? 'left out'}`, async () => {
      const driver = await open(ticking(missed));
      await driver.advance('10ms');
      await driver.crash();
      await driver.advance('35ms');
      await driver.restart();
      await driver.advance('5ms');
      assert.deepEqual(await values(driver), expected);
    });
  }

  it('count from the first start on, also before the first firing', async () => {
    const driver = await open(ticking('each'));
    await driver.advance('5ms');
    await driver.restart();
    await driver.crash();
    await driver.advance('30ms');
    await driver.restart();
    assert.deepEqual(await values(driver), [10, 20, 30]);
  });

  it('TOPOLOGY_INVALID: there is no such way', async () => {
    await assert.rejects(open(ticking('some' as 'one')), failure('TOPOLOGY_INVALID', /wallClock.missed is "some"/));
  });
});

describe('a timer of a key', () => {
  const reminders = through<number>((input) =>
    input.pipe(
      process(
        {
          name: 'reminders',
          emits: serdes.json<number | string>(),
          timer: {
            payload: serdes.json<{ readonly n: number }>(),
            run: ({ key, due, id, payload: { n } }, { emit, at, timestamp }) => {
              emit({ key, value: `${id}${n}@${due}/${timestamp}` });
              if (n === 7) at(due + 10, { n: 8 });
              if (n === 13) throw new Error('unlucky');
            },
          },
        },
        ({ value }: In, { at, cancel, emit }) => {
          if (value === 0) emit({ key: 'a', value: cancel() ? 'cancelled' : 'nothing to cancel' });
          else at(value < 100 ? 20 : new Date(value), { n: value }, value % 2 === 0 ? { id: 'even' } : {});
        },
      ),
    ),
  );
  const feedOne = (driver: Awaited<ReturnType<typeof open>>, value: number) => feed(driver, 'in', [['a', value, 5]]);

  it('fires once, at its moment, also after a restart or later than it was due', async () => {
    const driver = await open(reminders);
    await feedOne(driver, 1);
    await feedOne(driver, 2);
    await driver.advance('19ms');
    assert.deepEqual(await values(driver), []);
    await driver.crash();
    await driver.restart();
    await driver.advance('1ms');
    assert.deepEqual(await values(driver), ['1@20/5', 'even2@20/5']);
    await feedOne(driver, 30_000);
    await driver.crash();
    await driver.advance('1m');
    await driver.restart();
    assert.deepEqual(await values(driver), ['even30000@30000/5']);
    assert.deepEqual(await rows(driver, 'reminders-timers'), {});
    await driver.advance('1h');
    assert.deepEqual(await values(driver), []);
  });

  it('is replaced by another one with its id, and sets the next one itself', async () => {
    const driver = await open(reminders);
    await feedOne(driver, 5);
    await feedOne(driver, 7);
    await driver.advance('20ms');
    await driver.advance('10ms');
    assert.deepEqual(await values(driver), ['7@20/5', '8@30/5']);
  });

  it('does not fire once it is cancelled', async () => {
    const driver = await open(reminders);
    await feedOne(driver, 5);
    await feedOne(driver, 0);
    await feedOne(driver, 0);
    await driver.advance('1h');
    assert.deepEqual(await values(driver), ['cancelled', 'nothing to cancel']);
  });

  it('that throws is a record that fails', async () => {
    const strict = await open(reminders);
    await feedOne(strict, 13);
    await assert.rejects(strict.advance('20ms'), failure('PROCESS_FAILED', /unlucky/));
    const driver = await open(reminders, { onError: { process: { retry: 2, backoff: '1ms', then: 'deadLetter' } } });
    await feedOne(driver, 13);
    await driver.advance('20ms');
    assert.equal((await values(driver)).length, 3);
    const [letter] = await deadLetters(driver);
    assert.equal(letter?.from, 'test-reminders-timers[0]@0');
    assert.deepEqual(await rows(driver, 'reminders-timers'), {});
    await driver.advance('1h');
    assert.deepEqual(await values(driver), []);
  });
});

describe('what is missing for the wall clock', () => {
  const using = (use: (context: any) => void, options: object = {}) =>
    through<number>((input) =>
      input.pipe(process<In>({ name: 'p', ...options, process: (_, context) => use(context) })),
    );

  it('CONFIG_INVALID: a timer without an internal input', async () => {
    const driver = await open(using(({ schedule }) => schedule('1s', 'wall', () => undefined)));
    await assert.rejects(feed(driver, 'in', [['a', 1]]), failure('CONFIG_INVALID', /Schedule it in start/));
  });

  it('CONFIG_INVALID: at without the option timer', async () => {
    const driver = await open(using(({ at }) => at(5, null)));
    await assert.rejects(feed(driver, 'in', [['a', 1]]), failure('CONFIG_INVALID', /timer: \{ payload, run \}/));
  });

  it('PROCESS_FAILED: no key, or no moment', async () => {
    const timer = { payload: serdes.json(), run: () => undefined };
    const driver = await open(using(({ at }) => at(5, null), { timer, scope: 'partition' }));
    await assert.rejects(
      feed(driver, 'in', [[null as unknown as string, 1]]),
      failure('PROCESS_FAILED', /belong to a key/),
    );
    const other = await open(using(({ at }) => at(Number.NaN, null), { timer }));
    await assert.rejects(feed(other, 'in', [['a', 1]]), failure('PROCESS_FAILED', /set to no moment/));
  });
});

describe('a call that a wall-clock timer causes', () => {
  it('is made again with the same key after a crash', async () => {
    const keys: string[] = [];
    const target = topology('test', (t) => {
      t.stream('in', numbers).pipe(
        process<In>({
          name: 'tick',
          start: ({ schedule, forward }) => void schedule('10ms', 'wall', () => forward({ key: 'k', value: 1 })),
          process: () => undefined,
        }),
        effect('call', { inline: true, run: (_record, { idempotencyKey }) => void keys.push(idempotencyKey) }),
        to('out', numbers),
      );
    });
    const driver = await open(target);
    for (const step of ['2 log', '3 offsets', '2 log', '4 apply'] as const) {
      await driver.crash(step);
      await driver.advance('10ms').catch(() => undefined);
      await driver.restart();
    }
    await driver.advance('10ms');
    assert.equal(new Set(keys).size, (await read(driver)).length);
  });
});
