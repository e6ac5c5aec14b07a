import { aggregate, dedupe, serdes, to, topology } from 'millrace';

export interface Payment {
  /** The same for every attempt to deliver this payment. */
  readonly eventId: string;
  readonly account: string;
  readonly cents: number;
}

export default topology('dedupe-payments', (t) => {
  t.stream('payments', { key: serdes.string, value: serdes.json<Payment>() }).pipe(
    // The sender tries again for as long as a week. Time here is that of the records, so a replay decides as the live run did.
    dedupe({ store: 'seen-payments', id: (record) => record.value.eventId, within: '7d' }),
    aggregate({
      store: 'balances',
      value: serdes.int64,
      initial: () => 0,
      add: (cents, record) => cents + record.value.cents,
    }),
    to('balances', { key: serdes.string, value: serdes.int64 }),
  );
});
