import { process as proc, serdes, topology, to } from '#src/index.js';
import { replay, stateAsOf } from '#src/replay/index.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { Application, memoryBroker } from '../support/application.js';
const numbers = { key: serdes.string, value: serdes.json() };
const go = async (app, ms) => { app.clock.advance(ms); await app.runThrough(); };
it('N: `each`, crash before the first note (begins) is read', async () => {
  const clock = new ManualClock(); const t = topology('app', (t) => t.stream('in', numbers).pipe(proc({ name: 'tick', rekey: { key: serdes.string }, wallClock: { missed: 'each' }, start: ({ schedule, emit }) => void schedule('10ms', 'wall', (now) => emit({ key: 'tick', value: now })) }, () => undefined), to('out', numbers)));
  const app = new Application({ topology: t, clock, broker: memoryBroker(clock) }); await app.createTopics({ in: 1, out: 1 });
  let left = 1; app.crashHere = (s) => s === '3 offsets' && left-- === 1;
  await app.start(); console.log('N first run', await app.run()); clock.advance(35); await app.start(); await go(app, 0); await go(app, 10);
  console.log('N crashes', app.crashes, 'fired', (await app.read('out')).map(({ value }) => value).join(' '), 'expected 10 20 30 40');
  await app.close();
});
it('X: giveUp of many timers; context timestamp after due', async () => {
  const clock = new ManualClock(); const t = topology('app', (t) => t.stream('in', numbers).pipe(proc({ name: 'tick', rekey: { key: serdes.string }, start: ({ schedule, emit }) => void schedule('10ms', 'wall', (now) => emit({ key: 'tick', value: now })) }, () => undefined), to('out', numbers)));
  const app = new Application({ topology: t, clock, broker: memoryBroker(clock) }); await app.createTopics({ in: 1, out: 1 });
  await app.start(); await go(app, 1); await app.write('in', [{ key: 'a', value: '1', timestamp: 5000 }]); await go(app, 0); await go(app, 10);
  console.log('X emitted timestamp', (await app.read('out')).map(({ timestamp }) => timestamp), 'doc: stream time 5000'); await app.close();
});
