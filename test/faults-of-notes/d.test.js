import { process as proc, count, serdes, topology, to, toStream, tumbling } from '#src/index.js';
import { planReset, applyReset, replay, stateAsOf } from '#src/replay/index.js';
import { Headers } from '#src/model/headers.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { Application, memoryBroker, diskMachine } from '../support/application.js';
import { temporaryDirectory } from '../support/project.js';
const numbers = { key: serdes.string, value: serdes.json() };
class Skewed extends ManualClock { skew = 0; now() { return super.now() + this.skew; } }
const ticking = (missed) => topology('app', (t) => t.stream('in', numbers).pipe(proc({ name: 'tick', rekey: { key: serdes.string }, ...(missed && { wallClock: { missed } }),
  start: ({ schedule, emit }) => void schedule('10ms', 'wall', (now) => emit({ key: 'tick', value: now })) }, () => undefined), to('out', numbers)));
const timers = () => topology('app', (t) => t.stream('in', numbers).pipe(proc({ name: 'r', timer: { payload: serdes.json(), run: ({ key, due }, { emit }) => emit({ key, value: due }) } }, ({ timestamp }, { at }) => at(timestamp + 100, 0)), to('out', numbers)));
const make = async (topo, options = {}, machine) => { const clock = new Skewed(); const app = new Application({ topology: topo, options, clock, broker: memoryBroker(clock), ...(machine && { machine }) }); await app.createTopics({ in: 1, out: 1 }); return app; };
const go = async (app, ms) => { app.clock.advance(ms); await app.runThrough(); };
const out = async (app) => (await app.read('out')).map(({ value }) => value).join(' ');
const replayed = async (app, until) => { const o = []; await replay(app.topology, { broker: app.broker, inMemory: true, ...(until && { until }), onOutput: (s) => void o.push(...s) }); return o.filter((r) => r.topic === 'out').map(({ value }) => String(value)).join(' '); };
const put = async (app, topic, records) => { const w = await app.broker.createWriter(); await w.write(records.map((r) => ({ topic, partition: 0, key: null, value: null, timestamp: 0, ...r, headers: Headers.of(r.headers ?? {}) }))); await w.flush(); await w.close(); };
const attempt = async (name, work) => { try { console.log(name, 'OK', await work()); } catch (e) { console.log(name, 'THREW', e.code, e.message); } };
describe('scratch d', function () {
  this.timeout(15000);
  it('F5 topic with 3 partitions', async () => { await attempt('F5', async () => { const app = await make(timers()); await app.createTopics({ 'app-r-timers': 3 }); await app.start(); return out(app); }); });
  it('F6 topic deleted while stopped', async () => {
    const app = await make(timers()); await app.start(); await app.write('in', [{ key: 'a', value: '1', timestamp: 0 }]); await go(app, 1); await go(app, 200); await app.write('in', [{ key: 'b', value: '1', timestamp: 150 }]); await go(app, 0); await app.stop();
    await app.broker.admin.deleteTopics(['app-r-timers']);
    await attempt('F6 start', async () => { await app.start(); await go(app, 1); await go(app, 1000); return out(app); });
    await attempt('F6 replay', () => replayed(app));
    await attempt('F6 stateAsOf gaps', async () => { const st = await stateAsOf(app.topology, { broker: app.broker, inMemory: true, asOf: { kind: 'latest' } }); const g = st.gaps; await st.close(); return JSON.stringify(g); });
  });
  it('S snapshot between two notes of one commit', async () => {
    const app = await make(timers()); await app.start();
    await app.write('in', ['a', 'b', 'c'].map((key) => ({ key, value: '1', timestamp: 0 }))); await go(app, 1); await go(app, 200);
    await app.write('in', [{ key: 'z', value: '1', timestamp: 500 }, { key: 'y', value: '1', timestamp: 501 }]); await go(app, 1);
    const directory = temporaryDirectory(); const snapshots = { directory, version: 'v', every: { records: 1 } };
    const rowsOf = async (asOf, s) => { const st = await stateAsOf(app.topology, { broker: app.broker, inMemory: !s, ...(s && { snapshots: s }), asOf }); const r = []; for (const store of st.stores) for await (const [k] of store.entries()) r.push(store.spec.name + ':' + JSON.stringify(k)); await st.close(); return r.join(' '); };
    const cut = { kind: 'offset', offsets: [{ topic: 'in', partition: 0, offset: 5 }, { topic: 'app-r-timers', partition: 0, offset: 1 }] };
    await attempt('S cut', () => rowsOf(cut, snapshots));
    await attempt('S latest with snapshots', () => rowsOf({ kind: 'latest' }, snapshots));
    await attempt('S latest without', () => rowsOf({ kind: 'latest' }));
    await app.close();
  });
});
