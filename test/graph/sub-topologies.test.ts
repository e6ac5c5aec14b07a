import assert from 'node:assert/strict';
import { merge } from 'rxjs';
import { changelogTopic, deadLetterTopic, repartitionTopic, taskId } from '#src/graph/naming.js';
import {
  count,
  dedupe,
  groupBy,
  joinTable,
  process,
  serdes,
  type TopologyBuilder,
  to,
  topology,
  toTable,
} from '#src/index.js';
import { feed, json, open, read } from '../dsl/support.js';

const text = json<string>();
const graphOf = (blueprint: (t: TopologyBuilder) => void) => topology('test', blueprint).graph;

describe('the sub-topologies of a graph', () => {
  it('are one where nodes are connected, and two where a repartition lies between', () => {
    const { subTopologies } = graphOf((t) => {
      t.stream('in', text).pipe(
        groupBy((record) => record.value, { name: 'by-value', key: serdes.string }),
        count({ store: 'counts' }),
        to('out', json<number>()),
      );
      t.stream('other', text).pipe(to('copy', text));
    });
    assert.deepEqual(subTopologies, [
      { id: 'in', nodes: ['source in', 'repartition by-value'], topics: ['in'], repartitions: [], stores: [] },
      {
        id: 'by-value',
        nodes: ['repartition by-value', 'count counts', 'to out'],
        topics: [],
        repartitions: ['by-value'],
        stores: ['counts'],
      },
      { id: 'other', nodes: ['source other', 'to copy'], topics: ['other'], repartitions: [], stores: [] },
    ]);
  });

  it('are one for nodes that share a store', () => {
    const { subTopologies } = graphOf((t) => {
      const rows = t.table('rows', { ...text, store: 'rows' });
      t.stream('in', text).pipe(
        joinTable(rows, (a, b) => a + b),
        to('out', text),
      );
      t.stream('asks', text).pipe(process({ name: 'p', uses: ['rows'], process() {} }));
    });
    assert.deepEqual(
      subTopologies.map(({ id, topics }) => [id, topics]),
      [['rows', ['rows', 'in', 'asks']]],
    );
  });

  it('are one in a circle through a repartition', () => {
    const { subTopologies } = graphOf((t) => {
      const rows = t.table('rows', { ...text, store: 'rows' });
      const grouped = t.stream('in', text).pipe(
        joinTable(rows, (a) => a),
        groupBy((record) => record.value, { name: 'again', key: serdes.string }),
      );
      grouped.pipe(
        joinTable(rows, (a) => a),
        to('out', text),
      );
    });
    assert.deepEqual(
      subTopologies.map(({ id, topics, repartitions }) => [id, topics, repartitions]),
      [['rows', ['rows', 'in'], ['again']]],
    );
  });

  it('have names of their own even if a repartition has that of a topic', async () => {
    const target = topology('test', (t) => {
      t.stream('orders', text).pipe(
        groupBy((record) => record.value, { name: 'orders', key: serdes.string }),
        count({ store: 'counts' }),
        to('out', json<number>()),
      );
    });
    assert.deepEqual(
      target.graph.subTopologies.map(({ id }) => id),
      ['orders', 'orders-repartition'],
    );
    const driver = await open(target);
    await feed(driver, 'orders', [
      ['a', 'x', 1],
      ['b', 'x', 2],
    ]);
    assert.deepEqual(await read(driver), [
      ['x', 1, 1],
      ['x', 2, 2],
    ]);
  });
});

describe('the co-partitioned sets of a graph', () => {
  it('hold the sources whose records meet in one store', () => {
    const { coPartitioned } = graphOf((t) => {
      const rows = t.table('rows', { ...text, store: 'rows' });
      t.stream('in', text).pipe(joinTable(rows, (a) => a));
      t.stream('regrouped', text).pipe(
        groupBy((record) => record.value, { name: 'by-value', key: serdes.string }),
        joinTable(rows, (a) => a),
      );
      t.stream('alone', text).pipe(count({ store: 'counts' }));
      merge(t.stream('x', text), t.stream('y', text)).pipe(toTable({ store: 'xy', value: serdes.string }));
    });
    assert.deepEqual(coPartitioned.map((set) => [...set].sort()).sort(), [
      ['repartition by-value', 'source in', 'source rows'],
      ['source x', 'source y'],
    ]);
  });

  it('leave out what does not go by key', () => {
    const { coPartitioned } = graphOf((t) => {
      merge(t.stream('a', text), t.stream('b', text)).pipe(to('out', text));
      merge(t.stream('c', text), t.stream('d', text)).pipe(
        dedupe({ store: 's', id: () => 1, within: '1d', scope: 'partition' }),
      );
    });
    assert.deepEqual(coPartitioned, []);
  });
});

describe('a graph', () => {
  const blueprint = (t: TopologyBuilder) => {
    const rows = t.table('rows', { ...text, store: 'rows' });
    const input = t.stream('in', text);
    input.pipe(
      joinTable(rows, (a) => a),
      to('one', text),
    );
    input.pipe(
      joinTable(rows, (a) => a),
      dedupe({ store: 'seen', id: () => 1, within: '7d' }),
      to('two', text),
    );
  };

  it('is frozen to the bottom', () => {
    const freezing = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      assert.ok(Object.isFrozen(value), JSON.stringify(value));
      for (const inner of Object.values(value)) freezing(inner);
    };
    freezing(graphOf(blueprint));
    assert.throws(() => (graphOf(blueprint).nodes as unknown[]).push('x'), TypeError);
  });

  it('is drawn once and is the same whenever it is drawn', () => {
    let runs = 0;
    const target = topology('test', (t) => {
      runs++;
      blueprint(t);
    });
    assert.equal(target.graph, target.graph);
    assert.equal(runs, 1);
    assert.deepEqual(graphOf(blueprint), target.graph);
  });

  it('numbers only joins of one table, which name no topic and no store', () => {
    const { nodes, stores } = graphOf(blueprint);
    assert.deepEqual(
      nodes.map(({ id }) => id),
      [
        'source rows',
        'table rows',
        'source in',
        'joinTable rows',
        'to one',
        'joinTable rows.2',
        'dedupe seen',
        'to two',
      ],
    );
    assert.deepEqual(
      stores.map(({ name, owner, ttlMs }) => [name, owner, ttlMs]),
      [
        ['rows', 'table rows', null],
        ['seen', 'dedupe seen', 604_800_000],
      ],
    );
  });

  it('takes one topic read by several as one source', () => {
    const { nodes } = graphOf((t) => {
      t.stream('in', text).pipe(to('a', text));
      t.table('in', { ...text, store: 'rows' }).pipe(to('b', text));
    });
    assert.equal(nodes.filter(({ kind }) => kind === 'source').length, 1);
  });
});

describe('the names of what millrace creates', () => {
  it('are made of the application and the names that the user gave', () => {
    assert.equal(changelogTopic('app', 'rows'), 'app-rows-changelog');
    assert.equal(repartitionTopic('app', 'by-x'), 'app-by-x-repartition');
    assert.equal(deadLetterTopic('app'), 'app-dead-letter');
    assert.equal(taskId('in', 3), 'in-3');
  });
});
