import assert from 'node:assert/strict';
import fc from 'fast-check';
import { process } from '#src/dsl/operators/process.js';
import { topology } from '#src/dsl/topology.js';
import { silentLogger } from '#src/model/ports.js';
import type { StreamRecord } from '#src/model/record.js';
import { type CommitStep, type Guarantee, resolveConfig } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { Engine } from '#src/runtime/engine/engine.js';
import { serdes } from '#src/serdes/serdes.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { createTopics, type Machine, memoryBroker, memoryMachine, pumped, writeTopic } from '../support/application.js';

/** Counts what adds one, and deletes the row at what clears it: between two commits a row may come and go without a trace. */
const counting = topology('owners', (t) => {
  t.stream('events', { key: serdes.string, value: serdes.string }).pipe(
    process({
      name: 'count',
      stores: { counts: { key: serdes.string, value: serdes.json<number>() } },
      process: ({ key, value }: StreamRecord<string, string>, { stores }) =>
        stores.counts.put(key, value === 'clear' ? null : (stores.counts.get(key) ?? 0) + 1),
    }),
  );
});

type Event = { readonly key: string; readonly value: string };
type Rows = Readonly<Record<string, number>>;

interface Owner {
  readonly engine: Engine;
  readonly machine: Machine;
  readonly memberId: string;
  readonly guarantee: Guarantee;
  /** It freezes in its next commit, before it writes; resolves when it is there. */
  freeze(): Promise<void>;
  /** It goes on, and dies when what it writes has landed. */
  thaw(): Promise<void>;
}

/** One application of one task: one owner at a time, and former ones that are frozen and do not know it yet. */
class Story {
  readonly clock = new ManualClock();
  /** What the owners have warned of. */
  readonly warnings: string[] = [];
  readonly broker = memoryBroker(this.clock);
  readonly #truth = new Map<string, number>();
  #owner: Owner | undefined;
  readonly #frozen: Owner[] = [];
  #fed = 0;

  async feed(events: readonly Event[]): Promise<void> {
    for (const { key, value } of events) {
      if (value === 'clear') this.#truth.delete(key);
      else this.#truth.set(key, (this.#truth.get(key) ?? 0) + 1);
    }
    await writeTopic(
      this.broker,
      'events',
      events.map((event) => ({ ...event, timestamp: this.#fed++ })),
    );
  }

  get truth(): Rows {
    return Object.fromEntries([...this.#truth].sort());
  }

  /** The owner processes what there is. */
  async run(): Promise<void> {
    const { engine } = await this.#current();
    await pumped(this.clock, this.broker.settled());
    await pumped(this.clock, engine.untilIdle());
  }

  /** The owner freezes in the middle of a commit, and another process takes its task over. */
  async freeze(): Promise<void> {
    await this.run();
    const owner = await this.#current();
    // Whatever it has in a transaction is aborted.
    if (owner.guarantee === 'exactly_once') return;
    const reached = owner.freeze();
    await this.feed([{ key: 'a', value: 'one' }]);
    owner.engine.untilIdle().catch(() => undefined);
    await pumped(this.clock, reached);
    this.broker.evict(owner.memberId);
    this.#frozen.push(owner);
    this.#owner = await this.#own(memoryMachine());
  }

  async thaw(which: number): Promise<void> {
    const [owner] = this.#frozen.splice(which % Math.max(1, this.#frozen.length), 1);
    await owner?.thaw();
  }

  /** The owner's process dies, and another one begins: on its machine, or on another, with that guarantee. */
  async replace(keeps: boolean, guarantee: Guarantee): Promise<void> {
    const { engine, machine } = await this.#current();
    await pumped(this.clock, engine.abort());
    this.#owner = await this.#own(keeps ? machine : memoryMachine(), guarantee);
  }

  /** Time passes in which the owner may look at its changelog, and then it has more to do. */
  async lookAround(): Promise<void> {
    this.clock.advance(700_000);
    await this.feed([{ key: 'a', value: 'one' }]);
    await this.run();
  }

  /** The owner has had the time to look at its changelog. */
  async compact(): Promise<void> {
    this.clock.advance(3_600_000);
    await this.run();
    this.clock.advance(2 * 86_400_000);
    await this.broker.maintain();
  }

  async rows(): Promise<Rows> {
    const { engine } = await this.#current();
    // Who has found records of another writer opens the task again.
    for (let turns = 0; turns < 20 || !engine.settled; turns++) {
      await nextTurn();
      if (this.clock.waiting) this.clock.fireNext();
    }
    const rows: [string, number][] = [];
    for (const task of engine.tasks)
      for await (const row of task.state?.store<string, number>('counts').entries() ?? []) rows.push([...row]);
    return Object.fromEntries(rows.sort());
  }

  async close(): Promise<void> {
    while (this.#frozen.length > 0) await this.thaw(0);
    if (this.#owner) await pumped(this.clock, this.#owner.engine.abort());
    await this.broker.close();
  }

  async #current(): Promise<Owner> {
    this.#owner ??= await this.#own(memoryMachine());
    return this.#owner;
  }

  async #own(machine: Machine, guarantee: Guarantee = 'at_least_once'): Promise<Owner> {
    const told = { reached: (): void => undefined, thawed: (): void => undefined, landed: (): void => undefined };
    let frozen: Promise<void> | undefined;
    const connection = this.broker.connect();
    const afterStep = (step: CommitStep): Promise<void> | undefined => {
      if (!frozen) return undefined;
      if (step === '1 settle') told.reached();
      if (step !== '2 log') return frozen;
      connection.crash();
      told.landed();
      throw new Error('died');
    };
    const { openDatabase, stateDirectory, identityFiles } = machine;
    const files = identityFiles && { identityFiles };
    const ports = {
      broker: connection,
      clock: this.clock,
      openDatabase,
      stateDirectory,
      afterStep,
      ...files,
    };
    const config = resolveConfig(
      'owners',
      { guarantee, batchRecords: 3 },
      { ...silentLogger, warn: (_: object, text: string) => void this.warnings.push(text) },
    );
    const engine = await pumped(this.clock, Engine.start(counting, config, ports));
    const [memberId] = await this.broker.admin.groupMembers('owners');
    return {
      engine,
      machine,
      memberId: memberId as string,
      guarantee,
      freeze: () => {
        frozen = new Promise<void>((resolve) => {
          told.thawed = resolve;
        });
        return new Promise((resolve) => {
          told.reached = resolve;
        });
      },
      thaw: async () => {
        const landed = new Promise<void>((resolve) => {
          told.landed = resolve;
        });
        told.thawed();
        await pumped(this.clock, landed);
        await pumped(
          this.clock,
          engine.abort().catch(() => undefined),
        );
      },
    };
  }
}

const event = fc.record({
  key: fc.constantFrom('a', 'b', 'c'),
  value: fc.constantFrom('one', 'one', 'clear'),
});
const act = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.array(event, { minLength: 1, maxLength: 5 }).map((events) => ({ do: 'feed', events }) as const),
  },
  { weight: 3, arbitrary: fc.constant({ do: 'run' } as const) },
  { weight: 2, arbitrary: fc.constant({ do: 'freeze' } as const) },
  { weight: 3, arbitrary: fc.nat(3).map((which) => ({ do: 'thaw', which }) as const) },
  {
    weight: 2,
    arbitrary: fc
      .record({ keeps: fc.boolean(), guarantee: fc.constantFrom<Guarantee>('at_least_once', 'exactly_once') })
      .map((owner) => ({ do: 'replace', ...owner }) as const),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'compact' } as const) },
);

describe('owners of a task that were overtaken, under at_least_once, by owners under either guarantee', () => {
  it('leave no row behind, whenever they freeze, write and wake up, and whichever owner restores when', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 3, maxLength: 14 }), async (acts) => {
        const story = new Story();
        try {
          await createTopics(story.broker, { events: 1 });
          await story.feed([{ key: 'a', value: 'one' }]);
          for (const each of acts) {
            if (each.do === 'feed') await story.feed(each.events);
            else if (each.do === 'run') await story.run();
            else if (each.do === 'freeze') await story.freeze();
            else if (each.do === 'thaw') await story.thaw(each.which);
            else if (each.do === 'replace') await story.replace(each.keeps, each.guarantee);
            else await story.compact();
          }
          await story.run();
          assert.deepEqual(await story.rows(), story.truth);
          await story.replace(false, 'at_least_once');
          await story.run();
          assert.deepEqual(await story.rows(), story.truth, 'restored on another machine');
        } finally {
          await story.close();
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('an owner under exactly_once of a task that had owners under at_least_once', () => {
  const story = async (tell: (story: Story) => Promise<void>): Promise<void> => {
    const told = new Story();
    try {
      await createTopics(told.broker, { events: 1 });
      await told.feed([{ key: 'a', value: 'one' }]);
      await told.run();
      await tell(told);
    } finally {
      await told.close();
    }
  };

  it('takes its own rows for its own, however long it runs', () =>
    story(async (told) => {
      await told.replace(true, 'exactly_once');
      for (let looks = 0; looks < 3; looks++) await told.lookAround();
      assert.deepEqual(told.warnings, []);
      assert.deepEqual(await told.rows(), told.truth);
    }));

  it('notices rows that a former owner writes after all, and logs its own again', () =>
    story(async (told) => {
      await told.freeze();
      await told.replace(true, 'exactly_once');
      await told.feed([{ key: 'a', value: 'clear' }]);
      await told.run();
      await told.thaw(0);
      await told.lookAround();
      assert.match(told.warnings.join(), /another writer has written to a changelog/);
      assert.deepEqual(await told.rows(), told.truth);
    }));
});
