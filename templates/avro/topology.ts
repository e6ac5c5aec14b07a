import { aggregate, serdes, to, topology } from 'millrace';
import { avro } from 'millrace/avro';
import { type Balance, balancesValueSchema } from './generated/balances-value.js';
import { type Payment, type PaymentInput, paymentsValueSchema } from './generated/payments-value.js';

const payment = avro<Payment, PaymentInput>(paymentsValueSchema);
// The rows of the store have the schema of the topic that they are written to.
const balance = avro<Balance>(balancesValueSchema, { subject: 'balances-value' });

export default topology('balances', (t) => {
  t.stream('payments', { key: serdes.string, value: payment, timestamp: ({ at }) => at.getTime() }).pipe(
    aggregate({
      store: 'balances',
      value: balance,
      initial: (): Balance => ({ payments: 0, cents: {} }),
      add: ({ payments, cents }, { value }) => ({
        payments: payments + 1,
        cents: { ...cents, [value.currency]: (cents[value.currency] ?? 0) + value.cents },
      }),
    }),
    to('balances', { key: serdes.string, value: balance }),
  );
});
