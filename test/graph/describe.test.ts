import assert from 'node:assert/strict';
import { aggregate } from '#src/dsl/operators/aggregate.js';
import { cogroup } from '#src/dsl/operators/cogroup.js';
import { dedupe } from '#src/dsl/operators/dedupe.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { joinTable } from '#src/dsl/operators/join-table.js';
import { process } from '#src/dsl/operators/process.js';
import { filterValues, mapValues, selectKey, toStream } from '#src/dsl/operators/stateless.js';
import { suppress } from '#src/dsl/operators/suppress.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { tumbling } from '#src/dsl/windows/windows.js';
import { buildGraph } from '#src/graph/build.js';
import { describe as show } from '#src/graph/describe.js';
import { serdes } from '#src/serdes/serdes.js';

interface Payment {
  readonly id: string;
  readonly account: string;
  readonly amount: number;
}

const payments = topology('payments', (t) => {
  const accounts = t.table('accounts', {
    key: serdes.string,
    value: serdes.json<{ owner: string }>(),
    store: 'accounts',
  });
  t.stream('payments', { key: serdes.string, value: serdes.json<Payment>() }).pipe(
    dedupe({ store: 'seen', id: (record) => record.value.id, within: '7d' }),
    filterValues((payment) => payment.amount > 0),
    groupBy((record) => record.value.account, {
      key: serdes.string,
      value: serdes.json<Payment>(),
      name: 'by-account',
    }),
    aggregate({
      store: 'balances',
      value: serdes.int64,
      initial: () => 0,
      add: (sum, record) => sum + record.value.amount,
    }),
    joinTable(accounts, (total, account) => ({ total, owner: account.owner })),
    to('balances', { key: serdes.string, value: serdes.json<{ total: number; owner: string }>() }),
  );
}).graph;

const TEXT = `topology payments

sub-topology accounts
  source accounts
    reads topic accounts (key string, value json)
    → table accounts
  table accounts (by key)
    store accounts (keyValue, key string, value json)
      changelog <application>-accounts-changelog
    → joinTable accounts
  repartition by-account
    reads topic <application>-by-account-repartition (key string, value json)
    → aggregate balances
  aggregate balances (by key)
    store balances (keyValue, key string, value int64)
      changelog <application>-balances-changelog
    → joinTable accounts
  joinTable accounts (by key)
    reads store balances
    reads store accounts
    → to balances
  to balances
    writes topic balances (key string, value json)

sub-topology payments
  source payments
    reads topic payments (key string, value json)
    → dedupe seen
  dedupe seen (by key)
    store seen (keyValue, key id-2(string), value dedupe-1, rows live 7d)
      changelog <application>-seen-changelog
    → repartition by-account through filterValues, groupBy
  repartition by-account
    writes topic <application>-by-account-repartition (key string, value json)

co-partitioned (need equal numbers of partitions)
  source accounts, repartition by-account
`;

const MERMAID = `flowchart LR
  t1(["accounts"])
  t2(["balances"])
  t3(["payments"])
  t4(["#lt;application#gt;-by-account-repartition"])
  subgraph g1["sub-topology accounts"]
    n1["source accounts"]
    n2["table accounts"]
    s1[("accounts")]
    n3["aggregate balances"]
    s2[("balances")]
    n4["joinTable accounts"]
    n5["to balances"]
  end
  subgraph g2["sub-topology payments"]
    n6["source payments"]
    n7["dedupe seen"]
    s3[("seen")]
  end
  t1 --> n1
  n2 --- s1
  n3 --- s2
  s2 -.-> n4
  s1 -.-> n4
  n5 --> t2
  t3 --> n6
  n7 --- s3
  n1 --> n2
  n6 --> n7
  n7 -->|"filterValues, groupBy"| t4
  t4 --> n3
  n3 --> n4
  n2 --> n4
  n4 --> n5
`;

const traffic = topology('traffic', (t) => {
  const hits = { key: serdes.string, value: serdes.json<number>() };
  cogroup(
    {
      store: 'bytes',
      value: serdes.double,
      initial: () => 0,
      window: tumbling('1m', { grace: '10s' }),
      emit: 'updates',
    },
    (add) => [
      add(t.stream('pages', hits), (sum, { value }) => sum + (value ?? 0)),
      add(
        t.stream('images', hits).pipe(selectKey(({ key }) => key, { ...hits, name: 'images-by-site' })),
        (sum) => sum,
      ),
    ],
  ).pipe(
    suppress({ store: 'final', until: 'windowCloses', value: serdes.double }),
    suppress({ store: 'calm', until: { timeLimit: '1h' }, value: serdes.double }),
    toStream(),
    to('traffic', { key: serdes.windowed(serdes.string), value: serdes.double }),
  );
}).graph;

const TRAFFIC = `topology traffic

sub-topology pages
  source pages
    reads topic pages (key string, value json)
    → cogroup bytes
  repartition images-by-site
    reads topic <application>-images-by-site-repartition (key string, value json)
    → cogroup bytes
  cogroup bytes (by key)
    store bytes (window, key windowed(string), value double, rows live 70s)
      changelog <application>-bytes-changelog
    → suppress final
  suppress final (by key)
    store final (buffer, key due(windowed(string)), value pending-1(double))
      changelog <application>-final-changelog
    → suppress calm
  suppress calm (by key)
    store calm (buffer, key due(windowed(string)), value pending-1(double))
      changelog <application>-calm-changelog
    store calm-places (keyValue, key windowed(string), value place-1(double))
      changelog <application>-calm-places-changelog
    → to traffic through toStream
  to traffic
    writes topic traffic (key windowed(string), value double)

sub-topology images
  source images
    reads topic images (key string, value json)
    → repartition images-by-site through selectKey
  repartition images-by-site
    writes topic <application>-images-by-site-repartition (key string, value json)

co-partitioned (need equal numbers of partitions)
  source pages, repartition images-by-site
`;

/** Nothing a topology function could declare today: names that a drawing must not take for syntax, and nodes that exist in odd places. */
const odd = buildGraph({
  name: 'odd',
  nodes: [
    { kind: 'source', id: 'source "end"', topic: 'a "quoted" [topic]', key: 'string', value: 'a#b' },
    { kind: 'repartition', id: 'repartition again', name: 'again', partitions: 1, key: 'string', value: 'json' },
    { kind: 'repartition', id: 'repartition unread', name: 'unread', partitions: null, key: 'string', value: 'json' },
    { kind: 'sink', id: 'to anywhere', topic: null, key: 'string', value: 'json' },
  ],
  edges: [
    { from: 'source "end"', to: 'repartition again', port: 0, through: ['map<a & b>', 'x\ny`'] },
    { from: 'repartition again', to: 'repartition again', port: 0, through: [] },
    { from: 'source "end"', to: 'repartition unread', port: 0, through: [] },
    { from: 'repartition again', to: 'to anywhere', port: 0, through: [] },
  ],
  stores: [],
});

describe('describe as text', () => {
  it('shows sub-topologies, sources, stores, changelogs, repartitions, sinks and what is co-partitioned', () => {
    assert.equal(show(payments, 'text'), TEXT);
  });

  it('shows all inputs of a cogroup, and the stores of what is held back', () => {
    assert.equal(show(traffic, 'text'), TRAFFIC);
  });

  it('says of a repartition whether the sub-topology writes it, reads it, or both', () => {
    assert.equal(
      show(odd, 'text'),
      `topology odd

sub-topology a "quoted" [topic]
  source "end"
    reads topic a "quoted" [topic] (key string, value a#b)
    → repartition again through map<a & b>, x
y\`
    → repartition unread
  repartition again
    writes and reads topic <application>-again-repartition (key string, value json, 1 partition)
    → repartition again
    → to anywhere
  repartition unread
    writes topic <application>-unread-repartition (key string, value json)
  to anywhere
    writes topic chosen by a function of the record (key string, value json)

sub-topology unread
  repartition unread
    reads topic <application>-unread-repartition (key string, value json)
`,
    );
  });
});

describe('describe as JSON', () => {
  it('is the graph with the version of the form', () => {
    const { format, ...graph } = JSON.parse(show(payments, 'json'));
    assert.equal(format, 1);
    assert.deepEqual(graph, JSON.parse(JSON.stringify(payments)));
  });
});

describe('the own policies of operators', () => {
  const target = topology('policies', (t) => {
    const text = { key: serdes.string, value: serdes.string };
    const backoff = { kind: 'exponential', from: '100ms', max: '30s', jitter: 0.2 } as const;
    t.stream('in', { ...text, onError: 'deadLetter' }).pipe(
      mapValues((value) => value, { onError: { retry: 5, backoff, then: 'skip' } }),
      filterValues(() => true),
      dedupe({
        store: 'seen',
        within: '1d',
        id: ({ value }) => value,
        onError: { retry: 1, backoff: '1s', then: 'fail' },
      }),
      to('out', { ...text, onError: 'skip' }),
    );
    t.globalTable('rates', { ...text, store: 'rates', onError: 'skip' });
  });

  it('are shown as text, at nodes and on the way to them', () => {
    const lines = show(target.graph, 'text').split('\n');
    assert.deepEqual(
      lines.filter((line) => line.includes('on error')).map((line) => line.trim()),
      [
        'on error deadLetter',
        '→ dedupe seen through mapValues (on error retry 5 times (100ms, then 2 times as long each time, at most 30s; jitter 0.2), then skip), filterValues',
        'on error retry 1 time (1s), then fail',
        'on error skip',
        'on error skip',
      ],
    );
  });

  it('are data in JSON, and absent where there are none', () => {
    const { nodes, edges } = JSON.parse(show(target.graph, 'json'));
    const once = (then: string) => ({ retries: 0, backoff: { fromMs: 0, factor: 1, maxMs: 0, jitter: 0 }, then });
    assert.deepEqual(nodes[0].onError, once('deadLetter'));
    assert.deepEqual(edges[0].onError, [
      { retries: 5, backoff: { fromMs: 100, factor: 2, maxMs: 30_000, jitter: 0.2 }, then: 'skip' },
      null,
    ]);
    assert.ok(!('onError' in edges[1]));
    assert.ok(!show(payments, 'json').includes('onError'));
  });
});

describe('describe as a Mermaid flow chart', () => {
  it('draws boxes, stores as cylinders, topics as stadiums, and a repartition between two boxes', () => {
    assert.equal(show(payments, 'mermaid'), MERMAID);
  });

  it('writes what Mermaid would take for syntax as entities, and leaves out boxes without nodes', () => {
    assert.equal(
      show(odd, 'mermaid'),
      `flowchart LR
  t1(["a #quot;quoted#quot; [topic]"])
  t2(["chosen by a function of the record"])
  t3(["#lt;application#gt;-again-repartition"])
  t4(["#lt;application#gt;-unread-repartition"])
  subgraph g1["sub-topology a #quot;quoted#quot; [topic]"]
    n1["source #quot;end#quot;"]
    n2["to anywhere"]
  end
  t1 --> n1
  n2 --> t2
  n1 -->|"map#lt;a #amp; b#gt;, x y#96;"| t3
  t3 --> t3
  n1 --> t4
  t3 --> n2
`,
    );
  });
});

describe('describe of an internal input', () => {
  const { graph } = topology('reminders', (t) => {
    t.stream('orders', { key: serdes.string, value: serdes.json() }).pipe(
      process({ name: 'unpaid', timer: { payload: serdes.json(), run: () => undefined } }, () => undefined),
    );
  });

  it('names its topic beside the operator that notes and reads it', () => {
    assert.match(
      show(graph, 'text'),
      /internal input unpaid-timers\n {4}notes and reads topic <application>-unpaid-timers\n {4}→ process unpaid\n/,
    );
    assert.match(show(graph, 'mermaid'), /t2\(\["#lt;application#gt;-unpaid-timers"\]\)/);
    assert.match(show(graph, 'mermaid'), /n2 <--> t2/);
    const { nodes, subTopologies } = JSON.parse(show(graph, 'json'));
    assert.deepEqual(
      nodes.filter(({ kind }: { kind: string }) => kind === 'internalInput'),
      [{ kind: 'internalInput', id: 'internal input unpaid-timers', name: 'unpaid', holds: 'timers' }],
    );
    assert.deepEqual(subTopologies[0].internalInputs, ['unpaid-timers']);
  });
});
