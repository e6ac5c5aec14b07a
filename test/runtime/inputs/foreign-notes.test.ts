import assert from 'node:assert/strict';
import { process, type StreamRecord, selectKey, serdes, type Topology, to, topology } from '#src/index.js';
import { Headers } from '#src/model/headers.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { json } from '../../dsl/support.js';
import { Application, memoryBroker } from '../../support/application.js';
import { ToldLogger } from '../../support/told.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

/** Passes each record on, and emits its key again ten milliseconds later. */
const reminders = () =>
  process<In, Record<never, never>, number, string, number>(
    { name: 'r', timer: { payload: serdes.json(), run: ({ key, due }, { emit }) => emit({ key, value: due }) } },
    ({ key, value, timestamp }, { at, emit }) => {
      emit({ key, value });
      at(timestamp + 10, 0);
    },
  );

async function started(target: Topology, options: EngineOptions = {}): Promise<{ app: Application; told: ToldLogger }> {
  const clock = new ManualClock();
  const told = new ToldLogger();
  const app = new Application({ topology: target, options, clock, broker: memoryBroker(clock), logger: told });
  await app.createTopics({ in: 1, out: 1 });
  await go(app, 1);
  return { app, told };
}

async function go(app: Application, ms: number): Promise<void> {
  app.clock.advance(ms);
  await app.runThrough();
}

async function write(
  app: Application,
  topic: string,
  headers: Readonly<Record<string, string>>,
  times = 1,
): Promise<void> {
  const writer = await app.broker.createWriter();
  const record = { topic, partition: 0, key: Buffer.from('a'), value: Buffer.from('1'), timestamp: 5 };
  await writer.write(Array.from({ length: times }, () => ({ ...record, headers: Headers.of(headers) })));
  await writer.flush();
  await writer.close();
}

const out = async (app: Application): Promise<unknown[]> => (await app.read('out')).map(({ value }) => value);

describe('notes that others write', () => {
  for (const [batchRecords, notes] of [
    [1, 1],
    [20, 19],
    [20, 20],
    [20, 50],
  ] as const)
    it(`with places that do not exist stop nothing: ${notes} of them, batches of ${batchRecords}`, async () => {
      const { app, told } = await started(
        topology('app', (t) => t.stream('in', numbers).pipe(reminders(), to('out', numbers))),
        { batchRecords },
      );
      await write(app, 'app-r-timers', { 'millrace.after': 'in-0@999999' }, notes);
      await go(app, 1);
      await app.write('in', [{ key: 'a', value: '1', timestamp: 5 }]);
      for (let i = 0; i < 5; i++) await go(app, 100);
      assert.deepEqual(await out(app), ['1', '15']);
      assert.deepEqual(await app.committed(), { 'app-r-timers[0]': notes + 1, 'in[0]': 1 });
      assert.equal(
        told.lines.filter((line) => /in\[0\] ends at 0, and a record of an internal input/.test(line)).length,
        1,
      );
      await app.close();
    });

  it('do not decide what a task has reached: only headers of its own topics do', async () => {
    const { app } = await started(
      topology('app', (t) =>
        t.stream('in', numbers).pipe(
          selectKey(({ key }: In) => `${key}x`, { name: 'by', ...numbers }),
          reminders(),
          to('out', numbers),
        ),
      ),
    );
    await write(app, 'in', { 'millrace.source': 'in-20000000@5' });
    await go(app, 1);
    await write(app, 'app-by-repartition', { 'millrace.source': 'other-0@7 in-20000000@5 in-0@1e9' });
    for (let i = 0; i < 3; i++) await go(app, 100);
    const noted = await app.read('app-r-timers');
    assert.ok(noted.length > 0);
    for (const { headers } of noted) {
      const after = (headers as Readonly<Record<string, string>>)['millrace.after'] ?? '';
      assert.match(after, /^app-by-repartition-0@\d app-r-timers-0@\d in-0@1$/);
    }
    await app.close();
  });
});
