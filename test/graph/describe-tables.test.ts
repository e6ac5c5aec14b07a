import assert from 'node:assert/strict';
import { joinTable, leftJoinTable } from '#src/dsl/operators/join-table.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { describe as show } from '#src/graph/describe.js';
import { serdes } from '#src/serdes/serdes.js';

const text = { key: serdes.string, value: serdes.string };

const shop = topology('shop', (t) => {
  const prices = t.table('prices', { ...text, store: 'prices', history: '30d' });
  const customers = t.table('customers', { ...text, store: 'customers' });
  t.table('orders', { ...text, store: 'orders' }).pipe(
    leftJoinTable(customers, {
      foreignKey: (order) => order,
      join: (order, customer) => `${order} ${customer}`,
      store: 'orders-of',
      value: serdes.string,
    }),
    to('orders-of', text),
  );
  t.stream('sales', text).pipe(
    joinTable(prices, { join: (sale, price) => sale + price, grace: '10s', store: 'waiting', value: serdes.string }),
    to('priced', text),
  );
}).graph;

const TEXT = `topology shop

sub-topology prices
  source prices
    reads topic prices (key string, value string)
    → table prices
  table prices (by key)
    store prices (versioned, key string, value string, past of 30d)
      changelog <application>-prices-changelog
    store prices-versions (versions, key chunk-of(string), value versions-1(string), rows live 30d)
      changelog <application>-prices-versions-changelog
  source sales
    reads topic sales (key string, value string)
    → hold waiting
  hold waiting (by key)
    store waiting (buffer, key due(string), value held-1(string))
      changelog <application>-waiting-changelog
    → joinTable prices
  joinTable prices (by key)
    reads store prices
    → to priced
  to priced
    writes topic priced (key string, value string)

sub-topology customers
  source customers
    reads topic customers (key string, value string)
    → table customers
  table customers (by key)
    store customers (keyValue, key string, value string)
      changelog <application>-customers-changelog
    → answer orders-of-subscribers
  repartition orders-of-subscriptions
    reads topic <application>-orders-of-subscriptions-repartition (key string, value subscription-2)
    → answer orders-of-subscribers
  answer orders-of-subscribers (by key)
    store orders-of-subscribers (keyValue, key chunk-of(string), value subscribers-1)
      changelog <application>-orders-of-subscribers-changelog
    reads store customers
    → repartition orders-of-answers
  repartition orders-of-answers
    writes topic <application>-orders-of-answers-repartition (key string, value answer-1(string))

sub-topology orders
  source orders
    reads topic orders (key string, value string)
    → table orders
  table orders (by key)
    store orders (keyValue, key string, value string)
      changelog <application>-orders-changelog
    → subscribe orders-of
  subscribe orders-of (by key)
    → repartition orders-of-subscriptions
  repartition orders-of-subscriptions
    writes topic <application>-orders-of-subscriptions-repartition (key string, value subscription-2)
  repartition orders-of-answers
    reads topic <application>-orders-of-answers-repartition (key string, value answer-1(string))
    → leftJoinTable orders-of
  leftJoinTable orders-of (by key)
    store orders-of (keyValue, key string, value string)
      changelog <application>-orders-of-changelog
    reads store orders
    → to orders-of
  to orders-of
    writes topic orders-of (key string, value string)

co-partitioned (need equal numbers of partitions)
  source prices, source sales
  source customers, repartition orders-of-subscriptions
  source orders, repartition orders-of-answers`;

describe('describe', () => {
  it('shows a join as of a time with what waits for it, and a foreign-key join with its internal topics', () => {
    assert.equal(show(shop, 'text').trimEnd(), TEXT);
  });
});
