import assert from 'node:assert/strict';
import { withoutLogin } from '#src/model/secret.js';
import { openBroker } from '#src/runtime/open-broker.js';
import { systemClock } from '#src/runtime/system.js';
import { openRegistry } from '#src/serdes/registry/open.js';

const MARKER = 'swordfish';

describe('an error', () => {
  it('shows no login that stands in an address', async () => {
    const asked = await Promise.allSettled([
      openBroker(`kafka://ada:${MARKER}@localhost:9092`),
      openBroker(`kafka:ada:${MARKER}@localhost:9092`),
      openBroker(`kafkas://ada:${MARKER}@localhost:9092`),
      openBroker(`kafka://h:1,ada:${MARKER}@localhost:9092`),
      openBroker(`embedded:x`, { kafka: {} }),
      openRegistry(`ada:${MARKER}@localhost:8081`, {}, systemClock),
      openRegistry(`http://ada:${MARKER}%zz@localhost:8081`, {}, systemClock),
      openRegistry(`ftp://ada:${MARKER}@localhost:8081`, {}, systemClock),
    ]);
    for (const one of asked) {
      assert.equal(one.status, 'rejected');
      assert.ok(!String(one.reason).includes(MARKER), String(one.reason));
    }
    assert.equal(withoutLogin(`kafka://ada:${MARKER}@localhost:9092`), 'kafka://…@localhost:9092');
  });
});
