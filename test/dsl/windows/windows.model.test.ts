import assert from 'node:assert/strict';
import fc from 'fast-check';
import { map } from 'rxjs';
import {
  aggregate,
  reduce,
  type SessionWindows,
  type SlidingWindows,
  type StreamRecord,
  serdes,
  session,
  sliding,
  type Topology,
  to,
  topology,
  toStream,
  type Windowed,
} from '#src/index.js';
import { feed, json, open, type Short } from '../support.js';
import { type Given, SessionModel, type Shown, SlidingModel, type Text } from './window-models.js';

const windowed = { key: serdes.windowed(serdes.string), value: serdes.json<any>() };

/** An aggregate that shows its history, and empties a window now and then. */
const appended: Text = {
  initial: '',
  add: (all, value) => (value === '9' ? null : `${all}+${value}`),
  merge: (first, second) => (second.endsWith('8') ? null : `${first}|${second}`),
};

/** The same of values alone: the first one is the aggregate, and merging is adding. */
const joined: Text = {
  initial: undefined,
  add: (all, value) => (value === '9' ? null : `${all},${value}`),
  merge: (first, second) => (second === '9' ? null : `${first},${second}`),
};

interface Setting {
  readonly text: Text;
  readonly window: SessionWindows | SlidingWindows;
  readonly onClose: boolean;
}

function pipeline({ text, window, onClose }: Setting, late: Given[]): Topology {
  const common = {
    store: 'windows',
    window,
    emit: onClose ? 'onClose' : 'updates',
    late: (record: StreamRecord<any, any>) => void late.push(record),
  } as const;
  return topology('test', (t) => {
    const source = t.stream('in', json<string | null>());
    const folded =
      text.initial === undefined
        ? source.pipe(
            reduce<StreamRecord<string, string | null>>({
              ...common,
              value: serdes.string,
              add: (all, value) => text.add(all, value),
            }),
          )
        : source.pipe(
            aggregate<StreamRecord<string, string | null>, string>({
              ...common,
              value: serdes.string,
              initial: () => text.initial as string,
              add: (all, { value }) => text.add(all, value),
              merge: (first, second) => text.merge(first, second),
            }),
          );
    folded
      .pipe(map((change) => ({ ...change, value: { value: change.value, previous: change.previous }, previous: null })))
      .pipe(toStream())
      .pipe(to('out', windowed));
  });
}

/** Times that go on, with some that are far behind and some far ahead. */
const records: fc.Arbitrary<Given[]> = fc
  .array(
    fc.record({
      key: fc.option(fc.constantFrom('a', 'b'), { freq: 20 }),
      value: fc.option(fc.constantFrom(...'0123456789'), { freq: 12 }),
      advance: fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 9 }) }, { weight: 1, arbitrary: fc.nat({ max: 200 }) }),
      behind: fc.oneof(
        { weight: 3, arbitrary: fc.constant(0) },
        { weight: 3, arbitrary: fc.nat({ max: 40 }) },
        { weight: 1, arbitrary: fc.nat({ max: 200 }) },
      ),
    }),
    { maxLength: 40 },
  )
  .map((steps) => {
    let now = 0;
    return steps.map(({ key, value, advance, behind }) => {
      now += advance;
      return { key, value, timestamp: Math.max(0, now - behind) };
    });
  });

const settings = fc.record({
  length: fc.integer({ min: 1, max: 30 }),
  grace: fc.oneof(fc.constant(0), fc.nat({ max: 60 })),
  longer: fc.option(fc.nat({ max: 300 })),
  text: fc.constantFrom(appended, joined),
  onClose: fc.boolean(),
  batchRecords: fc.constantFrom(1, 2, 7, 1_000),
  crashAt: fc.nat({ max: 40 }),
});

async function check(
  setting: Setting,
  model: SessionModel | SlidingModel,
  given: readonly Given[],
  { batchRecords, crashAt }: { batchRecords: number; crashAt: number },
  isKept: (window: { start: number; end: number }, streamTime: number) => boolean,
): Promise<void> {
  for (const record of given) model.give(record);
  const late: Given[] = [];
  const driver = await open(pipeline(setting, late), { batchRecords });
  const shorts = given.map(({ key, value, timestamp }): Short => [key, value, timestamp]);
  await feed(driver, 'in', shorts.slice(0, crashAt));
  const before = late.length;
  await driver.crash();
  await feed(driver, 'in', shorts.slice(crashAt));
  await driver.restart();
  const out = await driver.output('out', windowed).read();
  const shown = out.map(({ key, value, timestamp }): Shown => ({ ...(key as Windowed<string>), ...value, timestamp }));
  assert.deepEqual(shown, model.shown);
  assert.ok(before <= late.length);
  assert.equal(late.length, model.late);
  const rows = await driver.store<Windowed<string>, string>('windows').entries();
  assert.deepEqual(
    rows.map(([{ key, start, end }, value]) => [{ key, start, end }, value]),
    model.rows(isKept),
  );
  for (const [key, value] of rows) assert.equal(await driver.store('windows').get(key), value);
  await driver.close();
}

describe('windows of activity and sliding windows against naive models', () => {
  it('session: for any order of timestamps, any batches and a restart', async () => {
    await fc.assert(
      fc.asyncProperty(records, settings, async (given, { length, grace, longer, text, onClose, ...run }) => {
        const retention = length + grace + (longer ?? 0);
        const window = session(`${length}ms`, {
          grace: `${grace}ms`,
          ...(longer !== null && { retention: `${retention}ms` }),
        });
        const model = new SessionModel({ gap: length, grace }, text, onClose);
        await check({ text, window, onClose }, model, given, run, ({ end }, now) => end + retention >= now);
      }),
      { numRuns: 120 },
    );
  });

  it('sliding: for any order of timestamps, any batches and a restart', async () => {
    await fc.assert(
      fc.asyncProperty(records, settings, async (given, { length, grace, longer, text, onClose, ...run }) => {
        const retention = 2 * length + grace + (longer ?? 0);
        const window = sliding(`${length}ms`, {
          grace: `${grace}ms`,
          ...(longer !== null && { retention: `${retention}ms` }),
        });
        const model = new SlidingModel({ difference: length, grace }, text, onClose);
        await check({ text, window, onClose }, model, given, run, ({ start }, now) => start + retention >= now);
      }),
      { numRuns: 120 },
    );
  });
});
