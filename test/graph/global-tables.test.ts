import assert from 'node:assert/strict';
import { describe as show } from '#src/graph/describe.js';
import {
  count,
  joinGlobalTable,
  joinTable,
  process,
  serdes,
  type TopologyBuilder,
  to,
  topology,
  validate,
} from '#src/index.js';
import { json } from '../dsl/support.js';

const text = json<string>();
const options = { key: (record: { readonly value: string }) => record.value, join: (value: string) => value };

const rates = topology('rates', (t) => {
  const all = t.globalTable('rates', { key: serdes.string, value: serdes.double, store: 'all-rates' });
  for (const topic of ['orders', 'refunds'])
    t.stream(topic, text).pipe(joinGlobalTable(all, options), to(`${topic}-priced`, text));
}).graph;

const TEXT = `topology rates

sub-topology orders
  source orders
    reads topic orders (key string, value json)
    → joinGlobalTable all-rates
  joinGlobalTable all-rates
    reads global store all-rates
    → to orders-priced
  to orders-priced
    writes topic orders-priced (key string, value json)

sub-topology refunds
  source refunds
    reads topic refunds (key string, value json)
    → joinGlobalTable all-rates.2
  joinGlobalTable all-rates.2
    reads global store all-rates
    → to refunds-priced
  to refunds-priced
    writes topic refunds-priced (key string, value json)

global tables (every process has all rows of all partitions)
  globalTable rates
    reads topic rates (key string, value double)
    global store all-rates, kept in step by the topic itself
`;

const MERMAID = `flowchart LR
  t1(["rates"])
  t2(["orders"])
  t3(["orders-priced"])
  t4(["refunds"])
  t5(["refunds-priced"])
  s1[("all-rates (global)")]
  subgraph g1["sub-topology orders"]
    n1["source orders"]
    n2["joinGlobalTable all-rates"]
    n3["to orders-priced"]
  end
  subgraph g2["sub-topology refunds"]
    n4["source refunds"]
    n5["joinGlobalTable all-rates.2"]
    n6["to refunds-priced"]
  end
  t1 --> s1
  t2 --> n1
  s1 -.-> n2
  n3 --> t3
  t4 --> n4
  s1 -.-> n5
  n6 --> t5
  n1 --> n2
  n2 --> n3
  n4 --> n5
  n5 --> n6
`;

describe('a global table in the graph', () => {
  it('is read by each sub-topology that joins it, unites none of them, and needs no equal partition counts', () => {
    assert.equal(show(rates, 'text'), TEXT);
    assert.deepEqual(rates.coPartitioned, []);
    assert.ok(rates.subTopologies.every(({ topics, stores }) => !topics.includes('rates') && stores.length === 0));
  });

  it('is drawn outside of the boxes', () => {
    assert.equal(show(rates, 'mermaid'), MERMAID);
  });

  it('is a node of its own in JSON', () => {
    const { nodes, stores } = JSON.parse(show(rates, 'json'));
    assert.deepEqual(nodes[0], {
      kind: 'globalTable',
      id: 'globalTable rates',
      topic: 'rates',
      store: 'all-rates',
      key: 'string',
      value: 'double',
    });
    assert.deepEqual(nodes[2].globals, ['all-rates']);
    assert.equal(stores[0].owner, 'globalTable rates');
  });
});

/** The problems of a topology, as lines with their advice. */
const problems = (blueprint: (t: TopologyBuilder) => void): string[] =>
  validate(topology('test', blueprint)).map(({ where, what, advice }) => `${where}: ${what}. ${advice}`);

/** Exactly one problem, like that. */
function refuses(blueprint: (t: TopologyBuilder) => void, expected: RegExp): void {
  const found = problems(blueprint);
  assert.equal(found.length, 1, `expected one problem, saw ${JSON.stringify(found)}`);
  assert.match(found[0] as string, expected);
}

const global = (t: TopologyBuilder, topic = 'accounts', store = 'all-accounts') =>
  t.globalTable(topic, { ...text, store });

describe('validate refuses', () => {
  it('a topic that is a stream or a table and a global table, in either order', () => {
    refuses((t) => {
      t.stream('accounts', text).pipe(joinGlobalTable(global(t), options), to('out', text));
    }, /^globalTable accounts: its topic is also read as a stream or table\. Read it one way only/);
    refuses((t) => {
      const all = global(t);
      t.stream('in', text).pipe(joinGlobalTable(all, options), to('out', text));
      t.table('accounts', { ...text, store: 'accounts' });
    }, /its topic is also read as a stream or table/);
  });

  it('a global table declared twice, and a store that has the name of another', () => {
    refuses((t) => {
      t.stream('in', text).pipe(to('out', text));
      global(t);
      global(t, 'accounts', 'others');
    }, /^globalTable accounts: the topic is declared twice as a global table\. Declare it once/);
    refuses((t) => {
      t.stream('in', text).pipe(count({ store: 'all-accounts' }));
      global(t);
    }, /the store "all-accounts" already belongs to count all-accounts/);
  });

  it('names and serdes that are missing', () => {
    const found = problems((t) => {
      t.stream('in', text).pipe(to('out', text));
      t.globalTable('no good', { key: serdes.string, store: '' } as never);
    });
    assert.equal(found.length, 3, found.join('\n'));
  });

  it('a global table given to joinTable, and the other way round', () => {
    refuses((t) => {
      t.stream('in', text).pipe(
        joinTable(global(t) as never, (value) => value),
        to('out', text),
      );
    }, /the table on the right is a global table\. Use joinGlobalTable\(table, \{ key, join \}\)/);
    refuses((t) => {
      const accounts = t.table('accounts', { ...text, store: 'accounts' });
      t.stream('in', text).pipe(joinGlobalTable(accounts as never, options), to('out', text));
    }, /its right side is not a global table\. .*t\.globalTable.*joinTable/);
  });

  it('a table on the left, and a global table of another topology', () => {
    refuses((t) => {
      const all = global(t);
      t.table('in', { ...text, store: 'in' }).pipe(joinGlobalTable(all, options as never) as never, to('out', text));
    }, /its input is a table\. Put toStream\(\) before it/);
    refuses((t) => {
      let other: ReturnType<typeof global> | undefined;
      void topology('other', (inner) => {
        other = global(inner);
        inner.stream('in', text).pipe(to('out', text));
      }).graph;
      t.stream('in', text).pipe(joinGlobalTable(other as never, options), to('out', text));
    }, /the global table is not one of this topology/);
  });

  it('a process that uses a global table declared after it', () => {
    refuses((t) => {
      t.stream('in', text).pipe(process({ name: 'p', uses: ['all-accounts'], process: () => undefined }));
      global(t);
    }, /process p: it uses the global table .* declared after it\. Write t\.globalTable before/);
  });

  it('a topology of nothing but global tables', () => {
    refuses((t) => void global(t), /it reads nothing but global tables\. Begin with t\.stream/);
  });
});
