import { aggregate, serdes, to, topology } from 'millrace';
import { avro } from 'millrace/avro';
import { type Customer, customersValueSchema } from './generated/customers-value.js';
import { type Order, type OrderInput, ordersValueSchema } from './generated/orders-value.js';

const order = avro<Order, OrderInput>(ordersValueSchema);
// The rows of the store have the schema of the topic that they are written to.
const customer = avro<Customer>(customersValueSchema, { subject: 'customers-value' });

export default topology('avro-orders', (t) => {
  t.stream('orders', { key: serdes.string, value: order, timestamp: ({ at }) => at.getTime() }).pipe(
    aggregate({
      store: 'customers',
      value: customer,
      initial: (): Customer => ({ orders: 0, cents: 0, foreign: {} }),
      add: (known, { value }) => added(known, value),
    }),
    to('customers', { key: serdes.string, value: customer }),
  );
});

// An order of version 1 has the default of the new field, and so has a row that was written before.
function added({ orders, cents, foreign }: Customer, order: Order): Customer {
  if (order.currency === 'EUR') return { orders: orders + 1, cents: cents + order.cents, foreign };
  const paid = (foreign[order.currency] ?? 0) + order.cents;
  return { orders: orders + 1, cents, foreign: { ...foreign, [order.currency]: paid } };
}
