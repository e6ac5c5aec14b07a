import { leftJoinStream, serdes, to, topology } from 'millrace';
import type { Click, Order } from './traffic.js';

export interface AttributedOrder {
  readonly order: string;
  readonly cents: number;
  /** The campaign that was clicked on, and when; null: none was. */
  readonly campaign: string | null;
  readonly clickedAt: string | null;
}

export default topology('join-clicks-to-orders', (t) => {
  const orders = t.stream('orders', { key: serdes.string, value: serdes.json<Order>() });
  const clicks = t.stream('clicks', { key: serdes.string, value: serdes.json<Click>() });

  orders.pipe(
    leftJoinStream(clicks, {
      store: 'attribution',
      // A click counts for half an hour. Browsers tell of one when they find time, so it may come up to two minutes behind the order.
      before: '30m',
      after: '2m',
      grace: '1m',
      join: ({ order, cents }, click): AttributedOrder => ({
        order,
        cents,
        campaign: click?.campaign ?? null,
        clickedAt: click?.at ?? null,
      }),
    }),
    to('attributed-orders', { key: serdes.string, value: serdes.json<AttributedOrder>() }),
  );
});
