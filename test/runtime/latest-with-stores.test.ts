import assert from 'node:assert/strict';
import { merge } from 'rxjs';
import { count, serdes, to, topology, toStream } from '#src/index.js';
import type { Guarantee } from '#src/runtime/config.js';
import { Application, memoryMachine } from '../support/application.js';

const text = { key: serdes.string, value: serdes.string };
const counts = topology('counts', (t) => {
  merge(t.stream('left', text), t.stream('right', text)).pipe(
    count({ store: 'totals' }),
    toStream(),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

describe("an application with stores and two sources that starts from 'latest'", () => {
  let app: Application;
  afterEach(() => app.close().catch(() => undefined));

  const write = (topic: string, ...keys: readonly string[]) =>
    app.write(
      topic,
      keys.map((key) => ({ key, value: 'x', timestamp: 1 })),
    );
  const begin = async (guarantee: Guarantee): Promise<void> => {
    app = new Application({
      topology: counts,
      options: { guarantee, startFrom: 'latest' },
      machine: memoryMachine(),
    });
    await app.createTopics({ left: 1, right: 1, out: 1 });
    await write('left', 'old');
    await write('right', 'old');
    await app.start();
  };
  const rows = async () =>
    Object.fromEntries(
      Object.entries(await app.rows()).map(([name, row]) => [name.split(' ')[1], Number.parseInt(row, 10)]),
    );

  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    it(`crashes in its first commit: the next start counts each record once (${guarantee})`, async () => {
      await begin(guarantee);
      await write('left', 'a');
      await write('right', 'a', 'b');
      app.crashHere = (step) => step === '2 log';
      assert.equal(await app.run(), false);
      app.crashHere = () => false;
      await app.start();
      await app.run();
      assert.deepEqual(await rows(), { '"a"': 2, '"b"': 1 });
    });

    it(`has lost the offset of one source: it is not started, and passes over none of its records (${guarantee})`, async () => {
      await begin(guarantee);
      await write('left', 'a');
      await write('right', 'a');
      await app.run();
      await app.stop();
      const kept = (await app.broker.admin.groupOffsets('counts')).filter(({ topic }) => topic === 'right');
      await app.broker.admin.deleteGroup('counts');
      await app.broker.admin.setGroupOffsets('counts', kept);
      await write('left', 'not yet counted');
      // Trying again changes nothing.
      for (let i = 0; i < 2; i++) await assert.rejects(app.start(), { code: 'STATE_MISMATCH' });
      assert.deepEqual(await app.committed(), { 'right[0]': 2 });
    });
  }
});
