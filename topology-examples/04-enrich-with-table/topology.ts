import { joinTable, serdes, to, topology } from 'millrace';
import { filter } from 'rxjs';

export interface Payment {
  readonly account: string;
  readonly cents: number;
}

export interface Account {
  readonly owner: string;
}

export interface OwnedPayment extends Payment {
  readonly owner: string;
}

export default topology('enrich-with-table', (t) => {
  const payments = t.stream('payments', { key: serdes.string, value: serdes.json<Payment>() });
  const accounts = t.table('accounts', { key: serdes.string, value: serdes.json<Account>(), store: 'accounts' });

  payments.pipe(
    // Any synchronous operator of RxJS may stand in a pipeline.
    filter((record) => record.value.cents > 0),
    // A payment sees its account as it was when the payment came. Both topics have the same keys, so nothing needs to be moved.
    joinTable(accounts, (payment, account): OwnedPayment => ({ ...payment, owner: account.owner })),
    to('owned-payments', { key: serdes.string, value: serdes.json<OwnedPayment>() }),
  );
});
