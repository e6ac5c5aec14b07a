import assert from 'node:assert/strict';
import { process, type StreamRecord } from '#src/index.js';
import { feed, json, open, outputOf, read, through, values } from '../support.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

describe('now, random and uuid of a process', () => {
  const drawing = through<number>((input) =>
    input.pipe(
      process({
        name: 'draw',
        stores: { seen: numbers },
        process({ key, value }: In, { now, random, uuid, stores, forward, streamTime, position }) {
          stores.seen.put(key, value);
          forward({ key, value: [now(), random(), random(), uuid(), streamTime, position.offset] as never });
        },
      }),
    ),
  );
  const given = [
    ['a', 1, 5],
    ['b', 2, 9],
    ['a', 3, 4],
    ['c', 4, 12],
  ] as const;

  it('are equal whenever a record is processed again after a crash', async () => {
    const expected = await outputOf(drawing, given);
    for (const step of ['1 settle', '2 log', '3 offsets', '4 apply'] as const) {
      const driver = await open(drawing);
      await feed(driver, 'in', given.slice(0, 2));
      await driver.crash(step);
      await feed(driver, 'in', given.slice(2));
      await driver.restart();
      assert.deepEqual(await read(driver), expected, step);
    }
  });

  it('differ from draw to draw and from record to record', async () => {
    const out = (await outputOf(drawing, given)).map(([, value]) => value as [number, number, number, string]);
    const drawn = out.flatMap(([, first, second, id]) => [first, second, id]);
    assert.equal(new Set(drawn).size, drawn.length);
    for (const [, first, , id] of out) {
      assert.ok(first >= 0 && first < 1);
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });

  it('now is the stream time, which never goes back', async () => {
    const out = await outputOf(drawing, given);
    assert.deepEqual(
      out.map(([, value]) => (value as number[])[0]),
      [5, 9, 9, 12],
    );
  });

  it('now is kept over a crash after step 3, even if the last records changed no store', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'p',
          stores: { rows: numbers },
          process({ key, value }: In, { now, forward, stores }) {
            if (value > 0) stores.rows.put(key, value);
            forward({ key, value: now() });
          },
        }),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', [['a', 1, 10]]);
    await driver.crash('3 offsets');
    await feed(driver, 'in', [['a', 0, 100]]);
    await driver.restart();
    await feed(driver, 'in', [['a', 0, 50]]);
    assert.deepEqual(await values(driver), [10, 100, 100]);
  });
});
