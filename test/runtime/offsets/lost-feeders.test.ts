import assert from 'node:assert/strict';
import { merge } from 'rxjs';
import { count, groupBy, type Stream, serdes, type Topology, topology, toStream, toTable } from '#src/index.js';
import { applyReset, type Moment, parseMoment, planReset } from '#src/replay/index.js';
import type { CommitStep, Guarantee } from '#src/runtime/config/config.js';
import { Application, createTopics, memoryMachine, pumped, writeTopic } from '../../support/application.js';
import { Cluster } from '../../support/cluster.js';
import { isError } from '../../support/errors.js';
import { temporaryDirectory } from '../../support/project.js';

const text = { key: serdes.string, value: serdes.string };
type Words = Stream<string, string>;

const counting = (...sources: readonly string[]): Topology =>
  topology('feed', (t) => counted(regrouped(merge(...sources.map((source) => t.stream(source, text))))));
const regrouped = (words: Words, name = 'by-value'): Words =>
  words.pipe(groupBy(({ value }) => value, { key: serdes.string, name }));
const counted = (words: Words): void => void words.pipe(count({ store: 'totals' }));

const plain = counting('left');
const behindTable = topology('feed', (t) => {
  const rows = t.stream('left', text).pipe(toTable({ store: 'latest', value: serdes.string }), toStream());
  counted(regrouped(rows as Words));
});
const word = (value: string, timestamp = 1) => ({ key: `k${value}`, value, timestamp });

describe('an application whose tasks write to repartition topics', () => {
  let app: Application;
  afterEach(() => app.close().catch(() => undefined));

  const on = (target: Topology, guarantee: Guarantee = 'exactly_once', machine = memoryMachine()): void => {
    const { broker, clock } = app ?? {};
    app = new Application({
      ...{ topology: target, options: { guarantee }, machine },
      ...(broker && clock && { broker, clock }),
    });
  };
  const begin = async (target: Topology, guarantee: Guarantee = 'exactly_once'): Promise<void> => {
    app = undefined as unknown as Application;
    on(target, guarantee);
    await app.createTopics({ left: 1, right: 1 });
    await app.start();
  };
  const lose = async (isLost: (topic: string) => boolean): Promise<void> => {
    const { admin } = app.broker;
    const kept = (await admin.groupOffsets('feed')).filter(({ topic }) => !isLost(topic));
    await admin.deleteGroup('feed');
    await admin.setGroupOffsets('feed', kept);
  };
  const totals = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      Object.entries(await app.rows())
        .filter(([name]) => name.startsWith('totals['))
        .map(([name, row]) => [JSON.parse(name.slice(name.indexOf(' ') + 1)), Number.parseInt(row, 10)]),
    );

  for (const [name, target] of Object.entries({ 'no store': plain, 'a store': behindTable }))
    for (const guarantee of ['exactly_once', 'at_least_once'] as const)
      for (const step of ['1 settle', '2 log', '3 offsets', '4 apply'] satisfies readonly CommitStep[])
        it(`with ${name} before them: a crash behind '${step}' of its first commit is no loss (${guarantee})`, async () => {
          await begin(target, guarantee);
          await app.write('left', [word('a')]);
          app.crashHere = (at) => at === step;
          await app.run();
          app.crashHere = () => false;
          on(target, guarantee);
          await app.start();
          await app.run();
          assert.ok(((await totals()).a ?? 0) >= 1);
          if (guarantee === 'exactly_once') assert.deepEqual(await totals(), { a: 1 });
        });

  it('reads a source that has another name than before from its start', async () => {
    await begin(plain);
    await app.write('left', [word('a')]);
    await app.run();
    await app.stop();
    on(counting('right'), 'exactly_once', app.machine);
    await app.write('right', [word('a')]);
    await app.runThrough();
    assert.deepEqual(await totals(), { a: 2 });
  });

  it('reads a source that is added from its start', async () => {
    await begin(plain);
    await app.write('left', [word('a')]);
    await app.run();
    await app.stop();
    on(counting('left', 'right'));
    await app.write('right', [word('a')]);
    await app.runThrough();
    assert.deepEqual(await totals(), { a: 2 });
  });

  for (const [name, after] of Object.entries({
    'another repartition': topology('feed', (t) => counted(regrouped(t.stream('left', text), 'by-word'))),
    'no repartition': topology('feed', (t) => counted(t.stream('left', text))),
  }))
    it(`does not start with ${name} if the group has no offset at all`, async () => {
      await begin(plain);
      await app.write('left', [word('a')]);
      await app.run();
      await app.stop();
      await lose(() => true);
      on(after);
      await assert.rejects(app.start(), isError('STATE_MISMATCH', /no offset of left\[0\] any more.*count twice/));
    });

  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    it(`does not start if only the offsets of what it repartitions are lost (${guarantee})`, async () => {
      await begin(plain, guarantee);
      await app.write('left', [word('a'), word('b')]);
      await app.run();
      await app.stop();
      await lose((topic) => topic === 'left');
      for (const machine of [app.machine, memoryMachine()]) {
        on(plain, guarantee, machine);
        await assert.rejects(
          app.start(),
          isError(
            'STATE_MISMATCH',
            /no offset of left\[0\].*--to offset:left:0=2 --stores keep.*The position in left\[0\] is not known/,
          ),
        );
      }
    });

    it(`has lost one of two sources that were committed together: it knows where it was (${guarantee})`, async () => {
      await begin(counting('left', 'right'), guarantee);
      await app.write('left', [word('a')]);
      await app.write('right', [word('b')]);
      await app.run();
      await app.stop();
      await lose((topic) => topic === 'left');
      await app.write('left', [word('c')]);
      await assert.rejects(
        app.start(),
        isError('STATE_MISMATCH', /no offset of left\[0\].*--to offset:left:0=1 --stores keep\. To start over[^.]*\.$/),
      );
    });

    it(`names the partitions of all tasks at once (${guarantee})`, async () => {
      app = new Application({ topology: plain, options: { guarantee } });
      await app.createTopics({ left: 3 });
      await app.start();
      for (let i = 0; i < 9; i++) {
        await app.write('left', [{ ...word(`v${i}`), partition: i % 3 }]);
        await app.run();
      }
      await app.stop();
      const before = await app.committed();
      await lose(() => true);
      const advice = Object.entries(before).map(([at, offset]) => `${at.replace(/\[(\d+)\]/, ':$1')}=${offset}`);
      await assert.rejects(app.start(), ({ message }: Error) => {
        const named = /--to offset:(\S+) --stores keep/.exec(message)?.[1]?.split(',') ?? [];
        assert.deepEqual(named.sort(), advice.sort());
        return true;
      });
    });
  }

  describe('and a reset of their positions', () => {
    const plan = (to: Moment, more: Partial<Parameters<typeof planReset>[1]> = {}) =>
      planReset(plain, {
        ...{ broker: app.broker, to, stateDirectory: temporaryDirectory(), now: app.clock.now() },
        ...more,
      });
    beforeEach(async () => {
      await begin(plain);
      await app.write('left', [word('a'), word('b')]);
      await app.run();
      await app.stop();
    });

    it('sets those of repartition topics, and leaves what is not named', async () => {
      const { internalMoves, moves } = await plan(parseMoment('offset:feed-by-value-repartition:0=1'), {
        stores: 'keep',
      });
      assert.deepEqual(
        [...moves, ...internalMoves].map(({ topic, from, to }) => [topic, from, to]),
        [
          ['left', 2, 2],
          ['feed-by-value-repartition', 2, 1],
        ],
      );
    });

    it('begins those that have none, and are not named, where the topic begins', async () => {
      const { admin } = app.broker;
      await admin.deleteRecords([{ topic: 'feed-by-value-repartition', partition: 0, offset: 2 }]);
      await lose(() => true);
      const { internalMoves } = await plan(parseMoment('offset:left:0=2'), { stores: 'keep' });
      assert.deepEqual(
        internalMoves.map(({ to }) => to),
        [2],
      );
    });

    it('USAGE: an offset is of a repartition topic that is to be deleted, or of no topic of the application', async () => {
      await assert.rejects(
        plan(parseMoment('offset:feed-by-value-repartition:0=1'), { internalTopics: 'delete' }),
        isError('USAGE', /feed-by-value-repartition\[0\]/),
      );
      await assert.rejects(
        plan(parseMoment('offset:other:0=1')),
        isError('USAGE', /expected left\[0\], feed-by-value-repartition\[0\]/),
      );
    });

    it('warns of records that are passed over', async () => {
      await app.write('left', [word('c')]);
      await lose((topic) => topic !== 'left');
      const { admin } = app.broker;
      await admin.setGroupOffsets('feed', [{ topic: 'feed-by-value-repartition', partition: 0, offset: 0 }]);
      const { warnings } = await plan(parseMoment('offset:feed-by-value-repartition:0=2'), { stores: 'keep' });
      assert.deepEqual(warnings, ['2 records will never be processed']);
    });
  });
});

describe('a process with a task that is refused', () => {
  it('processes nothing in its other tasks: they would write it again at each start', async () => {
    const cluster = new Cluster(plain, { guarantee: 'at_least_once' });
    try {
      const { broker } = cluster;
      const { admin } = broker;
      await createTopics(broker, { left: 1 });
      const node = await cluster.join();
      for (const value of ['a', 'b']) {
        await writeTopic(broker, 'left', [word(value)]);
        await cluster.idle();
      }
      await cluster.leave(node);
      const kept = (await admin.groupOffsets('feed')).filter(({ topic }) => topic === 'left');
      await admin.deleteGroup('feed');
      await admin.setGroupOffsets('feed', kept);
      await writeTopic(broker, 'left', [word('c')]);
      const behind = { topic: 'feed-by-value-repartition', partition: 0 };
      for (let i = 0; i < 3; i++) {
        await assert.rejects(cluster.join(), isError('STATE_MISMATCH', /feed-by-value-repartition:0=2 --stores keep/));
        assert.deepEqual(await admin.latestOffsets([behind]), [{ ...behind, offset: 2 }]);
      }
      const stateDirectory = temporaryDirectory();
      const to = parseMoment('offset:feed-by-value-repartition:0=2');
      const plan = await planReset(plain, { broker, to, stateDirectory, now: cluster.clock.now(), stores: 'keep' });
      await pumped(cluster.clock, applyReset(plan, { broker, stateDirectory, clock: cluster.clock }));
      const { streams } = await cluster.join();
      await cluster.idle();
      const rows = streams.tasks.flatMap(({ state }) => [...(state?.stores ?? [])]);
      const values: unknown[] = [];
      for (const store of rows) for await (const [key, value] of store.entries()) values.push([key, value]);
      assert.deepEqual(values.sort(), [
        ['a', 1],
        ['b', 1],
        ['c', 1],
      ]);
    } finally {
      await cluster.close();
    }
  });
});
