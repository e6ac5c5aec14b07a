import assert from 'node:assert/strict';
import fc from 'fast-check';
import { count } from '#src/dsl/operators/aggregate.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { taskId, transactionalId } from '#src/graph/naming.js';
import { isStreamsError } from '#src/model/errors.js';
import { isName } from '#src/model/names.js';
import type { StreamRecord } from '#src/model/record.js';
import { applyReset, parseMoment, planReset } from '#src/replay/index.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import { systemClock } from '#src/runtime/config/system.js';
import { foundOwner } from '#src/runtime/topics/topic-owners.js';
import { serdes } from '#src/serdes/serdes.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { Application, createTopics, memoryBroker, memoryMachine } from '../support/application.js';
import { isError } from '../support/errors.js';
import { temporaryDirectory } from '../support/project.js';

const text = { key: serdes.string, value: serdes.string };

interface Named {
  readonly application: string;
  readonly store: string;
  readonly source: string;
}

/** Counts words, behind a repartition; store and repartition have the same name. */
const counting = ({ application, store, source }: Named) =>
  topology(application, (t) => {
    t.stream(source, text).pipe(
      groupBy((record: StreamRecord<string, string>) => record.value, { ...text, name: store }),
      count({ store }),
      to('out', { key: serdes.string, value: serdes.json<number>() }),
    );
  });

/** A word of pieces, and how many of them each application has of it: what is left is its store's name. */
const meeting = fc
  .record({
    pieces: fc.array(fc.constantFrom('a', 'b', 'shadow', '1', 'apart', '__proto__', 'x.y'), {
      minLength: 3,
      maxLength: 5,
    }),
    at: fc.tuple(fc.nat(), fc.nat()),
    guarantee: fc.constantFrom('exactly_once' as const, 'at_least_once' as const),
  })
  .map(({ pieces, at, guarantee }) => {
    const cut = (where: number, other: string): Named => {
      const length = 1 + (where % (pieces.length - 1));
      const name = (from: number, to?: number): string => pieces.slice(from, to).join('-');
      // The source of each, too, makes its task's name one with the other's.
      return { application: name(0, length), store: name(length), source: `${name(length)}-${other}` };
    };
    return { one: cut(at[0], 'in'), two: cut(at[1], 'in'), guarantee };
  })
  .filter(({ one, two }) => one.application !== two.application);

/** Two applications on one broker. */
class Both {
  readonly clock = new ManualClock();
  readonly broker = memoryBroker(this.clock);
  readonly #apps: Application[] = [];

  add(named: Named, options: EngineOptions = {}): Application {
    const { broker, clock } = this;
    const app = new Application({ topology: counting(named), options, broker, clock, machine: memoryMachine() });
    this.#apps.push(app);
    return app;
  }

  async close(): Promise<void> {
    for (const app of this.#apps) await app.stop().catch(() => undefined);
    await this.broker.close();
  }
}

const counts = async (app: Application): Promise<Record<string, string>> =>
  Object.fromEntries(Object.entries(await app.rows()).map(([row, value]) => [row.slice(row.indexOf(' ') + 1), value]));

const word = (value: string, timestamp: number) => ({ key: 'k', value, timestamp });

describe('two applications whose names, put together, are the same', () => {
  it('share nothing, or one of them is refused by name', async () => {
    await fc.assert(
      fc.asyncProperty(meeting, async ({ one, two, guarantee }) => {
        const both = new Both();
        try {
          const sources = [...new Set([one.source, two.source])];
          await createTopics(both.broker, { ...Object.fromEntries(sources.map((name) => [name, 1])), out: 1 });
          const [first, second] = [both.add(one, { guarantee }), both.add(two, { guarantee })];
          await first.start();
          try {
            await second.start();
          } catch (error) {
            assert.ok(isStreamsError(error) && error.code === 'TOPIC_FOREIGN', String(error));
            assert.ok(error.message.includes(one.application) && error.message.includes(two.application));
            return;
          }
          await first.write(one.source, [word('x', 1)]);
          await second.write(two.source, [word('y', 2), word('y', 3)]);
          for (const app of [first, second]) await app.runThrough();
          const expected = [await counts(first), await counts(second)];
          if (one.source !== two.source) assert.deepEqual(expected, [{ '"x"': '1 at 1' }, { '"y"': '2 at 3' }]);
          for (const app of [first, second]) {
            await app.stop();
            await app.machine.lose();
            await app.start();
          }
          assert.deepEqual([await counts(first), await counts(second)], expected, 'restored on other machines');
          await first.stop();
          const stateDirectory = temporaryDirectory();
          const to = parseMoment('earliest');
          const plan = await planReset(counting(one), { broker: both.broker, to, stateDirectory, now: 0 });
          await applyReset(plan, { broker: both.broker, stateDirectory, clock: systemClock });
          await second.stop();
          await second.machine.lose();
          await second.start();
          assert.deepEqual(await counts(second), expected[1], 'after a reset of the other');
        } finally {
          await both.close();
        }
      }),
      { numRuns: 60 },
    );
  });

  it('have different transactional ids, whatever their names', () => {
    const name = fc.stringMatching(/^[a-b.-]{1,6}$/).filter((each) => isName(each));
    const owner = fc.tuple(name, name, fc.nat(12));
    fc.assert(
      fc.property(owner, owner, ([app, source, partition], [otherApp, otherSource, otherPartition]) => {
        const same = app === otherApp && source === otherSource && partition === otherPartition;
        const ids = [
          transactionalId(app, taskId(source, partition)),
          transactionalId(otherApp, taskId(otherSource, otherPartition)),
        ];
        assert.equal(ids[0] === ids[1], same);
      }),
      { numRuns: 2_000 },
    );
  });

  it('keep apart: the later one gets a prefix of its own, and keeps it when the other one is gone', async () => {
    const both = new Both();
    await createTopics(both.broker, { orders: 1, 'orders-eu': 1, out: 1 });
    const shop = both.add({ application: 'shop', store: 'eu-orders', source: 'orders' });
    const named = { application: 'shop-eu', store: 'orders', source: 'orders-eu' };
    const later = both.add(named);
    await shop.start();
    await later.start();
    await later.write('orders-eu', [word('y', 1)]);
    await later.runThrough();
    const { admin } = both.broker;
    const internal = (await admin.describeTopics()).filter((topic) => foundOwner(topic));
    assert.deepEqual(internal.map((topic) => [topic.name, foundOwner(topic)]).sort(), [
      ['shop-eu-apart-orders-changelog', { prefix: 'shop-eu-apart', kind: 'apart' }],
      ['shop-eu-apart-orders-repartition', { prefix: 'shop-eu-apart', kind: 'apart' }],
      ['shop-eu-orders-changelog', { prefix: 'shop', kind: 'application' }],
      ['shop-eu-orders-repartition', { prefix: 'shop', kind: 'application' }],
    ]);
    await shop.stop();
    await later.stop();
    await admin.deleteTopics(['shop-eu-orders-changelog', 'shop-eu-orders-repartition']);
    await later.machine.lose();
    await later.start();
    assert.deepEqual(await counts(later), { '"y"': '1 at 1' });
    await both.close();
  });

  it('an application that has topics of its own is refused one of another: TOPIC_FOREIGN names both', async () => {
    const both = new Both();
    await createTopics(both.broker, { orders: 1, 'orders-eu': 1, out: 1 });
    const storing = (...stores: readonly string[]) =>
      topology('shop-eu', (t) => {
        const words = t.stream('orders-eu', text);
        for (const store of stores) words.pipe(count({ store }));
      });
    const { broker, clock } = both;
    const before = new Application({ topology: storing('payments'), broker, clock });
    await before.start();
    await before.stop();
    await both.add({ application: 'shop', store: 'eu-orders', source: 'orders' }).start();
    const after = new Application({ topology: storing('payments', 'orders'), broker, clock });
    await assert.rejects(
      after.start(),
      isError(
        'TOPIC_FOREIGN',
        /shop-eu-orders-changelog.*the application shop with eu-orders.*the application shop-eu with orders/,
      ),
    );
    await both.close();
  });

  it('take topics without an owner for their own: an earlier version or a person made them', async () => {
    const both = new Both();
    await createTopics(both.broker, { orders: 1, out: 1 });
    await both.broker.admin.createTopics([
      { name: 'shop-totals-changelog', partitions: 1, config: { 'cleanup.policy': 'compact' } },
    ]);
    const app = both.add({ application: 'shop', store: 'totals', source: 'orders' });
    await app.write('orders', [word('y', 1)]);
    await app.runThrough();
    assert.deepEqual(await counts(app), { '"y"': '1 at 1' });
    assert.equal(
      (await both.broker.admin.latestOffsets([{ topic: 'shop-totals-changelog', partition: 0 }]))[0]?.offset,
      1,
    );
    await both.close();
  });
});
