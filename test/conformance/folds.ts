import type { Observable, OperatorFunction } from 'rxjs';
import { aggregate, cogroup, count, reduce, serdes, type Windowing } from '#src/index.js';
import type { FunctionCall, Json, Op } from './case.js';
import { aggregator, reducer } from './functions.js';

/** count, reduce or aggregate, of a grouped stream (windowed or not) or a grouped table. */
export function fold(op: Op, store: string, windowing?: Windowing): OperatorFunction<any, any> {
  const value = serdes.json<Json>();
  switch (op.op) {
    case 'count':
      return count<any>({ store, ...windowing });
    case 'reduce':
      return reduce<any>({
        store,
        value,
        ...windowing,
        add: reducer(op.reducer ?? op.add),
        ...(op.subtract && { subtract: reducer(op.subtract) }),
      });
    default:
      return aggregate<any, any>({
        store,
        value,
        ...windowing,
        initial: () => op.init,
        add: adder(op.add),
        ...(op.merge && { merge: reducer(op.merge) }),
        ...(op.subtract && { subtract: adder(op.subtract) }),
      });
  }
}

/** A stream of a cogroup. */
export interface Cogrouped {
  readonly records: Observable<any>;
  readonly add: FunctionCall;
}

/** The aggregate of a cogroup, windowed or not. */
export function cogrouped(op: Op, store: string, inputs: readonly Cogrouped[], windowing?: Windowing): Observable<any> {
  const options = {
    store,
    value: serdes.json<Json>(),
    initial: () => op.init,
    ...windowing,
    ...(op.merge && { merge: reducer(op.merge) }),
  };
  return cogroup<any, Json>(options, (add) => inputs.map((input) => add<any, any>(input.records, adder(input.add))));
}

const adder = (call: FunctionCall) => {
  const fn = aggregator(call);
  return (current: Json, record: Json): Json => fn(record.key, record.value, current);
};
