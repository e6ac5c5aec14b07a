import { Observable, type OperatorFunction } from 'rxjs';

/**
 * Emits any number of records for each record, in order; each is delivered before the next is made. If the
 * function throws, the error ends the subscription, as in RxJS's own operators.
 */
export function expand<I, O>(fn: (record: I) => Iterable<O>): OperatorFunction<I, O> {
  return (source) =>
    new Observable<O>((subscriber) =>
      source.subscribe({
        next(record) {
          try {
            for (const made of fn(record)) subscriber.next(made);
          } catch (error) {
            subscriber.error(error);
          }
        },
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
}
