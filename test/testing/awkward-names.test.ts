import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { tumbling } from '#src/dsl/windows/windows.js';
import { serdes } from '#src/serdes/serdes.js';
import { TestDriver } from '#src/testing/driver.js';

const text = { key: serdes.string, value: serdes.string };
const counts = { key: serdes.windowed(serdes.string), value: serdes.json<number>() };

describe('the test driver, with a name that is a property of every object', () => {
  for (const name of ['constructor', 'toString', 'valueOf', 'hasOwnProperty', '__proto__'])
    for (const kind of ['store', 'topic'] as const)
      it(`${name} of a ${kind}: counts, restarts and knows what is late`, async () => {
        const topic = kind === 'topic' ? name : 'in';
        const store = kind === 'store' ? name : 'counts';
        const target = topology('app', (t) => {
          const words = t.stream(topic, { ...text, maxTimeJump: '1h' });
          words.pipe(count({ store, window: tumbling('1s') }), to('out', counts));
        });
        const driver = await TestDriver.create(target, { partitions: Object.fromEntries([[topic, 1]]) });
        const input = driver.input(topic, text);
        const out = driver.output('out', counts);
        await input.send({ key: 'a', value: 'x', timestamp: 500 });
        await input.send({ key: 'a', value: 'x', timestamp: 5_000 });
        await input.send({ key: 'a', value: 'its window has closed', timestamp: 600 });
        await driver.restart();
        await driver.run();
        await input.send({ key: 'a', value: 'its window has closed', timestamp: 700 });
        await input.send({ key: 'a', value: 'x', timestamp: 5_500 });
        assert.deepEqual(await out.values(), [1, 1, 2]);
        await driver.close();
      });
});
