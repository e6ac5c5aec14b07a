import { aggregate, dedupe, filterValues, groupBy, serdes, type Topology, to, topology } from '#src/index.js';
import { json } from '../dsl/support.js';
import type { Told } from './support.js';

export interface Payment {
  readonly eventId: string;
  readonly account: string;
  readonly amount: number;
}

export interface Balance {
  readonly total: number;
}

/** Payments by card to balances by account: two sub-topologies. `add`: how a balance grows. */
export const bank = (add = (total: number, amount: number): number => total + amount): Topology =>
  topology('bank', (t) => {
    t.stream('payments', json<Payment>())
      .pipe(
        dedupe({ store: 'seen', id: (record) => record.value.eventId, within: '7d' }),
        filterValues((payment) => payment.amount !== 0),
        groupBy((record) => record.value.account, { ...json<Payment>(), name: 'by-account' }),
        aggregate({
          store: 'balances',
          value: serdes.json<Balance>(),
          initial: () => ({ total: 0 }),
          add: (balance, record) => ({ total: add(balance.total, record.value.amount) }),
        }),
      )
      .pipe(to('balances', json<Balance>()));
  });

const START = Date.UTC(2026, 0, 1);

/** A payment; the first of a list is at midnight, each other a minute later. */
export const pay = (minute: number, account: string, amount: number, eventId = `e${minute}`): Told => ({
  topic: 'payments',
  key: `card-${account}`,
  value: { eventId, account, amount },
  timestamp: START + minute * 60_000,
});

export const at = (minute: number): number => START + minute * 60_000;
