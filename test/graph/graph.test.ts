import assert from 'node:assert/strict';
import { filter, map, merge } from 'rxjs';
import {
  count,
  dedupe,
  filterValues,
  groupBy,
  joinTable,
  mapValues,
  process,
  repartition,
  selectKey,
  serdes,
  type TopologyBuilder,
  to,
  topology,
} from '#src/index.js';
import { json } from '../dsl/support.js';

const text = json<string>();
const graphOf = (blueprint: (t: TopologyBuilder) => void) => topology('test', blueprint).graph;
const edgesOf = (blueprint: (t: TopologyBuilder) => void) =>
  graphOf(blueprint).edges.map(
    ({ from, to: target, port, through }) => `${from} -> ${target}:${port} [${through.join(' ')}]`,
  );

describe('the edges of a graph', () => {
  it('name our operators without state that lie between, and not those of RxJS', () => {
    const found = edgesOf((t) => {
      t.stream('in', text).pipe(
        mapValues((value) => value),
        filter(() => true),
        filterValues(() => true),
        map((record) => record),
        to('out', text),
      );
    });
    assert.deepEqual(found, ['source in -> to out:0 [mapValues filterValues]']);
  });

  it('follow merged and branched streams to every source', () => {
    const found = edgesOf((t) => {
      const a = t.stream('a', text);
      const b = t.stream('b', text).pipe(mapValues((value) => value));
      merge(a, b).pipe(to('both', text));
      a.pipe(
        filter(() => true),
        to('some', text),
      );
    });
    assert.deepEqual(found, [
      'source a -> to both:0 []',
      'source b -> to both:0 [mapValues]',
      'source a -> to some:0 []',
    ]);
  });

  it('are listed once if two ways look the same', () => {
    const found = edgesOf((t) => {
      const a = t.stream('a', text);
      merge(a.pipe(filter(() => true)), a.pipe(filter(() => false))).pipe(to('out', text));
    });
    assert.deepEqual(found, ['source a -> to out:0 []']);
  });

  it('lead into the two ports of a join of tables', () => {
    const found = edgesOf((t) => {
      const left = t.table('left', { ...text, store: 'l' });
      left.pipe(joinTable(t.table('right', { ...text, store: 'r' }), (a, b) => a + b));
    });
    assert.deepEqual(found.slice(2), ['table l -> joinTable r:0 []', 'table r -> joinTable r:1 []']);
  });

  it('go on behind to, which passes on what it writes', () => {
    const found = edgesOf((t) => {
      t.stream('in', text).pipe(
        to('first', text),
        mapValues((value) => value),
        to('second', text),
      );
    });
    assert.deepEqual(found, ['source in -> to first:0 []', 'source in -> to second:0 [mapValues]']);
  });
});

describe('a change of key', () => {
  const repartitions = (blueprint: (t: TopologyBuilder) => void) =>
    graphOf(blueprint).nodes.flatMap((node) =>
      node.kind === 'repartition' ? [`${node.name} ${node.key} ${node.value}`] : [],
    );

  it('puts a repartition in front of a keyed operator, named and written as selectKey says', () => {
    const found = repartitions((t) => {
      t.stream('in', text).pipe(
        selectKey((record) => record.value, { name: 'by-value', key: serdes.string, value: serdes.string }),
        mapValues((value) => value),
        count({ store: 'counts' }),
      );
    });
    assert.deepEqual(found, ['by-value string string']);
  });

  it('takes the name of the store, and JSON, where selectKey says nothing', () => {
    const found = repartitions((t) => {
      t.stream('in', text).pipe(
        selectKey((record) => record.value),
        dedupe({ store: 'seen', id: () => 1, within: '1d' }),
      );
    });
    assert.deepEqual(found, ['seen json json']);
  });

  it('needs no repartition before operators that do not go by key', () => {
    const found = repartitions((t) => {
      t.stream('in', text).pipe(
        selectKey((record) => record.value),
        process({ name: 'no-state', process() {} }),
        dedupe({ store: 'seen', id: () => 1, within: '1d', scope: 'partition' }),
        to('out', json<any>()),
      );
    });
    assert.deepEqual(found, []);
  });

  it('is over behind repartition and groupBy', () => {
    const found = repartitions((t) => {
      const keyed = t.stream('in', text).pipe(selectKey((record) => record.value));
      keyed.pipe(repartition({ name: 'once', key: serdes.string }), count({ store: 'a' }));
      keyed.pipe(
        groupBy((record) => record.key, { name: 'twice', key: serdes.string }),
        count({ store: 'b' }),
      );
    });
    assert.deepEqual(found, ['once string json', 'twice string json']);
  });

  it('by a processor puts a repartition in front of the next keyed operator', () => {
    const found = repartitions((t) => {
      t.stream('in', text).pipe(
        process({
          name: 'p',
          rekey: { name: 'by-p', key: serdes.string },
          process: (record, { forward }) => forward(record),
        }),
        count({ store: 'a' }),
      );
    });
    assert.deepEqual(found, ['by-p string json']);
  });

  it('gives the store behind it the serde of the new key', () => {
    const { stores } = graphOf((t) => {
      const input = t.stream('in', { key: serdes.int64, value: serdes.string });
      input.pipe(count({ store: 'same-key' }));
      input.pipe(
        groupBy((record) => record.value, { name: 'x', key: serdes.string }),
        count({ store: 'new-key' }),
      );
      input.pipe(
        selectKey((record) => record.value),
        count({ store: 'unknown-key' }),
      );
      input.pipe(count({ store: 'given-key', key: serdes.double }));
      merge(input, t.stream('other', text)).pipe(count({ store: 'either-key', key: serdes.json<any>() }));
    });
    assert.deepEqual(
      stores.map(({ name, key }) => `${name} ${key}`),
      ['same-key int64', 'new-key string', 'unknown-key json', 'given-key double', 'either-key json'],
    );
  });
});
