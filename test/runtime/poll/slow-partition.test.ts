import assert from 'node:assert/strict';
import type { Broker, Reader, RecordBatch } from '#src/broker/port.js';
import { leftJoinTable, process, serdes, type Topology, to, topology } from '#src/index.js';
import type { Guarantee } from '#src/runtime/config/config.js';
import { resolveConfig } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { Engine } from '#src/runtime/engine/engine.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import {
  createTopics,
  decoded,
  type Machine,
  memoryBroker,
  memoryMachine,
  pumped,
  readTopic,
  writeTopic,
} from '../../support/application.js';

const text = { key: serdes.string, value: serdes.string };
const COUNT = 300;
const keys = Array.from({ length: COUNT }, (_, i) => `k${i}`);

/** Every row is older than every fact, so each fact must find its row. */
const plain = topology('join', (t) => {
  const rows = t.table('rows', { ...text, store: 'rows' });
  t.stream('facts', text).pipe(
    leftJoinTable(rows, (fact, row) => `${fact} ${row ?? 'MISSING'}`),
    to('out', text),
  );
});
const withTimer = topology('join', (t) => {
  const rows = t.table('rows', { ...text, store: 'rows' });
  const facts = t.stream('facts', text);
  facts.pipe(
    leftJoinTable(rows, (fact, row) => `${fact} ${row ?? 'MISSING'}`),
    to('out', text),
  );
  const start = (context: { schedule(every: '10ms', clock: 'wall', run: () => void): unknown }) =>
    void context.schedule('10ms', 'wall', () => undefined);
  facts.pipe(process({ name: 'ticker', start, process: () => undefined }), to('ticks', text));
});

/**
 * What a reader of a slow leader gets: its answers for the table come with every so manyth poll, a few
 * records each; between them polls end in vain, or with what others have.
 */
class SlowReader implements Reader {
  readonly #inner: Reader;
  readonly #everyNth: number;
  #late: RecordBatch[] = [];
  #polls = 0;

  constructor(inner: Reader, everyNth: number) {
    this.#inner = inner;
    this.#everyNth = everyNth;
  }

  async poll(options: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly RecordBatch[]> {
    const batches = await this.#inner.poll({ ...options, maxRecords: Math.min(options.maxRecords, 40) });
    this.#late.push(...batches.filter(({ topic }) => topic === 'rows'));
    const others = batches.filter(({ topic }) => topic !== 'rows');
    const comes = ++this.#polls % this.#everyNth === 0 ? this.#late.splice(0, 1) : [];
    return [...others, ...comes];
  }

  seek: Reader['seek'] = (position) => this.#inner.seek(position);
  remove: Reader['remove'] = (partitions) => this.#inner.remove(partitions);
  pause: Reader['pause'] = (partitions) => this.#inner.pause(partitions);
  resume: Reader['resume'] = (partitions) => this.#inner.resume(partitions);
  wakeup = (): void => this.#inner.wakeup();
  close = (): Promise<void> => this.#inner.close();
}

/** A broker like that for readers of tasks. */
function slow(inner: Broker, everyNth: number): Broker {
  return {
    admin: inner.admin,
    createReader: async (options) => new SlowReader(await inner.createReader(options), everyNth),
    createWriter: (options) => inner.createWriter(options),
    join: (options) => inner.join(options),
    close: () => inner.close(),
  };
}

interface Run {
  readonly clock: ManualClock;
  readonly engine: Engine;
  readonly start: (machine?: Machine) => Promise<Engine>;
}

async function outputs(
  target: Topology,
  { guarantee, everyNth }: { readonly guarantee: Guarantee; readonly everyNth: number },
  meanwhile: (run: Run) => Promise<void>,
): Promise<(string | null)[]> {
  const clock = new ManualClock();
  const broker = memoryBroker(clock);
  await createTopics(broker, { rows: 1, facts: 1, out: 1, ticks: 1 });
  await writeTopic(
    broker,
    'rows',
    keys.map((key, i) => ({ key, value: `row ${i}`, timestamp: 1_000 + i })),
  );
  await writeTopic(
    broker,
    'facts',
    keys.map((key, i) => ({ key, value: `fact ${i}`, timestamp: 1_000_000 + i })),
  );
  const machine = memoryMachine();
  const engines: Engine[] = [];
  const start = async (on = machine): Promise<Engine> => {
    const { openDatabase, stateDirectory, identityFiles } = on;
    const ports = {
      broker: slow(broker.connect(), everyNth),
      clock,
      openDatabase,
      stateDirectory,
      ...(identityFiles && { identityFiles }),
    };
    const engine = await pumped(clock, Engine.start(target, resolveConfig('join', { guarantee }), ports));
    engines.push(engine);
    return engine;
  };
  await meanwhile({ clock, engine: await start(), start });
  const running = engines.filter((engine) => engine.progress().phase === 'running');
  await pumped(clock, Promise.all(running.map((engine) => engine.untilIdle())));
  const out = (await readTopic(broker, 'out')).map((record) => decoded(record).value);
  for (const engine of running) await pumped(clock, engine.stop());
  await broker.close();
  return out;
}

const expected = keys.map((_, i) => `fact ${i} row ${i}`);
/** Lets the engines take so many turns. */
async function turns(clock: ManualClock, count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await nextTurn();
    if (clock.waiting) clock.fireNext();
  }
}

describe('a join whose table lies on a slow leader', () => {
  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    for (const everyNth of [2, 15, 40]) {
      const how = { guarantee, everyNth };

      it(`sees all older rows, and untilIdle waits for the last: ${guarantee}, an answer every ${everyNth} polls`, async () => {
        assert.deepEqual(await outputs(plain, how, async () => undefined), expected);
      });

      it(`sees all older rows while somebody asks for untilIdle: ${guarantee}, an answer every ${everyNth} polls`, async () => {
        const out = await outputs(plain, how, async ({ clock, engine }) => {
          for (let n = 0; n < 30; n++) {
            void engine.untilIdle();
            await turns(clock, 2);
          }
        });
        assert.deepEqual(out, expected);
      });

      it(`sees all older rows beside a wall-clock timer: ${guarantee}, an answer every ${everyNth} polls`, async () => {
        assert.deepEqual(await outputs(withTimer, how, ({ clock }) => turns(clock, 50)), expected);
      });

      it(`sees all older rows over a rebalance and a stop: ${guarantee}, an answer every ${everyNth} polls`, async () => {
        const out = await outputs(plain, how, async ({ clock, engine, start }) => {
          await turns(clock, 5);
          const other = await start(memoryMachine());
          await turns(clock, 7);
          await pumped(clock, engine.stop());
          await turns(clock, 9);
          await pumped(clock, other.stop());
          await start();
        });
        assert.deepEqual(out, expected);
      });
    }
  }
});
