import assert from 'node:assert/strict';
import { StreamsError, serdes, topology, toTable } from '#src/index.js';
import { Application, type Machine } from '../support/application.js';

const text = { key: serdes.string, value: serdes.string };
const latest = topology('latest', (t) => {
  t.stream('left', text).pipe(toTable({ store: 'latest', value: serdes.string }));
});

/** The target, whose methods call `first` before they do anything. */
const observed = <T extends object>(target: T, replaced: Partial<T>, first: () => void = () => undefined): T =>
  new Proxy(target, {
    get: (_, name) => {
      if (name in replaced) return Reflect.get(replaced, name);
      const value = Reflect.get(target, name);
      return typeof value === 'function'
        ? (...args: unknown[]) => {
            first();
            return value.apply(target, args);
          }
        : value;
    },
  });

describe('an application that is refused, for the offsets of its group are lost', () => {
  let app: Application;
  afterEach(() => app.close().catch(() => undefined));

  it('says how to go on although the cluster is away at any one question', async () => {
    app = new Application({ topology: latest, options: { guarantee: 'exactly_once' } });
    await app.createTopics({ left: 3 });
    await app.start();
    for (const partition of [0, 1, 2]) await app.write('left', [{ key: 'a', value: 'a', timestamp: 1, partition }]);
    await app.run();
    await app.stop();
    await app.broker.admin.deleteGroup('latest');

    const { broker, machine, clock } = app;
    /** Starts it; the question `awayAt` after a store was opened finds no cluster. */
    const refusal = async (awayAt: number): Promise<{ readonly advice: string; readonly questions: number }> => {
      let isOpen = false;
      let questions = 0;
      const onDisk: Machine = {
        ...machine,
        openDatabase: (directory) => {
          isOpen = true;
          return machine.openDatabase(directory);
        },
      };
      const ask = (): void => {
        if (isOpen && questions++ === awayAt)
          throw new StreamsError('BROKER_UNAVAILABLE', { what: 'no answer', action: 'Wait.' });
      };
      const connect = () => {
        const connection = broker.connect();
        return observed(connection, { admin: observed(connection.admin, {}, ask) });
      };
      const again = new Application({
        ...{ topology: latest, options: { guarantee: 'exactly_once' as const }, machine: onDisk, clock },
        broker: observed(broker, { connect }),
      });
      try {
        await again.start();
      } catch (error) {
        return { advice: /millrace reset FILE --to offset:.*/.exec(String(error))?.[0] ?? String(error), questions };
      }
      assert.fail('it starts');
    };
    const { advice, questions } = await refusal(-1);
    assert.match(advice, /--to offset:left:0=1,left:1=1,left:2=1 --stores keep/);
    assert.ok(questions > 1);
    for (let i = 0; i < questions; i++) assert.equal((await refusal(i)).advice, advice, `question ${i}`);
  });
});
