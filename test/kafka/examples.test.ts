// Promise: the same file runs on Kafka, and writes what it writes anywhere else.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { EXAMPLES, inDriver, lastOfEachKey, onBroker } from '../support/examples.js';
import { temporaryDirectory } from '../support/project.js';
import { forget } from './support/applications.js';
import { describeWithKafka } from './support/suites.js';

describeWithKafka('the examples', (kafka) => {
  for (const example of EXAMPLES) {
    it(`${example.folder} writes record for record what it writes in the test driver`, async () => {
      const broker = await kafka.open();
      await forget(broker, example.topology);

      const written = await onBroker(broker, example, 1, join(temporaryDirectory(), 'state'));

      assert.deepEqual(written, await inDriver(example, 1));
      await forget(broker, example.topology);
    });

    it(`${example.folder} ends at the same with four partitions`, async () => {
      const broker = await kafka.open();
      await forget(broker, example.topology);

      const written = await onBroker(broker, example, 4, join(temporaryDirectory(), 'state'));

      assert.deepEqual(lastOfEachKey(written), lastOfEachKey(await inDriver(example, 4)));
      await forget(broker, example.topology);
    });
  }
});
