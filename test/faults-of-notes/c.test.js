import { process as proc, selectKey, serdes, topology, to } from '#src/index.js';
import { Headers } from '#src/model/headers.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { Application, memoryBroker } from '../support/application.js';
const numbers = { key: serdes.string, value: serdes.json() };
const timerOp = (key = serdes.string) => proc({ name: 'r', timer: { payload: serdes.json(), run: ({ key, due }, { emit }) => emit({ key, value: due }) } }, ({ key, value, timestamp }, { at, emit }) => { emit({ key, value }); at(timestamp + 10, 0); });
const topo = () => topology('app', (t) => t.stream('in', numbers).pipe(timerOp(), to('out', numbers)));
const behind = () => topology('app', (t) => t.stream('in', numbers).pipe(selectKey(({ key }) => key + 'x', { name: 'by', ...numbers }), timerOp(), to('out', numbers)));
const intKey = () => { const n = { key: serdes.json(), value: serdes.json() }; return topology('app', (t) => t.stream('in', n).pipe(timerOp(), to('out', n))); };
const make = async (t, options = {}) => { const clock = new ManualClock(); const app = new Application({ topology: t, options, clock, broker: memoryBroker(clock) }); await app.createTopics({ in: 1, out: 1 }); return app; };
const go = async (app, ms) => { app.clock.advance(ms); await app.runThrough(); };
const out = async (app) => (await app.read('out')).map(({ value }) => value);
const put = async (app, topic, records) => { const w = await app.broker.createWriter(); await w.write(records.map((r) => ({ topic, partition: 0, key: null, value: null, timestamp: 0, ...r, headers: Headers.of(r.headers ?? {}) }))); await w.flush(); await w.close(); };
describe('scratch c', function () {
  this.timeout(20000);
  for (const [batchRecords, n] of [[1, 1], [20, 19], [20, 20]]) it(`F1 ${n} notes never reached, batch ${batchRecords}`, async () => {
    const app = await make(topo(), { batchRecords }); await app.start(); await go(app, 1);
    await put(app, 'app-r-timers', Array.from({ length: n }, () => ({ value: Buffer.from('{}'), headers: { 'millrace.after': 'in-0@999999' } })));
    await go(app, 1);
    await app.write('in', [{ key: 'a', value: '1', timestamp: 5 }]);
    for (let i = 0; i < 5; i++) await go(app, 100);
    console.log(`F1 batch ${batchRecords}, ${n} foreign notes: out`, await out(app), 'expected [1, 15]', JSON.stringify(await app.committed()));
    const t = app.engine.tasks[0]; const a = performance.now(); let turns = 0; while (performance.now() - a < 50) { await t.processBatch(1000); turns++; } console.log('   processBatch(1000) calls in 50 ms of real time:', turns);
    await app.close();
  });
  it('F4 millrace.after with 100000 positions', async () => {
    const app = await make(topo()); await app.start(); await go(app, 1);
    const header = Array.from({ length: 100000 }, (_, i) => `in-0@0`).join(' ') + ' in-0@999999';
    await put(app, 'app-r-timers', [{ value: Buffer.from('{}'), headers: { 'millrace.after': header } }]);
    await app.write('in', Array.from({ length: 300 }, (_, i) => ({ key: 'a', value: '1', timestamp: i })));
    const a = performance.now(); await go(app, 0); console.log('F4 300 records took ms', Math.round(performance.now() - a)); await app.close();
  });
  it('F3 millrace.source of a source record, downstream of a repartition', async () => {
    for (const text of ['in-0@999999', 'in-2000000@5', 'in-20000000@5']) {
      const app = await make(behind()); await app.start(); await go(app, 1);
      await put(app, 'in', [{ key: Buffer.from('a'), value: Buffer.from('1'), timestamp: 5, headers: { 'millrace.source': text } }]);
      const a = performance.now(); await go(app, 0); await go(app, 20);
      const notes = await app.read('app-r-timers');
      console.log('F3', text, 'ms', Math.round(performance.now() - a), 'rss MB', Math.round(process.memoryUsage().rss / 1e6), 'after:', notes.map((n) => n.headers['millrace.after']));
      await app.close();
    }
  });
});
