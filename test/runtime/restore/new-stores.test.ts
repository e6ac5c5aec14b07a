import assert from 'node:assert/strict';
import type { Topology } from '#src/dsl/contract/processor.js';
import { count, serdes, to, topology, toStream } from '#src/index.js';
import { applyReset, parseMoment, planReset } from '#src/replay/index.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import { Application, memoryMachine, pumped } from '../../support/application.js';
import { temporaryDirectory } from '../../support/project.js';
import { ToldLogger } from '../../support/told.js';

const text = { key: serdes.string, value: serdes.string };
const counting = (...stores: readonly string[]): Topology =>
  topology('shop', (t) => {
    const words = t.stream('words', text);
    for (const store of stores)
      words.pipe(count({ store }), toStream(), to('out', { name: store, key: serdes.string, value: serdes.json() }));
  });
const NEW = /warn: store more is new in an existing application/;

describe('a store that is new in an application', () => {
  let first: Application;
  let logger: ToldLogger;

  beforeEach(async () => {
    logger = new ToldLogger();
    first = new Application({ topology: counting('totals'), machine: memoryMachine() });
    await first.createTopics({ words: 1, out: 1 });
  });
  afterEach(() => first.close());

  const write = () => first.write('words', [{ key: 'a', value: 'x', timestamp: first.clock.now() }]);
  const run = async (target: Topology, options: EngineOptions): Promise<void> => {
    const { broker, clock } = first;
    const app = new Application({ topology: target, options, broker, clock, logger, machine: memoryMachine() });
    await app.runThrough();
    await app.stop();
  };
  const told = (): string => logger.lines.join('\n');

  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    for (const startFrom of ['earliest', 'latest'] as const) {
      const options = { guarantee, startFrom };

      it(`draws a warning if records were processed, however often it stopped since (${guarantee}, ${startFrom})`, async () => {
        await run(counting('totals'), options);
        await write();
        await run(counting('totals'), options);
        await run(counting('totals'), options);
        await run(counting('totals', 'more'), options);
        assert.match(told(), NEW);
      });

      it(`draws none if the application began at the end and processed nothing (${guarantee}, ${startFrom})`, async () => {
        await write();
        await first.broker.admin.deleteRecords([{ topic: 'words', partition: 0, offset: 1 }]);
        await run(counting('totals'), options);
        // A task without work commits now and then, so that its directory does not look old.
        first.clock.advance(700_000);
        await run(counting('totals'), options);
        await run(counting('totals', 'more'), options);
        assert.doesNotMatch(told(), /is new in an existing application/);
      });

      it(`draws none if a reset emptied the stores and nothing came since (${guarantee}, ${startFrom})`, async () => {
        await run(counting('totals'), options);
        await write();
        await write();
        await run(counting('totals'), options);
        const { broker, clock } = first;
        const stateDirectory = temporaryDirectory();
        const to = parseMoment('offset:words:0=2');
        const plan = await planReset(counting('totals'), {
          broker,
          to,
          stateDirectory,
          now: clock.now(),
          stores: 'delete',
        });
        await pumped(clock, applyReset(plan, { broker, stateDirectory, clock }));
        await run(counting('totals'), options);
        await run(counting('totals', 'more'), options);
        assert.doesNotMatch(told(), /is new in an existing application/);
        await write();
        await run(counting('totals', 'more'), options);
        await run(counting('totals', 'more', 'most'), options);
        assert.match(told(), /warn: store most is new/);
      });
    }
  }
});
