import type { Observable, OperatorFunction } from 'rxjs';
import {
  type GlobalTable,
  joinGlobalTable,
  joinStream,
  joinTable,
  leftJoinGlobalTable,
  leftJoinStream,
  leftJoinTable,
  outerJoinStream,
  outerJoinTable,
} from '#src/index.js';
import type { Json, Op } from './case.js';
import { joiner, keyFunction } from './functions.js';

/** A stream or a table, joined with a table that has a store. */
export function join(op: Op, right: Observable<any>, ofTables: boolean): OperatorFunction<any, any> {
  const fn = joiner(op.joiner);
  const joined = (left: Json, row: Json, key: Json): Json => fn(key, left, row);
  if (op.op === 'join') return joinTable<any, any, any>(right, joined);
  if (op.op === 'leftJoin') return leftJoinTable<any, any, any>(right, joined);
  if (!ofTables) throw new Error('saw an outer join of a stream with a table, which there is not');
  return outerJoinTable<any, any, any, any>(right, joined);
}

/** A stream, joined with a global table by a key made of each record. */
export function joinGlobal(op: Op, right: GlobalTable<string, Json>): OperatorFunction<any, any> {
  const [keyOf, fn] = [keyFunction(op.key), joiner(op.joiner)];
  const options = {
    key: ({ key, value }: Json) => keyOf(key, value),
    join: (left: Json, row: Json, key: Json): Json => fn(key, left, row),
  };
  return op.op === 'leftJoin' ? leftJoinGlobalTable(right, options) : joinGlobalTable(right, options);
}

const STREAM_JOINS = { join: joinStream, leftJoin: leftJoinStream, outerJoin: outerJoinStream };

/** Two streams, joined within a window. */
export function joinStreams(op: Op, right: Observable<any>, store: string): OperatorFunction<any, any> {
  const fn = joiner(op.joiner);
  return STREAM_JOINS[op.op as keyof typeof STREAM_JOINS]<any, any, any>(right, {
    store,
    before: `${op.beforeMs}ms`,
    after: `${op.afterMs}ms`,
    grace: `${op.graceMs ?? 0}ms`,
    join: (left: Json, other: Json, key: Json) => fn(key, left, other),
  });
}
