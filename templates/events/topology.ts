import { aggregate, dedupe, reorderByVersion, serdes, to, topology } from 'millrace';
import { apply, type Order, type OrderEvent } from './order.js';

export default topology('orders', (t) => {
  t.stream('order-events', { key: serdes.string, value: serdes.json<OrderEvent>() }).pipe(
    // Drops an event that was sent before, within a week of event time.
    dedupe({ store: 'seen-events', id: (record) => record.value.eventId, within: '7d' }),
    // Lets the events of an order through as 1, 2, 3 … If a version does not come within 30 s of event time,
    // the events that wait for it go to the dead letter topic.
    reorderByVersion({
      store: 'event-order',
      version: (record) => record.value.version,
      first: 1,
      gap: { wait: '30s', then: 'deadLetter' },
    }),
    // Keeps the latest state of each order. An event that apply refuses goes to the dead letter topic, too:
    // --on-error in package.json says so.
    aggregate({
      store: 'orders',
      value: serdes.json<Order | null>(),
      initial: () => null,
      add: (order, record) => apply(order, record.value),
    }),
    to('orders', { key: serdes.string, value: serdes.json<Order>() }),
  );
});
