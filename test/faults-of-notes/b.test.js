import assert from 'node:assert/strict';
import { process as proc, reorderByVersion, count, selectKey, serdes, topology, to, toStream, tumbling } from '#src/index.js';
import { planReset, applyReset, replay, stateAsOf } from '#src/replay/index.js';
import { Headers } from '#src/model/headers.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { Application, memoryBroker, diskMachine } from '../support/application.js';
const numbers = { key: serdes.string, value: serdes.json() };
class Skewed extends ManualClock { skew = 0; now() { return super.now() + this.skew; } }
const ticking = (missed) => topology('app', (t) => t.stream('in', numbers).pipe(proc({ name: 'tick', stores: { n: numbers }, rekey: { key: serdes.string }, ...(missed && { wallClock: { missed } }),
  start: ({ schedule, emit, stores }) => void schedule('10ms', 'wall', async (now) => { stores.n.put('n', ((await stores.n.load('n')) ?? 0) + 1); emit({ key: 'tick', value: now }); }) }, () => undefined), to('out', numbers)));
const make = async (topo, options = {}, clock = new Skewed(), machine) => {
  const app = new Application({ topology: topo, options, clock, broker: memoryBroker(clock), ...(machine && { machine }) });
  await app.createTopics({ in: 1, out: 1 });
  return app;
};
const go = async (app, ms) => { app.clock.advance(ms); await app.runThrough(); };
const out = async (app) => (await app.read('out')).map(({ value }) => value);
const replayed = async (app, until) => { const o = []; await replay(app.topology, { broker: app.broker, inMemory: true, ...(until && { until }), onOutput: (s) => void o.push(...s) }); return o.filter((r) => r.topic === 'out').map(({ value }) => String(value)); };
const note = async (app, topic, { key = null, value, headers = {}, timestamp = 0 }) => {
  const w = await app.broker.createWriter();
  for (const one of [].concat(value)) await w.write([{ topic, partition: 0, key: key === null ? null : Buffer.from(key), value: Buffer.from(one), timestamp, headers: Headers.of(headers) }]);
  await w.flush(); await w.close();
};
describe('scratch b', function () {
  this.timeout(60000);
  it('E as-of a time before a timer is due', async () => {
    const topo = topology('app', (t) => t.stream('in', numbers).pipe(proc({ name: 'r', timer: { payload: serdes.json(), run: ({ key, due }, { emit }) => emit({ key, value: due }) } }, ({ timestamp }, { at }) => at(timestamp + 3600000, 0)), to('out', numbers)));
    const app = await make(topo); await app.start();
    await app.write('in', [{ key: 'a', value: '1', timestamp: 0 }]);
    await go(app, 1000); await go(app, 3600000);
    console.log('E live', await out(app));
    for (const time of [1000, 1800000, 3599999, 3600000]) console.log('E replay until', time, await replayed(app, { kind: 'time', time }));
    const st = await stateAsOf(app.topology, { broker: app.broker, inMemory: true, asOf: { kind: 'time', time: 1800000 } });
    for (const s of st.stores) { let n = 0; for await (const e of s.entries()) n++; console.log('E rows of', s.spec.name, n, 'expected 1'); }
    await st.close(); await app.close();
  });
  it('E2 as-of a time inside the wait of a wall gap', async () => {
    const topo = topology('app', (t) => t.stream('in', numbers).pipe(reorderByVersion({ store: 'order', version: ({ value }) => value, first: 1, gap: { wait: '1h', then: 'skip', clock: 'wall' } }), to('out', numbers)));
    const app = await make(topo); await app.start();
    await app.write('in', [{ key: 'a', value: '2', timestamp: 0 }]);
    await go(app, 0); await go(app, 1000); await go(app, 3600000); await go(app, 1000);
    console.log('E2 live', await out(app));
    for (const time of [500, 1800000, 4000000]) console.log('E2 replay until', time, await replayed(app, { kind: 'time', time }));
    await app.close();
  });
});
