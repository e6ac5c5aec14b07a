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
  for (const missed of [undefined, 'each']) it('C3 clock set back while a note is on its way ' + missed, async () => {
    const app = await make(ticking(missed)); await app.start();
    await go(app, 1); await go(app, 39);
    let done = false; app.crashHere = (step) => { if (!done && step === '3 offsets') { done = true; app.clock.skew = -25; } return false; };
    await go(app, 10); console.log('C3', missed, 'skewed', done, await out(app));
    for (let i = 0; i < 30; i++) await go(app, 10);
    console.log('C3', missed, 'after 300 ms', await out(app)); await app.close();
  });
  for (const missed of ['one', 'each']) it('C4 restart with the clock an hour back ' + missed, async () => {
    const app = await make(ticking(missed)); app.clock.advance(3600000); await app.start(); await go(app, 1); await go(app, 10); await app.stop();
    app.clock.skew = -3600000; await app.start(); for (let i = 0; i < 30; i++) await go(app, 10);
    console.log('C4', missed, await out(app)); await app.close();
  });
  it('R control: the same downtime without reset', async () => {
    const app = await make(ticking('each')); await app.start(); await go(app, 1); await go(app, 10); await go(app, 10); await app.stop(); app.clock.advance(30); await app.start(); await go(app, 0); await go(app, 1); await go(app, 10);
    console.log('R control', await out(app)); await app.close();
  });
  it('H2 schedule in process, crash before the note is read', async () => {
    const topo = topology('app', (t) => t.stream('in', numbers).pipe(proc({ name: 'tick', rekey: { key: serdes.string }, wallClock: true }, (_r, { schedule, emit }) => void schedule('10ms', 'wall', (now) => emit({ key: 'tick', value: now }))), to('out', numbers)));
    const app = await make(topo); await app.start(); await app.write('in', [{ key: 'a', value: '1', timestamp: 0 }]); await go(app, 1);
    let left = 1; app.crashHere = (step) => step === '3 offsets' && left-- === 1;
    await go(app, 10); console.log('H2 crashes', app.crashes, 'live', await out(app), '| replay', await replayed(app)); await app.close();
  });
  it('F5 topic with 3 partitions', async () => { await attempt('F5', async () => { const app = await make(timers()); await app.createTopics({ 'app-r-timers': 3 }); await app.start(); return out(app); }); });
  it('F6 topic deleted while stopped', async () => {
    const app = await make(timers()); await app.start(); await app.write('in', [{ key: 'a', value: '1', timestamp: 0 }]); await go(app, 1); await go(app, 200); await app.write('in', [{ key: 'b', value: '1', timestamp: 150 }]); await go(app, 0); await app.stop();
    await app.broker.admin.deleteTopics(['app-r-timers']);
    await attempt('F6 start', async () => { await app.start(); await go(app, 1); await go(app, 1000); return out(app); });
    await attempt('F6 replay', () => replayed(app));
    await attempt('F6 stateAsOf gaps', async () => { const st = await stateAsOf(app.topology, { broker: app.broker, inMemory: true, asOf: { kind: 'latest' } }); const g = st.gaps; await st.close(); return JSON.stringify(g); });
  });
  it('F7 foreign moments', async () => {
    const idle = topology('app', (t) => t.stream('in', numbers).pipe(count({ store: 'c', window: tumbling('10ms'), emit: 'onClose', closeAfter: { idle: '5ms' } }), toStream(), to('out', { key: serdes.json(), value: serdes.json() })));
    for (const streamTime of [1e300, -5, 1.5]) { const app = await make(idle, { onError: { process: 'skip' } }); await app.start(); await go(app, 1);
    await app.write('in', [{ key: 'a', value: '1', timestamp: 5 }]); await go(app, 0);
    await put(app, 'app-c-timers', [{ value: Buffer.from(JSON.stringify({ streamTime })) }]);
    await attempt('F7 idle ' + streamTime, async () => { await go(app, 0); await app.stop(); await app.start(); await app.write('in', [{ key: 'a', value: '1', timestamp: 50 }]); await go(app, 0); await go(app, 1000); return out(app); }); }
    const app = await make(ticking('each'), { onError: { process: 'skip' } }); await app.start(); await go(app, 1);
    await put(app, 'app-tick-timers', [{ key: Buffer.from('10 start[0]'), value: Buffer.from('{"due":1e300,"now":5}') }]);
    await attempt('F7 wall 1e300', async () => { await go(app, 0); await go(app, 10); await go(app, 10); return out(app); });
    const b = await make(ticking('each'), { onError: { process: 'skip' } }); await b.start(); await go(b, 1);
    await put(b, 'app-tick-timers', [{ key: Buffer.from('10 start[0]'), value: Buffer.from('{"begins":true,"due":-1000000,"now":5}') }]);
    await attempt('F7 wall begins long ago', async () => { await go(b, 0); await b.stop(); await b.start(); await go(b, 0); return (await out(b)).split(' ').length + ' firings'; });
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
