/** Compiled, never run: branded keys, wherever a key stands. */
import {
  type Broker,
  cogroup,
  count,
  dedupe,
  groupBy,
  joinGlobalTable,
  joinStream,
  joinTable,
  latestByTimestamp,
  leftJoinTable,
  map,
  openProducer,
  outerJoinTable,
  process,
  type RunningStreams,
  reorderByVersion,
  repartition,
  type Stream,
  selectKey,
  send,
  serdes,
  suppress,
  type Table,
  type TopologyBuilder,
  to,
  toStream,
  toTable,
  tumbling,
  type Windowed,
} from '#src/index.js';
import type { TestDriver } from '#src/testing/index.js';
import { is } from './support.js';

type OrderId = string & { readonly __brand: 'OrderId' };
type CustomerId = string & { readonly __brand: 'CustomerId' };
type Number = number & { readonly __brand: 'Number' };

interface Order {
  readonly id: OrderId;
  readonly customer: CustomerId;
  readonly cents: number;
}

interface Customer {
  readonly name: string;
}

declare const t: TopologyBuilder;
declare const driver: TestDriver;
declare const running: RunningStreams;
declare const broker: Broker;
declare const order: Order;

const byOrder = { key: serdes.string.as<OrderId>(), value: serdes.json<Order>() };
const byCustomer = { key: serdes.string.as<CustomerId>(), value: serdes.json<Customer>() };

const orders = t.stream('orders', byOrder);
const rows = t.table('order-rows', { ...byOrder, store: 'order-rows' });
const customers = t.table('customers', { ...byCustomer, store: 'customers' });
const everyCustomer = t.globalTable('customers', { ...byCustomer, store: 'every-customer' });

export const grouping = (): void => {
  orders satisfies Stream<OrderId, Order>;
  orders.pipe(
    groupBy(({ value }) => value.customer, { key: byCustomer.key, name: 'g' }),
    repartition({ key: byCustomer.key, name: 'r' }),
    count({ store: 's', key: byCustomer.key }),
  ) satisfies Table<CustomerId, number>;
  orders.pipe(selectKey(({ value }) => value.customer, { key: byCustomer.key })) satisfies Stream<CustomerId, Order>;
  orders.pipe(map(({ value }) => [value.customer, value.cents], { key: byCustomer.key })) satisfies Stream<
    CustomerId,
    number
  >;
  const numbered = t.stream('numbered', { key: serdes.int64.as<Number>(), value: serdes.string });
  numbered satisfies Stream<Number, string>;
  // @ts-expect-error the new key is a customer's
  orders.pipe(groupBy(({ value }) => value.customer, { key: byOrder.key, name: 'g' }));
  // @ts-expect-error the new key is a customer's
  orders.pipe(selectKey(({ value }) => value.customer, { key: byOrder.key }));
  // @ts-expect-error the keys are those of orders
  orders.pipe(repartition({ key: byCustomer.key, name: 'r' }));
  // @ts-expect-error any text is no id of an order
  orders.pipe(count({ store: 's', key: serdes.string }));
};

export const keeping = (): void => {
  orders.pipe(
    dedupe({ store: 'd', id: ({ key }) => is<OrderId>()(key), within: '1d' }),
    reorderByVersion({ store: 'r', version: ({ value }) => value.cents, ...byOrder }),
    latestByTimestamp({ store: 'l', key: byOrder.key }),
    toTable({ store: 't', ...byOrder }),
    suppress({ store: 's', until: { timeLimit: '1m' }, ...byOrder }),
    toStream(),
    to('out', byOrder),
  ) satisfies Stream<OrderId, Order | null>;
  const windows = orders.pipe(count({ store: 's', window: tumbling('1m'), key: byOrder.key }));
  windows satisfies Table<Windowed<OrderId>, number>;
  windows.pipe(
    suppress({ store: 's', until: 'windowCloses', key: serdes.windowed(byOrder.key) }),
    to('out', { key: serdes.timeWindowed(byOrder.key, '1m'), value: serdes.int64 }),
  );
  cogroup({ store: 's', value: serdes.double, initial: () => 0, key: byOrder.key }, (add) => [
    add(orders, (sum, { key, value }) => (is<OrderId>()(key) === '' ? sum : sum + value.cents)),
  ]) satisfies Table<OrderId, number>;
  orders.pipe(
    process({ name: 'p', stores: { seen: byCustomer } }, ({ key, value }, { stores, emit }) => {
      stores.seen.get(value.customer);
      // @ts-expect-error the rows are those of customers
      stores.seen.get(key);
      emit({ key, value });
      // @ts-expect-error the keys are those of orders
      emit({ key: value.customer, value });
    }),
  ) satisfies Stream<OrderId, Order>;
  // @ts-expect-error the keys are those of orders
  orders.pipe(toTable({ store: 't', key: byCustomer.key, value: byOrder.value }));
  // @ts-expect-error the keys are those of orders
  orders.pipe(to('out', { key: byCustomer.key, value: byOrder.value }));
  // @ts-expect-error the windows are those of orders
  windows.pipe(to('out', { key: serdes.windowed(byCustomer.key), value: serdes.int64 }));
};

export const joining = (): void => {
  const named = { store: 's', value: serdes.string };
  const byKey = orders.pipe(selectKey(({ value }) => value.customer, { key: byCustomer.key }));
  byKey.pipe(joinTable(customers, (_, customer, key) => is<CustomerId>()(key) + customer.name)) satisfies Stream<
    CustomerId,
    string
  >;
  byKey.pipe(leftJoinTable(customers, (_, customer) => customer?.name)) satisfies Stream<
    CustomerId,
    string | undefined
  >;
  rows.pipe(outerJoinTable(rows, (left, right, key) => is<OrderId>()(key))) satisfies Table<OrderId, OrderId>;
  rows.pipe(
    joinTable(customers, { foreignKey: (value) => value.customer, join: (_, { name }) => name, ...named }),
  ) satisfies Table<OrderId, string>;
  orders.pipe(
    joinGlobalTable(everyCustomer, { key: ({ value }) => value.customer, join: (_, { name }) => name }),
  ) satisfies Stream<OrderId, string>;
  orders.pipe(
    joinStream(orders, { store: 's', within: '1h', key: byOrder.key, join: (_, right, key) => is<OrderId>()(key) }),
  ) satisfies Stream<OrderId, OrderId>;
  // @ts-expect-error the table has the keys of customers
  orders.pipe(joinTable(customers, ({ id }) => id));
  // @ts-expect-error the table has the keys of customers
  rows.pipe(outerJoinTable(customers, (left) => left?.id));
  // @ts-expect-error the other stream has the keys of customers
  orders.pipe(joinStream(byKey, { store: 's', within: '1h', join: ({ id }) => id }));
  // @ts-expect-error the rows are those of customers
  rows.pipe(joinTable(customers, { foreignKey: (value) => value.id, join: () => 'x', ...named }));
  // @ts-expect-error the rows are those of customers
  orders.pipe(joinGlobalTable(everyCustomer, { key: ({ key }) => key, join: () => 'x' }));
};

export const outside = async (): Promise<void> => {
  const { id, customer } = order;
  const input = driver.input('orders', byOrder);
  await input.send({ key: id, value: order });
  // @ts-expect-error the keys are those of orders
  await input.send({ key: customer, value: order });
  for (const { key } of await driver.output('orders', byOrder).read()) is<OrderId | null>()(key);
  is<Map<OrderId | null, Order | null>>()(await driver.output('orders', byOrder).toMap());
  await driver.seed<OrderId, number>('s', [[id, 1]]);
  for (const view of [driver.store<OrderId, number>('s'), running.store<OrderId, number>('s')]) {
    await view.get(id);
    // @ts-expect-error the rows are those of orders
    await view.get(customer);
    for await (const [key] of view.rows({ from: id })) is<OrderId>()(key);
  }
  is<readonly (readonly [Windowed<OrderId>, number])[]>()(
    await driver.store<Windowed<OrderId>, number>('s').windows(id),
  );
  await send(broker, 'orders', byOrder, [{ key: id, value: order }]);
  // @ts-expect-error any text is no id of an order
  await send(broker, 'orders', byOrder, [{ key: 'o-1', value: order }]);
  const producer = await openProducer(broker, 'orders', byOrder);
  await producer.send({ key: id, value: order });
  // @ts-expect-error the keys are those of orders
  await producer.send({ key: customer, value: order });
};
