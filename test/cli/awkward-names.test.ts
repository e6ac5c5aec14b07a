import assert from 'node:assert/strict';
import { useProjects } from './support.js';

/** Every name of it is a property of every object. */
const AWKWARD = `
import { count, groupBy, joinGlobalTable, joinTable, mapValues, process, serdes, to, topology, tumbling } from 'millrace';

const text = { key: serdes.string, value: serdes.string };
export default topology('constructor', (t) => {
  const words = t.stream('toString', { ...text, maxTimeJump: '1h' });
  const owners = t.table('valueOf', { ...text, store: '__proto__' });
  const all = t.globalTable('isPrototypeOf', { ...text, store: 'propertyIsEnumerable' });
  words.pipe(
    joinTable(owners, (word, owner) => word + owner),
    joinGlobalTable(all, { key: () => 'k', join: (word, more) => word + more }),
    process({
      name: 'toLocaleString',
      stores: { ['__defineGetter__']: text },
      process: (record, { stores, forward }) => {
        stores['__defineGetter__'].put(record.key, record.value);
        forward(record);
      },
    }),
    groupBy((record) => record.value, { ...text, name: 'hasOwnProperty' }),
    count({ store: 'constructor', window: tumbling('1s') }),
    to('__lookupGetter__', { key: serdes.windowed(serdes.string), value: serdes.json() }),
  );
});
`;

describe('an application whose every name is a property of every object', () => {
  const project = useProjects({ inShell: true });

  it('runs, stops, goes on, is looked at, replayed, rebuilt, reset and promoted as any other', async () => {
    const here = project('esm-project');
    here.write('awkward.ts', AWKWARD);
    const feed = async (topic: string, ...times: readonly number[]): Promise<void> => {
      here.write('lines.jsonl', times.map((at) => `${JSON.stringify({ constructor: 'k', at })}\n`).join(''));
      await here.output(`produce ${topic} lines.jsonl --key constructor --timestamp at`);
    };
    const run = (): Promise<string> => here.output('run awkward.ts --partitions 1 --until-idle');
    await run();
    await feed('valueOf', 1);
    await feed('isPrototypeOf', 1);
    await feed('toString', 500, 5_000);
    await run();
    await feed('toString', 600, 5_600);
    await run();
    const rows = await here.lines('state dump awkward.ts');
    assert.deepEqual([...new Set(rows.map(({ store }) => store))].sort(), [
      '__defineGetter__',
      '__proto__',
      'constructor',
      'propertyIsEnumerable',
    ]);
    const get = 'state get awkward.ts --store __proto__ --key k';
    const row = await here.lines(get);
    assert.equal(row.length, 1);
    assert.deepEqual(await here.lines(`${get} --as-of latest`), row);
    assert.deepEqual((await here.lines('state list awkward.ts --format json')).map(({ store }) => store).sort(), [
      '__defineGetter__',
      '__proto__',
      'constructor',
      'propertyIsEnumerable',
    ]);
    const past = await here.output('history awkward.ts --store __defineGetter__ --key k');
    assert.match(past, /toString\[0\]/);
    const outputs = (await here.output('replay awkward.ts')).trim().split('\n');
    assert.deepEqual(outputs.length, (await here.lines('consume __lookupGetter__ --until-end')).length);
    assert.match(await here.output('verify awkward.ts'), /^the same each time/);
    assert.match(await here.output('describe awkward.ts'), /__defineGetter__/);
    for (const from of ['changelog', 'sources'])
      assert.match(await here.output(`rebuild awkward.ts --store __defineGetter__ --from ${from} --yes`), /equal/);
    await here.output('reset awkward.ts --to earliest --yes');
    await run();
    assert.deepEqual(await here.lines('state dump awkward.ts'), rows);
    assert.equal((await here.millrace('run awkward.ts --shadow --fresh --until-idle')).code, 0);
    await here.output('promote awkward.ts --yes');
    await run();
    assert.deepEqual(await here.lines('state dump awkward.ts'), rows);
  });
});
