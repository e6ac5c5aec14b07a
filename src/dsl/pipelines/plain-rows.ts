import { isDeepStrictEqual } from 'node:util';
import { Observable, type Subscriber, type Subscription } from 'rxjs';
import { StreamsError } from '../../model/errors.js';
import { noRow } from '../../model/no-row.js';
import { type Change, RowChange, rowChange } from '../../model/record.js';
import { showValue } from '../../serdes/show.js';
import type { AnyRecord } from '../contract/push.js';
import { subscribing } from './ambient.js';
import { failPush, isGivenUp } from './async-guard.js';
import { type Inlet, isOwn, noted, subscribeCutOff } from './own-operators.js';

/**
 * Applies plain RxJS operators to a table as a function of its rows, like `mapValues` and `filterValues`.
 * They run on the current row and on the previous row. So a row that a `filter` no longer passes is deleted
 * downstream, and the earlier result is the `previous` of the change.
 *
 * This does not apply after `toStream()`, where they receive records. It does not apply directly before
 * `toStream()` either, where they receive the changes unmodified.
 *
 * The result is correct only if the operators return the same for the same row, whatever came before. So
 * their result for the change is compared with the result of a new subscription for the row alone. Operators
 * that keep state, emit twice, or read `previous` end the application instead of producing wrong rows. They
 * do not receive deletions.
 *
 * Cost: up to three calls of the operators per change, and two subscriptions.
 */
function plainRows<T>(plain: Observable<T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    const consumer = subscribing();
    const rows = new PlainRows(plain, subscriber as Subscriber<unknown>);
    const upstream = (): Subscription | undefined => rows.connect();
    return consumer ? noted(consumer, upstream) : upstream();
  });
}

/**
 * Turns plain operators after a table into row functions, for a node that needs rows; else returns the
 * source.
 */
export const asRows = <T>(source: Observable<T>): Observable<T> =>
  subscribing()?.rows && !isOwn(source) ? plainRows(source) : source;

class PlainRows {
  readonly #plain: Observable<unknown>;
  readonly #subscriber: Subscriber<unknown>;
  #standing: Run;

  constructor(plain: Observable<unknown>, subscriber: Subscriber<unknown>) {
    this.#plain = plain;
    this.#subscriber = subscriber;
    this.#standing = new Run(plain);
  }

  connect(): Subscription | undefined {
    const subscription = this.#standing.source?.subscribe({
      next: (record) => {
        try {
          this.#change(record as Change<unknown, unknown>);
        } catch (error) {
          this.#subscriber.error(error);
        }
      },
      error: (error) => this.#subscriber.error(error),
      complete: () => this.#subscriber.complete(),
    });
    subscription?.add(() => this.#standing.end());
    return subscription;
  }

  #change(change: Change<unknown, unknown>): void {
    const { key, value, previous, outOfOrder } = change;
    const before = previous === null ? null : this.#ofRow(change, previous);
    let made: AnyRecord | null = null;
    if (value !== null) {
      const { emitted, error, completed } = this.#standing.push(change);
      if (error !== undefined) {
        if (!isGivenUp(undefined)) return this.#subscriber.error(error.thrown);
        // An error ends a subscription.
        this.#standing = new Run(this.#plain);
      }
      if (completed) return this.#subscriber.complete();
      if (emitted.length > 1) return refuse(change, `${emitted.length} records for one`);
      made = error === undefined ? ((emitted[0] as AnyRecord | undefined) ?? null) : null;
      if (made !== null && !isDeepStrictEqual(made.key, key))
        return refuse(change, `a change of the row ${showValue(made.key)}`);
      const again = error === undefined ? this.#ofRow(change, value) : null;
      if (!isDeepStrictEqual(again, made?.value ?? null))
        return refuse(
          change,
          `${showValue(made?.value ?? null)}, but ${showValue(again)} for the same row alone: the operator keeps state, or reads the previous row`,
        );
    }
    const now = made?.value ?? null;
    // As in filterValues: there is no row, and there was none.
    if (now === null && before === null && outOfOrder === undefined) return;
    this.#subscriber.next(rowChange<unknown, unknown>(key, now, before, made ?? change, outOfOrder));
  }

  /** The result for a row alone; null: no row, or an error. */
  #ofRow({ key, timestamp, headers }: Change<unknown, unknown>, value: unknown): unknown {
    const run = new Run(this.#plain);
    const { emitted, error } = run.push(new RowChange(key, value, null, timestamp, headers));
    run.end();
    return error ? noRow(error.thrown) : ((emitted[0] as AnyRecord | undefined)?.value ?? null);
  }
}

/** One subscription to the plain operators, without the operators before and after them. */
class Run {
  readonly #inlet: Inlet = { source: undefined, subscriber: undefined };
  readonly #subscription: Subscription;
  #emitted: unknown[] = [];
  #error: { readonly thrown: unknown } | undefined;
  #completed = false;

  constructor(plain: Observable<unknown>) {
    this.#subscription = subscribeCutOff(this.#inlet, () =>
      plain.subscribe({
        next: (record) => void this.#emitted.push(record),
        error: (thrown: unknown) => {
          this.#error = { thrown };
        },
        complete: () => {
          this.#completed = true;
        },
      }),
    );
  }

  /** The observable that the operators would have subscribed to. */
  get source(): Observable<unknown> | undefined {
    return this.#inlet.source;
  }

  push(change: Change<unknown, unknown>): {
    readonly emitted: readonly unknown[];
    readonly error: { readonly thrown: unknown } | undefined;
    readonly completed: boolean;
  } {
    this.#emitted = [];
    this.#inlet.subscriber?.next(change);
    return { emitted: this.#emitted, error: this.#error, completed: this.#completed };
  }

  end(): void {
    this.#subscription.unsubscribe();
  }
}

function refuse({ key }: Change<unknown, unknown>, saw: string): void {
  failPush(
    new StreamsError('TOPOLOGY_INVALID', {
      what: 'an RxJS operator on a table is not a function of its rows',
      at: `row ${showValue(key)}`,
      saw,
      expected: 'the same row, another value for it, or nothing, and always the same for the same row',
      action:
        'Use mapValues, filterValues or groupBy. Or put toStream() before the operator, or after it if it reads `previous`, and toTable({ store, value }) after that if the result is a table again.',
    }),
  );
}
