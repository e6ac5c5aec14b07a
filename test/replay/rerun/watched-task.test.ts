import assert from 'node:assert/strict';
import type { Broker } from '#src/broker/port.js';
import { process, serdes, type Topology, topology } from '#src/index.js';
import { bisect, compare, history } from '#src/replay/index.js';
import { json } from '../../dsl/support.js';
import { type Payment, pay } from '../bank.js';
import { brokerWith } from '../support.js';

/** Writes the row twice for each payment, and never reads it. */
const twice = (second: string): Topology =>
  topology('twice', (t) => {
    t.stream('payments', json<Payment>()).pipe(
      process({
        name: 'twice',
        stores: { seen: { key: serdes.string, value: serdes.string } },
        process({ key, value }, { stores }) {
          stores.seen.put(key as string, `${value.eventId} first`);
          stores.seen.put(key as string, `${value.eventId} ${second}`);
        },
      }),
    );
  });

describe('rows that are written without having been read', () => {
  let broker: Broker;
  const options = () => ({ broker, inMemory: true, store: 'seen', key: 'card-ada' });

  beforeEach(async () => {
    broker = await brokerWith([pay(0, 'ada', 1), pay(1, 'ada', 1)], { topics: ['payments'] });
  });

  afterEach(() => broker.close());

  it('are reported in the order of the writes, each with what was there before', async () => {
    const changes: (readonly [unknown, unknown])[] = [];
    for await (const { before, value } of history(twice('second'), options())) changes.push([before, value]);
    assert.deepEqual(changes, [
      [null, 'e0 first'],
      ['e0 first', 'e0 second'],
      ['e0 second', 'e1 first'],
      ['e1 first', 'e1 second'],
    ]);
    const found = await bisect(twice('second'), { ...options(), when: ({ value }) => value.startsWith('e1') });
    assert.equal(found?.change.value, 'e1 first');
  });

  it('are compared by what they are in the end', async () => {
    assert.equal(await compare(twice('second'), twice('second'), { broker, inMemory: true }), undefined);
    const found = await compare(twice('second'), twice('other'), { broker, inMemory: true });
    assert.deepEqual(found?.rows, [{ store: 'seen', key: 'card-ada', first: 'e0 second', second: 'e0 other' }]);
  });
});
