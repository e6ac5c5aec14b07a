import assert from 'node:assert/strict';
import { process as proc, reorderByVersion, count, serdes, topology, to, toStream, tumbling } from '#src/index.js';
import { json, open, feed, read, values, rows, through } from '../dsl/support.js';
const numbers = json();
const reminders = (name='r') => through((input) => input.pipe(proc({
  name, emits: serdes.json(), timer: { payload: serdes.json(), run: ({key, due, payload}, {emit}) => emit({ key, value: ['fired', due, payload] }) },
}, ({ value }, { at, cancel }) => { if (value.cancel) cancel(); else at(value.at, value.p ?? 0, value.id ? {id: value.id} : {}); })));

describe('A moments', function () {
  this.timeout(120000);
  it('head emptied by cancellations: the rest fires?', async () => {
    const d = await open(reminders());
    const n = 8300;
    await feed(d, 'in', Array.from({length: n}, (_, i) => ['k'+i, {at: 10000 + i}, 0]));
    await feed(d, 'in', Array.from({length: 4096}, (_, i) => ['k'+i, {cancel: true}, 1]));
    await d.advance('1h');
    const out = await read(d);
    console.log('fired', out.length, 'expected', n - 4096, 'left rows', Object.keys(await rows(d, 'r-timers')).length);
    await feed(d, 'in', [['new', {at: 5_000_000}, 2]]);
    await d.advance('10h');
    console.log('fired later', (await read(d)).length, 'left rows', Object.keys(await rows(d, 'r-timers')).length);
    await d.restart();
    await d.advance('1h');
    console.log('after a restart', (await read(d)).length, 'left rows', Object.keys(await rows(d, 'r-timers')).length);
  });
  it('two timers of one moment, one throws, skip', async () => {
    const t = through((input) => input.pipe(proc({
      name: 'r', emits: serdes.json(), timer: { payload: serdes.json(), run: ({key, id, due}, {emit}) => { if (id === 'a') throw new Error('bad'); emit({ key, value: id+due }); } },
    }, ({ value }, { at }) => { at(100, 0, {id: 'a'}); at(100, 0, {id: 'b'}); at(101, 0, {id:'c'}) })));
    const d = await open(t, { onError: { process: 'skip' } });
    await feed(d, 'in', [['x', 1]]);
    await d.advance('1s');
    console.log('skip: fired', await values(d), 'left', await rows(d, 'r-timers'));
  });
});
describe('B reorder wall gaps', () => {
  it('a stuck gap while other gaps open twice a second', async () => {
    const t = through((input) => input.pipe(reorderByVersion({ store: 'order', version: ({ value }) => value, first: 1, gap: { wait: '5s', then: 'skip', clock: 'wall' } })));
    const d = await open(t);
    await feed(d, 'in', [['x', 2]]);
    let v = 1;
    for (let i = 0; i < 120; i++) {
      await feed(d, 'in', [['y'+i, 2]]);
      await feed(d, 'in', [['y'+i, 1]]);
      await d.advance('500ms');
    }
    const out = await read(d);
    console.log('x after 60s:', out.filter(([k]) => k === 'x'));
    await d.advance('1s'); await d.advance('5s'); await d.advance('1s'); 
    console.log('x after quiet 7s:', (await read(d)).filter(([k]) => k === 'x'));
  });
});
describe('C wall timers', () => {
  const ticking = (missed) => through((input) => input.pipe(proc({ name: 'tick', rekey: {key: serdes.string}, ...(missed && { wallClock: { missed } }),
    start: ({ schedule, emit }) => void schedule('10ms', 'wall', (now) => emit({ key: 'tick', value: now })) }, () => undefined)));
  for (const missed of [undefined, 'one', 'each']) it('clock set back, missed ' + missed, async () => {
    const d = await open(ticking(missed));
    await d.advance('10ms'); await d.advance('30ms');
    console.log(missed, 'before', await values(d));
    const c = d.clock ?? undefined;
    console.log('clock', c && Object.getOwnPropertyNames(Object.getPrototypeOf(c)));
  });
});
describe('D idle clock', () => {
  it('a window ends late after a jump', async () => {
    const t = through((input) => input.pipe(count({ store: 'c', window: tumbling('1d'), emit: 'onClose', closeAfter: { idle: '1s' } }), toStream()));
    const d = await open(t);
    await feed(d, 'in', [['x', 1, 0]]);
    await d.advance('5s');
    await feed(d, 'in', [['x', 1, 86_400_000 - 2000]]);
    await d.advance('1m');
    console.log('closed after 1m:', (await read(d)).length, 'expected 1');
    await d.advance('23h');
    console.log('closed after 23h more:', (await read(d)).length);
    await d.advance('2h');
    console.log('closed after 25h more:', (await read(d)).length);
  });
});
