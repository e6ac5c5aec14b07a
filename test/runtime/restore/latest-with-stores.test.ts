import assert from 'node:assert/strict';
import { merge } from 'rxjs';
import { count, serdes, to, topology, toStream } from '#src/index.js';
import { applyReset, parseMoment, planReset } from '#src/replay/index.js';
import type { Guarantee } from '#src/runtime/config/config.js';
import { Application, type Machine, memoryMachine, pumped } from '../../support/application.js';
import { isError } from '../../support/errors.js';
import { temporaryDirectory } from '../../support/project.js';
import { ToldLogger } from '../../support/told.js';

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

    it(`has lost the offset of one source: it does not start, and skips no record of it (${guarantee})`, async () => {
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

const words = topology('words', (t) => {
  t.stream('in', text).pipe(
    count({ store: 'totals' }),
    toStream(),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

describe("an application with stores that starts from 'latest', and whose group lost all offsets of a source", () => {
  let app: Application;
  let logger: ToldLogger;
  afterEach(() => app.close().catch(() => undefined));

  const write = (...keys: readonly string[]) =>
    app.write(
      'in',
      keys.map((key) => ({ key, value: 'x', timestamp: 1, partition: 1 })),
    );
  const on = (machine: Machine): void => {
    const { broker, clock, options } = app;
    app = new Application({ topology: words, options, broker, clock, machine, logger });
  };
  const begin = async (guarantee: Guarantee): Promise<void> => {
    logger = new ToldLogger();
    const options = { guarantee, startFrom: 'latest' } as const;
    app = new Application({ topology: words, options, machine: memoryMachine(), logger });
    await app.createTopics({ in: 2, out: 1 });
    await write('old');
    await app.start();
    await write('a', 'b', 'a');
    await app.run();
    await app.stop();
    await app.broker.admin.deleteGroup('words');
  };
  const rows = async () =>
    Object.fromEntries(
      Object.entries(await app.rows()).map(([name, row]) => [name.split(' ')[1], Number.parseInt(row, 10)]),
    );

  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    for (const where of ['where its state is', 'on another machine'] as const) {
      it(`does not start if records came since: they would be passed over (${guarantee}, ${where})`, async () => {
        await begin(guarantee);
        if (where === 'on another machine') on(memoryMachine());
        await write('b', 'c');
        // Trying again changes nothing.
        for (let i = 0; i < 2; i++)
          await assert.rejects(
            app.start(),
            isError(
              'STATE_MISMATCH',
              /no offset of in\[1\] any more.*would be skipped.*--to offset:in:1=4 --stores keep/,
            ),
          );
        const { broker, clock } = app;
        const stateDirectory = temporaryDirectory();
        const to = parseMoment('offset:in:1=4');
        const plan = await planReset(words, { broker, to, stateDirectory, now: clock.now(), stores: 'keep' });
        await pumped(clock, applyReset(plan, { broker, stateDirectory, clock }));
        await app.runThrough();
        assert.deepEqual(await rows(), { '"a"': 2, '"b"': 2, '"c"': 1 });
      });

      it(`goes on if none came, and says so (${guarantee}, ${where})`, async () => {
        await begin(guarantee);
        if (where === 'on another machine') on(memoryMachine());
        // Trying again changes nothing.
        for (let i = 0; i < 2; i++) {
          await app.start();
          await app.stop();
        }
        await app.start();
        await write('b', 'c');
        await app.run();
        assert.deepEqual(await rows(), { '"a"': 2, '"b"': 2, '"c"': 1 });
        if (where === 'on another machine')
          assert.match(
            logger.lines.join('\n'),
            /warn: the group has no offset of in\[1\] any more; .* before offset 4, and reading continues at offset 4$/m,
          );
      });
    }
  }
});

describe("an application without stores that starts from 'latest'", () => {
  const passing = topology('pass', (t) => {
    merge(t.stream('left', text), t.stream('right', text)).pipe(to('out', text));
    t.stream('alone', text).pipe(to('out', { ...text, name: 'alone' }));
  });
  let app: Application;
  let logger: ToldLogger;
  afterEach(() => app.close());

  const write = (topic: string, key: string) => app.write(topic, [{ key, value: 'x', timestamp: 1 }]);
  const lose = async (lost: string): Promise<void> => {
    logger = new ToldLogger();
    app = new Application({ topology: passing, options: { startFrom: 'latest' }, logger });
    await app.createTopics({ left: 1, right: 1, alone: 1, out: 1 });
    await app.start();
    for (const topic of ['left', 'right', 'alone']) await write(topic, `${topic} 0`);
    await app.run();
    await app.stop();
    const kept = (await app.broker.admin.groupOffsets('pass')).filter(({ topic }) => topic !== lost);
    await app.broker.admin.deleteGroup('pass');
    await app.broker.admin.setGroupOffsets('pass', kept);
    await write(lost, `${lost} 1`);
    await app.runThrough();
  };
  const out = async () => (await app.read('out')).map(({ key }) => key).filter((key) => key?.endsWith('1'));

  it('has lost the offset of one of several sources: it reads it from its start, and says so', async () => {
    await lose('left');
    assert.deepEqual(await out(), ['left 1']);
    assert.match(
      logger.lines.join('\n'),
      /warn: the group has no offset of left\[0\] any more: it is read from its start, and records before offset 1 may be/,
    );
  });

  it('has no offset of a source that it reads alone: it begins at its end, with a warning', async () => {
    await lose('alone');
    assert.deepEqual(await out(), []);
    assert.match(
      logger.lines.join('\n'),
      /warn: the group has offsets of other topics, and none of alone: .* read from here on\. .*millrace reset FILE --to offset/,
    );
  });

  it('warns of no lost offsets at its first start', async () => {
    logger = new ToldLogger();
    app = new Application({ topology: passing, options: { startFrom: 'latest' }, logger });
    await app.createTopics({ left: 1, right: 1, alone: 1, out: 1 });
    await write('alone', 'alone 0');
    await app.start();
    await app.stop();
    await app.start();
    assert.doesNotMatch(logger.lines.join('\n'), /the group has no offset/);
  });
});
