import type { OperatorFunction } from 'rxjs';
import { serdes, suppress } from '#src/index.js';
import type { Json, Op } from './case.js';

/** suppress of the vectors, until windows close or a time limit. */
export function suppression({ until, ms, maxRecords }: Op, store: string): OperatorFunction<any, any> {
  const value = serdes.json<Json>();
  if (until === 'windowCloses') return suppress<any, Json>({ store, value, until });
  const bound = maxRecords === undefined ? {} : { maxRecords };
  return suppress<any, Json>({ store, value, until: { timeLimit: `${ms}ms` }, ...bound });
}
