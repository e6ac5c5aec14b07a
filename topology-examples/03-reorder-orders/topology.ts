import { reorderByVersion, serdes, to, topology } from 'millrace';

export interface OrderEvent {
  readonly order: string;
  /** Counted by the sender: 1, 2, 3 … for each order. */
  readonly version: number;
  readonly status: 'placed' | 'paid' | 'shipped' | 'delivered';
}

export default topology('reorder-orders', (t) => {
  t.stream('order-events', { key: serdes.string, value: serdes.json<OrderEvent>() }).pipe(
    reorderByVersion({
      store: 'order-versions',
      version: (record) => record.value.version,
      // Without it, the event of an order that happens to arrive first would be taken for its beginning.
      first: 1,
      // A version that was lost must not hold up its order for ever, and must not be passed over in silence either.
      gap: { wait: '30s', then: 'deadLetter' },
    }),
    to('orders-in-order', { key: serdes.string, value: serdes.json<OrderEvent>() }),
  );
});
