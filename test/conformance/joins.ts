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
  serdes,
} from '#src/index.js';
import type { Json, Op } from './case.js';
import { joiner, keyFunction } from './functions.js';

const joined =
  (op: Op) =>
  (left: Json, row: Json, key: Json): Json =>
    joiner(op.joiner)(key, left, row);

/** A stream or a table, joined with a table. */
export function join(op: Op, right: Observable<any>): OperatorFunction<any, any> {
  if (op.op === 'join') return joinTable<any, any, any>(right, joined(op));
  if (op.op === 'leftJoin') return leftJoinTable<any, any, any>(right, joined(op));
  return outerJoinTable<any, any, any, any>(right, joined(op));
}

/** A stream, joined with a versioned table when late rows may have come. */
export function joinWithGrace(op: Op, right: Observable<any>, store: string): OperatorFunction<any, any> {
  const options = { join: joined(op), grace: `${op.graceMs}ms`, store } as const;
  return op.op === 'join' ? joinTable<any, any, any>(right, options) : leftJoinTable<any, any, any>(right, options);
}

/** A table, joined with another by a key made of its rows. */
export function joinByForeignKey(op: Op, right: Observable<any>, store: string): OperatorFunction<any, any> {
  const keyOf = keyFunction(op.foreignKey);
  const options = {
    foreignKey: (value: Json, key: Json) => keyOf(key, value),
    join: joined(op),
    store,
    value: serdes.json<Json>(),
  };
  return op.op === 'join'
    ? joinTable<any, any, any, any, any>(right, options)
    : leftJoinTable<any, any, any, any, any>(right, options);
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
