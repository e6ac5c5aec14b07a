import { process as proc, serdes, topology, to } from '#src/index.js';
import { planReset, applyReset, replay, stateAsOf } from '#src/replay/index.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { Application, memoryBroker, diskMachine } from '../support/application.js';
import { temporaryDirectory } from '../support/project.js';
const numbers = { key: serdes.string, value: serdes.json() };
const seen = () => topology('app', (t) => t.stream('in', numbers).pipe(proc({ name: 'r', scope: 'partition', stores: { s: numbers }, timer: { payload: serdes.json(), run: async ({ key }, { stores }) => { stores.s.put('log', ((await stores.s.load('log')) ?? '') + key.toUpperCase()); } } },
  async ({ key, timestamp }, { at, stores }) => { stores.s.put('log', ((await stores.s.load('log')) ?? '') + key); at(timestamp + 100, 0); }), to('out', numbers)));
const make = async (topo, options = {}, machine) => { const clock = new ManualClock(); const app = new Application({ topology: topo, options, clock, broker: memoryBroker(clock), ...(machine && { machine }) }); await app.createTopics({ in: 1, out: 1 }); return app; };
const go = async (app, ms) => { app.clock.advance(ms); await app.runThrough(); };
const attempt = async (name, work) => { try { console.log(name, 'OK', await work()); } catch (e) { console.log(name, 'THREW', e.code, e.message); } };
const logOf = async (app, asOf, s) => { const st = await stateAsOf(app.topology, { broker: app.broker, inMemory: !s, ...(s && { snapshots: s }), asOf }); let r; for (const store of st.stores) if (store.spec.name === 's') for await (const [, v] of store.entries()) r = v; const g = st.gaps; await st.close(); return r + (g?.length ? ' gaps ' + JSON.stringify(g) : ''); };
const live = async (app) => JSON.stringify(Object.entries(await app.rows()).find(([k]) => k.startsWith('s['))?.[1]);
describe('scratch e', function () {
  this.timeout(15000);
  it('S snapshot between two notes of one commit', async () => {
    const app = await make(seen()); await app.start();
    await app.write('in', ['a', 'b', 'c'].map((key) => ({ key, value: '1', timestamp: 0 }))); await go(app, 1); await go(app, 200);
    await app.write('in', [{ key: 'z', value: '1', timestamp: 500 }, { key: 'y', value: '1', timestamp: 501 }]); await go(app, 1);
    const snapshots = { directory: temporaryDirectory(), version: 'v', every: { records: 1 } };
    const cut = { kind: 'offset', offsets: [{ topic: 'in', partition: 0, offset: 5 }, { topic: 'app-r-timers', partition: 0, offset: 1 }] };
    console.log('S live', await live(app));
    await attempt('S cut', () => logOf(app, cut, snapshots));
    await attempt('S latest with snapshots', () => logOf(app, { kind: 'latest' }, snapshots));
    await attempt('S latest without', () => logOf(app, { kind: 'latest' }));
    await app.close();
  });
  it('T trimmed internal input; named offset in reset', async () => {
    const machine = diskMachine(); const app = await make(seen(), {}, machine); await app.start();
    for (const [i, key] of ['a', 'b', 'c'].entries()) { await app.write('in', [{ key, value: '1', timestamp: i * 200 }]); await go(app, 200); }
    await go(app, 500);
    console.log('T live', await live(app));
    await attempt('T as-of latest', () => logOf(app, { kind: 'latest' }));
    const { broker, clock } = app; const { stateDirectory } = machine; await app.stop();
    await attempt('T reset names an internal input', async () => (await planReset(app.topology, { broker, stateDirectory, stores: 'keep', to: { kind: 'offset', offsets: [{ topic: 'app-r-timers', partition: 0, offset: 1 }] }, now: clock.now() })).moves.length);
    await attempt('T trim', () => broker.admin.deleteRecords([{ topic: 'app-r-timers', partition: 0, offset: 2 }]));
    await attempt('T as-of after trim', () => logOf(app, { kind: 'latest' }));
    await attempt('T reset plan', async () => { const p = await planReset(app.topology, { broker, stateDirectory, to: { kind: 'earliest' }, now: clock.now() }); await applyReset(p, { broker, stateDirectory, clock }); return p.warnings; });
    await app.start(); await go(app, 1); await go(app, 1000); console.log('T live after reset', await live(app));
    await attempt('T as-of after reset', () => logOf(app, { kind: 'latest' }));
    await app.stop();
    await broker.admin.deleteTopics(['in']); await app.createTopics({ in: 1 }); 
    await app.write('in', [{ key: 'n', value: '1', timestamp: clock.now() }]);
    await attempt('T source recreated, reset to earliest', async () => { const p = await planReset(app.topology, { broker, stateDirectory, to: { kind: 'earliest' }, stores: 'delete', now: clock.now() }); await applyReset(p, { broker, stateDirectory, clock }); await app.start(); await go(app, 1); await go(app, 1000); await go(app, 1000); return live(app) + ' as-of ' + await logOf(app, { kind: 'latest' }); });
    await app.close(); await machine.lose();
  });
});
