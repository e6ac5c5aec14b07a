import assert from 'node:assert/strict';
import { mapAsync, type StreamRecord, serdes, to, topology } from '#src/index.js';
import { replay, stateAsOf } from '#src/replay/index.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { failure, json } from '../dsl/support.js';
import { Application, diskMachine, memoryBroker } from '../support/application.js';

const OUTCOMES = 'app-ask-outcomes';

/** An application with one call done, and one that hangs. */
async function lived() {
  const calls: string[] = [];
  let hangs = true;
  const target = topology('app', (t) => {
    t.stream('in', json<number>()).pipe(
      mapAsync(
        'ask',
        ({ value }: StreamRecord<string, number>, { idempotencyKey }) => {
          calls.push(idempotencyKey);
          return value === 2 && hangs ? new Promise<number>(() => undefined) : value * 10;
        },
        { value: serdes.json<number>() },
      ),
      to('out', json<number>()),
    );
  });
  const machine = diskMachine();
  const app = new Application({ topology: target, broker: memoryBroker(), machine });
  await app.createTopics({ in: 1, out: 1 });
  const goOn = async (): Promise<void> => {
    for (let n = 0; n < 5; n++) {
      await app.runThrough();
      await nextTurn();
    }
  };
  await app.write('in', [
    { key: 'a', value: '1', timestamp: 1 },
    { key: 'b', value: '2', timestamp: 2 },
  ]);
  await goOn();
  assert.deepEqual(await values(app), ['10']);
  return { app, calls, goOn, machine, answers: () => (hangs = false) };
}

const values = async (app: Application): Promise<(string | null)[]> =>
  (await app.read('out')).map(({ value }) => value);

const remove = (app: Application): Promise<unknown> => app.broker.admin.deleteTopics([OUTCOMES]);

const trim = (app: Application): Promise<unknown> =>
  app.broker.admin.deleteRecords([{ topic: OUTCOMES, partition: 0, offset: 1 }]);

describe('outcomes that are gone', () => {
  for (const [how, harm] of [
    ['deleted', remove],
    ['trimmed', trim],
  ] as const)
    it(`OUTCOME_MISSING: a replay needs them, and the topic was ${how}`, async () => {
      const { app } = await lived();
      await app.stop();
      await harm(app);
      const options = { broker: app.broker, inMemory: true };
      await assert.rejects(replay(app.topology, options), failure('OUTCOME_MISSING', /app-ask-outcomes\[0\]/));
      const asOf = { kind: 'latest' } as const;
      await assert.rejects(stateAsOf(app.topology, { ...options, asOf }), failure('OUTCOME_MISSING'));
      const out: (string | null)[] = [];
      await replay(app.topology, {
        ...options,
        effects: 'pending',
        onOutput: (some) => void out.push(...some.map(({ topic }) => topic)),
      });
      assert.deepEqual(out, []);
      await app.close();
    });

  it('are not needed by the running application, once they were read: what is pending is called again', async () => {
    const { app, calls, goOn, machine, answers } = await lived();
    await app.stop();
    await trim(app);
    answers();
    await app.start();
    await goOn();
    await app.write('in', [{ key: 'b', value: '3', timestamp: 3 }]);
    await goOn();
    assert.deepEqual(calls, ['app/ask/in-0@0', 'app/ask/in-0@1', 'app/ask/in-0@1', 'app/ask/in-0@2']);
    assert.deepEqual(await values(app), ['10', '20', '30']);
    await app.close();
    await machine.lose();
  });

  it('STATE_MISMATCH: the application does not start on its rows if their topic was deleted', async () => {
    const { app, calls, machine } = await lived();
    await app.stop();
    await remove(app);
    await assert.rejects(app.start(), failure('STATE_MISMATCH', /app-ask-outcomes.*Start over/s));
    assert.equal(calls.length, 2);
    await app.broker.close();
    await machine.lose();
  });
});
