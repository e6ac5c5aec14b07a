import assert from 'node:assert/strict';
import type { Broker } from '#src/broker/port.js';
import { count, serdes, session, type Topology, topology, type Windowed } from '#src/index.js';
import { parseMoment, type StateDiffOptions, stateDiff } from '#src/replay/index.js';
import { failure } from '../../dsl/support.js';
import { at, bank, pay } from '../bank.js';
import { brokerWith, type Told } from '../support.js';

const visits = topology('visits', (t) => {
  t.stream('clicks', { key: serdes.bytes, value: serdes.json() }).pipe(
    count({ store: 'visits', window: session('1h', { retention: '30d' }) }),
  );
});

const click = (key: string, minute: number): Told => ({ topic: 'clicks', key, value: {}, timestamp: at(minute) });

describe('stateDiff', () => {
  let broker: Broker;

  afterEach(() => broker.close());

  const differences = async (target: Topology, offset: number, store?: string): Promise<unknown[]> => {
    const topic = target === visits ? 'clicks' : 'payments';
    const options: StateDiffOptions = {
      broker,
      inMemory: true,
      before: parseMoment(`offset:${topic}:0=${offset}`),
      after: parseMoment('latest'),
      ...(store !== undefined && { store }),
    };
    const all: unknown[] = [];
    for await (const { key, before, after } of stateDiff(target, options)) all.push([key, before, after]);
    return all;
  };

  it('gives the rows of a store that differ', async () => {
    broker = await brokerWith([pay(0, 'ada', 1), pay(1, 'bob', 2), pay(2, 'ada', 3), pay(3, 'cid', 4)], {
      topics: ['payments'],
    });
    assert.deepEqual(await differences(bank(), 2, 'balances'), [
      ['ada', { total: 1 }, { total: 4 }],
      ['cid', null, { total: 4 }],
    ]);
  });

  it('finds the sessions of a key beside those of another that begins with it', async () => {
    broker = await brokerWith([click('a', 0), click('a\0', 1), click('a', 300)], { topics: ['clicks'] });
    const found = (await differences(visits, 2)) as [Windowed<Buffer>, unknown, unknown][];
    assert.deepEqual(
      found.map(([{ key, start }, before, after]) => [String(key), start, before, after]),
      [['a', at(300), null, 1]],
    );
  });

  it('STORE_UNKNOWN for a store that the topology does not have', async () => {
    broker = await brokerWith([pay(0, 'ada', 1), pay(1, 'bob', 2)], { topics: ['payments'] });
    await assert.rejects(differences(bank(), 1, 'balance'), failure('STORE_UNKNOWN', /"balance".*seen, balances/));
  });
});
