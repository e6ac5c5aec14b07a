import { flatMapValues, mapAsync, retryable, serdes, terminal, to, topology } from 'millrace';

export interface Payment {
  readonly id: string;
  readonly account: string;
  readonly cents: number;
}

export interface Receipt {
  readonly payment: string;
  /** What the account has paid so far, as the service says. */
  readonly paid: number;
}

/** Calls a payment service. The key says which payment it is: a service that has charged it answers as it did then. */
export type Charge = (payment: Payment, idempotencyKey: string, signal: AbortSignal) => Promise<Receipt>;

const overHttp: Charge = async (payment, idempotencyKey, signal) => {
  const answer = await fetch(`${process.env.PAYMENTS_URL}/charges`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
    body: JSON.stringify(payment),
    signal,
  });
  // It says itself when it is ready again.
  if (answer.status === 429) throw retryable(new Error('too many requests'), { after: '100ms' });
  // No further attempt helps: the account has not enough.
  if (answer.status === 402) throw terminal(new Error('refused'));
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return (await answer.json()) as Receipt;
};

export const payments = (charge: Charge) =>
  topology('payments', (t) => {
    const charged = t.stream('payments', { key: serdes.string, value: serdes.json<Payment>() }).pipe(
      mapAsync('charge', ({ value }, { idempotencyKey, signal }) => charge(value, idempotencyKey, signal), {
        value: serdes.json<Receipt>(),
        // Payments of an account one after the other, those of sixteen accounts at a time.
        concurrency: 16,
        timeout: '500ms',
        retry: { attempts: 8, backoff: { kind: 'exponential', from: '50ms', max: '2s', jitter: 0.2 } },
        breaker: { failures: 20, pause: '1s' },
        onFailure: 'value',
      }),
    );
    charged.pipe(
      flatMapValues((result) => (result.ok ? [result.value] : [])),
      to('receipts', { key: serdes.string, value: serdes.json<Receipt>() }),
    );
    charged.pipe(
      flatMapValues((result) => (result.ok ? [] : [result.error.message])),
      to('refusals', { key: serdes.string, value: serdes.string }),
    );
  });

export default payments(overHttp);
