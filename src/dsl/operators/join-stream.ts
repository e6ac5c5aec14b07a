import type { Observable, OperatorFunction } from 'rxjs';
import type { StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import { DueQueue } from '../buffers/due-queue.js';
import type { Declaring } from '../declaring.js';
import type { AnySerde, Processor, ProcessorContext } from '../processor.js';
import type { AnyRecord } from '../push.js';
import { SideBuffer, sideStore } from '../stream-join/side-buffer.js';
import { type SideParts, StreamJoin, type StreamJoiner } from '../stream-join/stream-join.js';
import { waitingKeySerde, waitingStore } from '../stream-join/waiting.js';
import { type JoinWindow, type JoinWindowOptions, joinWindow } from '../stream-join/window.js';
import type { FactRecord, KeyOf } from '../types.js';
import { withGrace } from '../windows/closings.js';
import { currentDeclaring } from './attach.js';

// biome-ignore lint/suspicious/noExplicitAny: bound of a type parameter, never a value
type AnyFact = FactRecord<any, any>;

/** A value that is met: records without one are dropped. */
type Present<V> = Exclude<V, null>;

export type JoinStreamOptions<K, L, R, W, Kind extends 'inner' | 'left' | 'outer' = 'inner'> = JoinWindowOptions & {
  /**
   * The stores are called `<store>-left` and `<store>-right`; where records wait for a partner,
   * `<store>-left-waiting` and `<store>-right-waiting`.
   */
  readonly store: string;
  /**
   * Makes the joined value. In a left join `right` may be null, in an outer join either side, but never both.
   */
  readonly join: (
    left: Kind extends 'outer' ? Present<L> | null : Present<L>,
    right: Kind extends 'inner' ? Present<R> : Present<R> | null,
    key: K,
  ) => W;
  /** How keys are written in the stores. Default: as the input's keys are. */
  readonly key?: Serde<K>;
  /** How the left values are written in the store. Default: JSON. */
  readonly left?: Serde<Present<L>>;
  /** How the right values are written in the store. Default: JSON. */
  readonly right?: Serde<Present<R>>;
};

/**
 * Joins the records of two streams that have one key and lie near each other in time: each of one side with
 * each of the other.
 *
 * Two records match if the right one lies between the left one − `before` and the left one + `after`, both
 * included (`within`: both of them). A record meets what has come before it: matches come out by the
 * timestamps of the other side, equal ones in the order of their arrival, with the higher timestamp of the
 * two and the headers of the later arrival. A record that comes late is never refused, but meets only what is
 * kept: records of the other side that are not older than its youngest − `before` − `after` − `grace`. One
 * that is itself older than that on its own side is met by nothing that follows (counted: `late`). Null
 * values, and null keys, are dropped and counted (`null-value`, `null-key`). A stream may be joined with
 * itself: a record then meets itself, too.
 *
 * Both sides must be co-partitioned and their keys written alike: behind a change of key each is
 * repartitioned (`<store>-left`, `<store>-right`, where it has no name), and equal partition counts are
 * checked at start (TOPIC_MISMATCH), or when they are declared (TOPOLOGY_INVALID). Records of both are taken
 * by their timestamps, as far as both topics have been read; one that comes on both sides at once is taken on
 * the left first.
 *
 * State: in `<store>-left` and `<store>-right` the records of each side, 32 a row at most and fewer of large
 * ones, with their changelogs; rows are removed when all in them is too old to be met, at a bounded cost.
 * Cost: a look-up in at most two rows of the other side and one of its own, all known from the record alone,
 * and one row written a commit, never a scan. The records of a key that are more than 32 within `before` +
 * `after` are read where they are met, all in one trip more. Memory: what is cached within `cacheBytes`; and
 * all that one record meets.
 *
 * Errors: CONFIG_INVALID for a window that nothing could meet in; STATE_MISMATCH where the stores were
 * written with other `before` and `after`; a `join` that throws goes the way of `onError.process`
 * (PROCESS_FAILED), and nothing of its record is emitted or kept.
 *
 * ```ts
 * orders.pipe(joinStream(shipments, { store: 'shipped', after: '7d', join: (order, shipment) => ({ ...order, carrier: shipment.carrier }) }));
 * // order o-1 at day 1, shipments of o-1 at day 2 and day 9 → o-1 with the carrier of day 2
 * ```
 *
 * Semantics: KStream#join(KStream) of Kafka Streams. See also {@link leftJoinStream},
 * {@link outerJoinStream}, {@link joinTable}.
 */
export function joinStream<R extends AnyFact, S, W>(
  other: Observable<FactRecord<KeyOf<R>, S>>,
  options: JoinStreamOptions<KeyOf<R>, R['value'], S, W, 'inner'>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  return joining('joinStream', other, 'inner', options as unknown as AnyOptions);
}

/**
 * As {@link joinStream}, but a left record that meets nothing comes out joined with null: with its own
 * timestamp and headers, as soon as stream time has passed its window and `grace`.
 *
 * Stream time is the highest timestamp that has come on either side, also of records that are dropped; it is
 * kept over restarts. What is due comes out before what the record that made it due meets: by timestamp, then
 * right before left, then by key. A record that comes after the end of its window is not waited for, whatever
 * the grace: it is joined with null at once, if it meets nothing. Either answer may be followed by a match
 * that comes later still, as in Kafka Streams. A left null key is joined with null at once.
 *
 * State: beside that of {@link joinStream} a row in `<store>-left-waiting` for each record that waits, which
 * is not written if a partner comes before the next commit. Memory: the 4,096 that are due first. A `join`
 * that throws for a record that waited fails the record that made it due.
 *
 * ```ts
 * orders.pipe(leftJoinStream(shipments, { store: 'shipped', after: '7d', grace: '1h', join: (order, shipment) => ({ ...order, carrier: shipment?.carrier ?? null }) }));
 * // orders o-1 and o-2 at day 1, a shipment of o-1 at day 2, then something at day 9 → o-1 with its carrier, o-2 with null
 * ```
 *
 * Semantics: KStream#leftJoin(KStream) of Kafka Streams (KIP-633).
 */
export function leftJoinStream<R extends AnyFact, S, W>(
  other: Observable<FactRecord<KeyOf<R>, S>>,
  options: JoinStreamOptions<KeyOf<R>, R['value'], S, W, 'left'>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  return joining('leftJoinStream', other, 'left', options as unknown as AnyOptions);
}

/**
 * As {@link leftJoinStream}, for both sides: what meets nothing comes out joined with null, whichever side it
 * is of. State: `<store>-right-waiting`, too.
 *
 * ```ts
 * orders.pipe(outerJoinStream(shipments, { store: 'matched', within: '7d', grace: '1h', join: (order, shipment) => ({ order, shipment }) }));
 * // an order o-1 alone, a shipment of o-2 alone, then something weeks later → { order, shipment: null }, { order: null, shipment }
 * ```
 *
 * Semantics: KStream#outerJoin(KStream) of Kafka Streams (KIP-633).
 */
export function outerJoinStream<R extends AnyFact, S, W>(
  other: Observable<FactRecord<KeyOf<R>, S>>,
  options: JoinStreamOptions<KeyOf<R>, R['value'], S, W, 'outer'>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  return joining('outerJoinStream', other, 'outer', options as unknown as AnyOptions);
}

type AnyOptions = JoinWindowOptions & {
  readonly store: string;
  readonly join: StreamJoiner;
  readonly key?: AnySerde;
  readonly left?: AnySerde;
  readonly right?: AnySerde;
};

function joining<R extends AnyFact, W>(
  operator: string,
  other: Observable<AnyRecord>,
  kind: 'inner' | 'left' | 'outer',
  options: AnyOptions,
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  const { store, join } = options;
  const name = `${operator} ${store}`;
  const window = joinWindow(options, name);
  return (source) => {
    const current = currentDeclaring(operator);
    const key: AnySerde = options.key ?? current.inspect(source).key;
    checkSides(current, name, source, other);
    // Bound here, because keys and values are written in the middle of rows.
    const side = (own: string, value: AnySerde, waits: boolean) => ({
      ...current.bound({ key, value }, 'store', own),
      name: own,
      waits,
    });
    const sides = [
      side(`${store}-left`, options.left ?? serdes.json(), kind !== 'inner'),
      side(`${store}-right`, options.right ?? serdes.json(), kind === 'outer'),
    ];
    const stores = [
      ...sides.map((one) => sideStore(one.name, window, one.key, one.value)),
      ...sides.flatMap((one) => (one.waits ? [waitingStore(waitingName(one.name), one.key, one.value)] : [])),
    ];
    const create = (context: ProcessorContext): Processor => {
      const [left, right] = sides.map(({ name: sideName, key: sideKey, value, waits }): SideParts => {
        const buffer = new SideBuffer<unknown, unknown>(context.store(sideName), window, value);
        if (!waits) return { buffer };
        return { buffer, waiting: new DueQueue(context.store(waitingName(sideName)), waitingKeySerde(sideKey)) };
      }) as [SideParts, SideParts];
      const clock = kind === 'inner' ? undefined : context.store<unknown, unknown>(waitingName(`${store}-left`));
      return new StreamJoin(context, { name, window, join, left, right, clock });
    };
    return current.processor(
      {
        operator,
        name: store,
        stores,
        keyed: true,
        takesNullKeys: kind !== 'inner',
        repartitions: sides.map((one) => one.name),
        nextClosing: withGrace(slackOf(window, kind), window.beforeMs + window.afterMs),
        create,
      },
      [source, other],
    ) as never;
  };
}

/**
 * How far behind stream time a record may come without being joined otherwise. One that waits for a partner
 * is given up at once if its window, without the grace, is over when it comes.
 */
function slackOf({ beforeMs, afterMs, graceMs }: JoinWindow, kind: 'inner' | 'left' | 'outer'): number {
  const met = graceMs + Math.min(0, beforeMs, afterMs);
  const waited = kind === 'inner' ? met : kind === 'left' ? afterMs : Math.min(beforeMs, afterMs);
  return Math.max(0, Math.min(met, waited));
}

const waitingName = (side: string): string => `${side}-waiting`;

function checkSides(
  current: Declaring,
  where: string,
  source: Observable<AnyRecord>,
  other: Observable<AnyRecord>,
): void {
  const left = current.inspect(source);
  const right = current.inspect(other);
  for (const [side, { table }] of [
    ['left', left],
    ['right', right],
  ] as const) {
    if (!table) continue;
    current.problem(
      where,
      `its ${side} input is a table`,
      side === 'right'
        ? 'To join a stream with the rows of a table use joinTable; to join its changes as a stream put toStream() behind it.'
        : 'To join two tables use joinTable; to join its changes as a stream put toStream() before it.',
    );
  }
  if (left.key.name !== right.key.name) {
    current.problem(
      where,
      `its left keys are written as ${left.key.name}, its right ones as ${right.key.name}: equal keys would be in different partitions`,
      'Give both the same key serde, or put repartition({ name, key, value }) behind one of them.',
    );
  }
}
