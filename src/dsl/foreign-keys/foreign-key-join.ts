import type { Observable } from 'rxjs';
import type { Serde } from '../../serdes/serde.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { AnySerde } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { Declaring } from '../declare/declaring.js';
import type { TableJoiner } from '../tables/table-table-join.js';
import { type TableView, viewOf } from '../tables/table-view.js';
import { Answering } from './answering.js';
import { ForeignKeys } from './foreign-key.js';
import { JoinAnswers } from './join-answers.js';
import { answerSerde, subscriptionSerde, UNKNOWN_PARTITION } from './messages.js';
import { Subscribe } from './subscribe.js';
import { Subscribers, subscriberStore } from './subscribers.js';

/** How to join the rows of a table with rows of another table by a foreign key. */
export interface ForeignKeyJoinOptions<K, V, FK, T, W> extends PolicyOptions {
  /** Returns the key of the right row; null: none. Must return the same for the same row. */
  readonly foreignKey: (value: V, key: K) => NoInfer<FK> | null;
  /** Makes the joined row; null: there is none. */
  readonly join: (value: V, row: T, key: K) => W;
  /**
   * The store that holds the joined rows. The join's internal topics and its other store are named after it.
   */
  readonly store: string;
  /** How the joined rows are written. */
  readonly value: Serde<NonNullable<W>>;
}

export interface ForeignKeyJoining extends PolicyOptions {
  readonly operator: string;
  readonly left: boolean;
  readonly foreignKey: (value: unknown, key: unknown) => unknown;
  readonly join: TableJoiner;
  readonly store: string;
  readonly value: AnySerde;
}

/** Declares the three parts of a foreign-key join, and the two repartition topics between them. */
export function foreignKeyJoin(
  source: Observable<AnyRecord>,
  table: Observable<AnyRecord>,
  options: ForeignKeyJoining,
  current: Declaring,
): Observable<AnyRecord> {
  const { operator, left, store, join } = options;
  // All parts are one operator to its user.
  const policy = whenGiven(options);
  const leftView = viewOf(source, current);
  const rightView = viewOf(table, current);
  const right = storeSerdes(rightView, table, current);
  if (leftView === undefined || leftView.joined || rightView === undefined || right === undefined) {
    const side = leftView === undefined || leftView.joined ? 'left' : 'right';
    current.problem(
      `${operator} ${store}`,
      current.inspect(side === 'left' ? source : table).table
        ? `the table on the ${side} has no store that holds its rows`
        : `the ${side} side is not a table`,
      'A foreign-key join needs two tables with a store: end their operators with toTable({ store, value }), after toStream() if it is a table.',
    );
    return source;
  }
  // Bound here, because left keys are written inside subscriptions.
  const given = { key: current.inspect(source).key, value: options.value };
  const { key: leftKey, value } = current.bound(given, 'store', store);
  const foreignKey = right.key;
  const subscribers = `${store}-subscribers`;
  const foreignKeys = new ForeignKeys(options.foreignKey, foreignKey);
  const subscriptions = current.repartition(
    { name: `${store}-subscriptions`, key: foreignKey, value: subscriptionSerde, keepsNullKeys: true, ...policy },
    current.processor(
      {
        operator: 'subscribe',
        name: store,
        stores: [],
        keyed: true,
        emitsKey: foreignKey,
        ...policy,
        create: (context) => new Subscribe(context, foreignKeys, leftKey, left),
      },
      [source],
    ),
  );
  const answers = current.repartition(
    {
      name: `${store}-answers`,
      key: leftKey,
      value: answerSerde(right.value),
      ...policy,
      // Not by the hash of the key: another producer may have partitioned the left rows differently.
      partition: ({ value: { partition } }) => (partition === UNKNOWN_PARTITION ? undefined : partition),
    },
    current.processor(
      {
        operator: 'answer',
        name: subscribers,
        stores: [subscriberStore(subscribers, foreignKey)],
        reads: rightView.stores,
        keyed: true,
        takesNullKeys: true,
        emitsKey: leftKey,
        ...policy,
        create: (context) =>
          new Answering(context, {
            rows: rightView.open(context, 'asTold'),
            subscribers: new Subscribers(context.store(subscribers)),
            foreignKey,
            leftKey,
          }),
      },
      [subscriptions, table],
    ),
  );
  return current.processor(
    {
      operator,
      name: store,
      stores: [{ name: store, kind: 'keyValue', key: leftKey, value }],
      reads: leftView.stores,
      keyed: true,
      ...policy,
      create: (context) =>
        new JoinAnswers(context, {
          rows: leftView.open(context, 'asTold'),
          store: context.store(store),
          foreignKeys,
          join,
          left,
        }),
    },
    [answers],
    store,
  );
}

/** The serdes of a table that is looked up in its store unchanged. */
function storeSerdes(
  view: TableView | undefined,
  table: object,
  { processors }: Declaring,
): { readonly key: AnySerde; readonly value: AnySerde } | undefined {
  const { table: name } = table as { readonly table?: string };
  if (view === undefined || name === undefined || !view.stores.includes(name)) return undefined;
  return processors.flatMap(({ spec }) => spec.stores).find((store) => store.name === name);
}
