import { aggregate, serdes, to, topology } from 'millrace';
import { avro } from 'millrace/avro';

interface OrderV1 {
  readonly id: string;
  readonly customer: string;
  readonly cents: number;
  readonly at: Date;
}

interface CustomerV1 {
  readonly orders: number;
  readonly cents: number;
}

const order = avro<OrderV1>('orders-value', { version: 1 });
const customer = avro<CustomerV1>('customers-value', { version: 1 });

/** The service as it was, when everything was in euros. */
export default topology('avro-orders', (t) => {
  t.stream('orders', { key: serdes.string, value: order, timestamp: ({ at }) => at.getTime() }).pipe(
    aggregate({
      store: 'customers',
      value: customer,
      initial: () => ({ orders: 0, cents: 0 }),
      add: (known, { value }) => ({ orders: known.orders + 1, cents: known.cents + value.cents }),
    }),
    to('customers', { key: serdes.string, value: customer }),
  );
});
