import assert from 'node:assert/strict';
import fc from 'fast-check';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import { main } from '#src/cli/main.js';
import { Headers } from '#src/model/headers.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { hostile, MOVES } from '../trust/hostile.js';
import { type Project, useProjects } from './support.js';
import { testIo } from './test-io.js';

/** Keeps what comes, and fails with what came if it is told to. */
const TOPOLOGY = `
import { aggregate, dedupe, effect, serdes, to, topology, toStream } from 'millrace';

const json = { key: serdes.string, value: serdes.json() };
export default topology('texts', (t) => {
  t.stream('in', json).pipe(
    dedupe({ store: 'seen', id: (record) => record.value.id, within: '1d' }),
    aggregate({
      store: 'last',
      value: serdes.json(),
      initial: () => null,
      add: (_, { value }) => {
        if (value.fails) throw new Error(value.text);
        return value;
      },
    }),
    toStream(),
    effect('call', { inline: true, run: () => {} }),
    to('out', json),
  );
});
`;

const ERASED = '\r\u001b[K';
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const DRAWN = /\r\u001b\[K[^\r\n]*(?=\r\u001b\[K)/g;

interface Written {
  readonly key: string;
  readonly text: string;
  readonly header: string;
}

async function fill(here: Project, topic: string, records: readonly (Written & { readonly value: string })[]) {
  const directory = here.path('.millrace/broker');
  const broker = await openEmbeddedBroker({ directory, openDatabase: openRocksDatabase, clock: systemClock });
  const known = (await broker.admin.describeTopics([topic])).length > 0;
  if (!known) await broker.admin.createTopics([{ name: topic, partitions: 1, config: { 'retention.ms': '-1' } }]);
  const writer = await broker.createWriter();
  await writer.write(
    records.map(({ key, value, header }, i) => ({
      ...{ topic, partition: 0, timestamp: i, key: Buffer.from(key), value: Buffer.from(value) },
      headers: new Headers([[header, Buffer.from(header)]]),
    })),
  );
  await writer.flush();
  await writer.close();
  await broker.close();
}

describe('records whose every text is hostile, on a terminal', () => {
  const project = useProjects();

  it('move no cursor, hide nothing and make no line of their own, in whatever prints them', async () => {
    const written = fc.record({ key: hostile, text: hostile, header: hostile });
    await fc.assert(
      fc.asyncProperty(fc.array(written, { minLength: 5, maxLength: 15 }), async (records) => {
        const here = project('esm-project');
        here.write('texts.mjs', TOPOLOGY);
        const jsonOf = ({ text, key }: Written, more: object): string => JSON.stringify({ text, [key]: text, ...more });
        const idOf = ({ text }: Written, i: number): string => `${i} ${Buffer.from(text).toString()}`;
        await fill(
          here,
          'in',
          records.map((each, i) => ({ ...each, value: jsonOf(each, { id: idOf(each, i) }) })),
        );
        await fill(
          here,
          'raw',
          records.map((each) => ({ ...each, value: each.text })),
        );
        /** What a command prints, and its exit code. Colours are none, so that nothing may be a sequence. */
        const print = async (...args: readonly string[]): Promise<{ code: number; lines: readonly string[] }> => {
          const io = testIo({ cwd: here.directory, terminal: true });
          const code = await main(args, io);
          // A status line, and that it was erased.
          const errors = io.errors().replaceAll(DRAWN, '').replaceAll(ERASED, '');
          const lines = `${io.output()}${errors}`.split('\n');
          for (const line of lines) assert.doesNotMatch(line.replaceAll('\t', ' '), MOVES, args.join(' '));
          return { code, lines: lines.filter((line) => line !== '') };
        };
        const printed = async (count: number, ...args: readonly string[]): Promise<void> => {
          const { code, lines } = await print(...args);
          assert.deepEqual([code, lines.length], [0, count], `${args.join(' ')}: ${lines.join('\n')}`);
        };
        const ran = await print('run', 'texts.mjs', '--until-idle', '--print', 'out');
        assert.equal(ran.code, 0, ran.lines.join('\n'));
        const keys = [...new Set(records.map(({ key }) => Buffer.from(key).toString()))];
        await printed(records.length, 'consume', 'in', '--until-end');
        await printed(records.length, 'consume', 'raw', '--until-end');
        await printed(records.length, 'consume', 'out', '--until-end', '--topology', 'texts.mjs');
        assert.equal((await print('consume', 'raw', '--until-end', '--format', 'value')).code, 0);
        const kept = (await print('state', 'dump', 'texts.mjs', '--store', 'last')).lines;
        for (const row of kept) assert.deepEqual(Object.keys(JSON.parse(row)), ['store', 'partition', 'key', 'value']);
        for (const key of keys.slice(0, 2)) {
          for (const command of ['history', 'trace'] as const) {
            const store = command === 'history' ? ['--store', 'last'] : [];
            const { lines } = await print(command, 'texts.mjs', ...store, `--key=${key}`);
            for (const line of lines)
              assert.match(line, /^(event|key|value|row|before|after|the store|in\[0\]@\d| {2}task | {4}[a-z]+ )/);
          }
          await print('state', 'get', 'texts.mjs', '--store', 'last', `--key=${key}`);
        }
        const replayed = (await print('replay', 'texts.mjs')).lines.filter((line) => line.startsWith('{'));
        assert.equal(replayed.length, 2 * records.length);
        assert.equal((await print('bisect', 'texts.mjs', '--store', 'last', '--when', 'true')).code, 0);
        await print('verify', 'texts.mjs');
        const [first] = records as [Written];
        await fill(here, 'in', [{ ...first, value: jsonOf(first, { id: 'new', fails: true }) }]);
        for (const verbose of [[], ['--verbose']]) {
          const { code, lines } = await print('run', 'texts.mjs', '--until-idle', ...verbose);
          assert.equal(code, 1);
          for (const line of lines)
            assert.match(line, /^(\d\d:\d\d:\d\dZ |PROCESS_FAILED: | +at |StreamsError: |Error(: |$))/);
        }
        assert.equal((await print('replay', 'texts.mjs', '--verbose')).code, 1);
        here.end();
      }),
      { numRuns: 2, endOnFailure: true },
    );
  });
});
