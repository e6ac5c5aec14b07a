import type { OperatorFunction } from 'rxjs';
import { aggregate, count, reduce, serdes, type Windows } from '#src/index.js';
import type { Json, Op } from './case.js';
import { aggregator, reducer } from './functions.js';

/** count, reduce or aggregate, of a grouped stream (windowed or not) or a grouped table. */
export function fold(op: Op, store: string, window?: Windows): OperatorFunction<any, any> {
  const value = serdes.json<Json>();
  const windowing = window && { window };
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
    default: {
      const called = (fn: ReturnType<typeof aggregator>) => (current: Json, record: Json) =>
        fn(record.key, record.value, current);
      return aggregate<any, any>({
        store,
        value,
        ...windowing,
        initial: () => op.init,
        add: called(aggregator(op.add)),
        ...(op.subtract && { subtract: called(aggregator(op.subtract)) }),
      });
    }
  }
}
