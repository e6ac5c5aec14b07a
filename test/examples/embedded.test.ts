// Promise: where a topology runs makes no difference. Each example, on the embedded broker with RocksDB and in the test
// driver with everything in memory, fed with the same input, writes the same.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { EXAMPLES, type Example, inDriver, lastOfEachKey, onBroker, type Written } from '../support/examples.js';
import { temporaryDirectory } from '../support/project.js';

async function onEmbeddedBroker(example: Example, partitions: number): Promise<Written[]> {
  const directory = temporaryDirectory();
  const broker = await openEmbeddedBroker({
    directory: join(directory, 'broker'),
    openDatabase: openRocksDatabase,
    clock: systemClock,
  });
  try {
    return await onBroker(broker, example, partitions, join(directory, 'state'));
  } finally {
    await broker.close();
  }
}

describe('the examples on the embedded broker', () => {
  for (const example of EXAMPLES) {
    it(`${example.folder} writes record for record what it writes in the test driver`, async () => {
      const expected = await inDriver(example, 1);

      assert.deepEqual(await onEmbeddedBroker(example, 1), expected);

      if (example.writes !== undefined) assert.equal(expected.length, example.writes);
      assert.ok(expected.length > 0);
    });

    // Tasks run side by side: in which order their records meet in a repartition topic is open, what they end at is not.
    it(`${example.folder} ends at the same with four partitions`, async () => {
      const expected = lastOfEachKey(await inDriver(example, 4));

      assert.deepEqual(lastOfEachKey(await onEmbeddedBroker(example, 4)), expected);
    });
  }
});
