import assert from 'node:assert/strict';
import { mapValues } from '#src/dsl/operators/stateless.js';
import { to } from '#src/dsl/operators/to.js';
import { toTable } from '#src/dsl/operators/to-table.js';
import { topology } from '#src/dsl/topology.js';
import { isStreamsError } from '#src/model/errors.js';
import { resolveConfig } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { Engine } from '#src/runtime/engine/engine.js';
import { serdes } from '#src/serdes/serdes.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { createTopics, memoryBroker, memoryMachine, pumped, writeTopic } from '../../support/application.js';

const text = { key: serdes.string, value: serdes.string };

describe('the start of an engine', () => {
  it('fails with what ended it, when a task fails while others are still opened', async () => {
    const clock = new ManualClock();
    const broker = memoryBroker(clock);
    await createTopics(broker, { words: 2, out: 1 });
    await writeTopic(broker, 'words', [{ key: 'a', value: 'bad', timestamp: 1, partition: 0 }]);
    let thrown: () => void = () => undefined;
    const failed = new Promise<void>((resolve) => {
      thrown = resolve;
    });
    const target = topology('words', (t) => {
      t.stream('words', text).pipe(
        toTable({ store: 'rows', ...text }),
        mapValues((value): string => {
          thrown();
          throw new Error(`${value} is no good`);
        }),
        to('out', text),
      );
    });
    const { openDatabase, ...machine } = memoryMachine();
    const ports = {
      ...machine,
      broker: broker.connect(),
      clock,
      openDatabase: async (directory: string) => {
        if (directory.includes('words-1')) {
          await failed;
          for (let turn = 0; turn < 20; turn++) await nextTurn();
        }
        return openDatabase(directory);
      },
    };
    const starting = Engine.start(target, resolveConfig('words', {}), ports);
    await assert.rejects(
      pumped(clock, starting),
      (error: unknown) => isStreamsError(error) && error.code === 'PROCESS_FAILED',
    );
    await broker.close();
  });
});
