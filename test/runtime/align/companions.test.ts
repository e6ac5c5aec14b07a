import assert from 'node:assert/strict';
import { merge } from 'rxjs';
import {
  cogroup,
  count,
  groupBy,
  joinTable,
  mapValues,
  serdes,
  session,
  type TopologyBuilder,
  to,
  topology,
  tumbling,
} from '#src/index.js';
import { companionsOf } from '#src/runtime/align/companions.js';
import { declaredNodes } from '#src/runtime/topics/planned-tasks.js';

const text = { key: serdes.string, value: serdes.string };
const counts = { key: serdes.windowed(serdes.string), value: serdes.json<number>() };
const window = tumbling('10ms', { grace: '2ms' });

/** Who keeps together with whom, by the names of sub-topologies; and when something closes after a moment. */
function shown(build: (t: TopologyBuilder) => void): Record<string, readonly [after5: number, ...names: string[]]> {
  const target = topology('test', build);
  const companions = companionsOf(target.graph, declaredNodes(target).processors);
  return Object.fromEntries(
    [...companions].map(([id, { subTopologies, nextClosing }]) => [
      id,
      [nextClosing(5), ...subTopologies.map((one) => one.id).sort()] as const,
    ]),
  );
}

const grouped = (t: TopologyBuilder, topic: string) =>
  t.stream(topic, text).pipe(groupBy(({ value }) => value, { ...text, name: `${topic}-grouped` }));

describe('the tasks that keep together in time', () => {
  it('are none where windows stand behind no repartition, or none stand behind one', () => {
    assert.deepEqual(
      shown((t) => {
        t.stream('in', text).pipe(count({ store: 'counts', window }), to('out', counts));
      }),
      {},
    );
    assert.deepEqual(
      shown((t) => {
        grouped(t, 'in').pipe(count({ store: 'counts' }), to('out', { ...text, value: serdes.json<number>() }));
      }),
      {},
    );
  });

  it('are those before a repartition, up to the next end and grace of a window behind it', () => {
    assert.deepEqual(
      shown((t) => {
        grouped(t, 'in').pipe(count({ store: 'counts', window }), to('out', counts));
      }),
      { in: [12, 'in'] },
    );
  });

  it('are all that lead to the windows, and none waits for what it writes to', () => {
    assert.deepEqual(
      shown((t) => {
        const first = t.stream('in', text).pipe(groupBy(({ value }) => value, { ...text, name: 'first' }));
        first
          .pipe(mapValues((value: string) => value))
          .pipe(groupBy(({ value }) => value, { ...text, name: 'second' }))
          .pipe(count({ store: 'counts', window }), to('out', counts));
      }),
      { first: [12, 'first', 'in'], in: [12, 'in'] },
    );
  });

  it('are those of several topics and the windows themselves: one topic says nothing of the others', () => {
    const both = (t: TopologyBuilder): void => {
      cogroup({ store: 'counts', key: serdes.string, value: counts.value, initial: () => 0, window }, (add) => [
        add(grouped(t, 'a'), (sum: number) => sum + 1),
        add(t.stream('b', text), (sum: number) => sum + 1),
      ]).pipe(to('out', counts));
    };
    assert.deepEqual(shown(both), { a: [12, 'a'], 'a-grouped': [12, 'a'] });
    const two = (t: TopologyBuilder): void => {
      merge(grouped(t, 'a'), grouped(t, 'b')).pipe(
        count({ store: 'counts', key: serdes.string, window }),
        to('out', counts),
      );
    };
    assert.deepEqual(shown(two), { a: [12, 'a', 'b'], b: [12, 'a', 'b'], 'a-grouped': [12, 'a', 'b'] });
  });

  it('are none where windows and a repartition meet in one task, and not one behind the other', () => {
    assert.deepEqual(
      shown((t) => {
        const rows = t.table('rows', { ...text, store: 'rows' });
        const join = (value: string, row: string) => value + row;
        t.stream('in', text).pipe(joinTable(rows, join), count({ store: 'counts', window }), to('out', counts));
        grouped(t, 'other').pipe(joinTable(rows, join), to('joined', text));
      }),
      {},
    );
  });

  it('keep as close as the strictest of several windows demands', () => {
    assert.deepEqual(
      shown((t) => {
        const input = grouped(t, 'in');
        input.pipe(count({ store: 'counts', window }), to('out', counts));
        input.pipe(count({ store: 'visits', window: session('100ms', { grace: '4ms' }) }), to('visits', counts));
      }),
      { in: [8, 'in'] },
    );
  });
});
