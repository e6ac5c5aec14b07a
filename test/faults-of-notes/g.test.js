import { process as proc, serdes, topology, to } from '#src/index.js';
import { planReset, applyReset } from '#src/replay/index.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { Application, memoryBroker, diskMachine } from '../support/application.js';
const numbers = { key: serdes.string, value: serdes.json() };
const go = async (app, ms) => { app.clock.advance(ms); await app.runThrough(); };
it('G source recreated shorter, reset to earliest with delete', async () => {
  const machine = diskMachine(); const clock = new ManualClock();
  const t = topology('app', (t) => t.stream('in', numbers).pipe(proc({ name: 'r', timer: { payload: serdes.json(), run: ({ key, due }, { emit }) => emit({ key, value: due }) } }, ({ timestamp }, { at }) => at(timestamp + 100, 0)), to('out', numbers)));
  const app = new Application({ topology: t, clock, broker: memoryBroker(clock), machine }); await app.createTopics({ in: 1, out: 1 }); await app.start();
  for (const [i, key] of ['a', 'b', 'c', 'd'].entries()) { await app.write('in', [{ key, value: '1', timestamp: i * 200 }]); await go(app, 200); }
  await go(app, 500); await app.stop(); const { broker } = app; const { stateDirectory } = machine;
  console.log('G before', (await app.read('out')).map((r) => r.value).join(' '));
  await broker.admin.deleteTopics(['in']); await app.createTopics({ in: 1 });
  const p = await planReset(t, { broker, stateDirectory, to: { kind: 'earliest' }, stores: 'delete', now: clock.now() }); await applyReset(p, { broker, stateDirectory, clock });
  await app.write('in', [{ key: 'n', value: '1', timestamp: clock.now() }]);
  try { await app.start(); await go(app, 0); await go(app, 1000); await go(app, 1000); } catch (e) { console.log('G threw', e.code, e.message); }
  console.log('G after 2 s', (await app.read('out')).map((r) => r.value).join(' '), '(timer of n was due at', 1300 + 100, ') committed', JSON.stringify(await app.committed()));
  await app.close(); await machine.lose();
});
