import type { Observable, OperatorFunction } from 'rxjs';
import type { StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import { DueQueue } from '../buffers/due-queue.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { AnySerde, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { FactOf, KeyOf, NeedsStream, Stream } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import { withGrace } from '../declare/closings.js';
import type { Declaring } from '../declare/declaring.js';
import { SideBuffer, sideStore } from '../stream-join/side-buffer.js';
import { type SideParts, StreamJoin, type StreamJoiner } from '../stream-join/stream-join.js';
import { waitingKeySerde, waitingStore } from '../stream-join/waiting.js';
import { type JoinWindow, type JoinWindowOptions, joinWindow } from '../stream-join/window.js';

type OfSource = 'use joinTable, or toStream() first';
type OfOther = 'use joinTable, or toStream() after it';

/** The value of a record that can match: records without a value are dropped. */
type Present<V> = Exclude<V, null>;

export type JoinStreamOptions<K, L, R, W, Kind extends 'inner' | 'left' | 'outer' = 'inner'> = JoinWindowOptions &
  PolicyOptions & {
    /**
     * The stores are named `<store>-left` and `<store>-right`. Where records wait for a partner, there are
     * also `<store>-left-waiting` and `<store>-right-waiting`.
     */
    readonly store: string;
    /**
     * Makes the joined value. In a left join `right` may be null; in an outer join either side, but never
     * both.
     */
    readonly join: (
      left: Kind extends 'outer' ? Present<L> | null : Present<L>,
      right: Kind extends 'inner' ? Present<R> : Present<R> | null,
      key: K,
    ) => W;
    /** How keys are written in the stores. Default: the input's key serde. */
    readonly key?: Serde<K>;
    /** How the left values are written in the store. Default: JSON. */
    readonly left?: Serde<Present<L>>;
    /** How the right values are written in the store. Default: JSON. */
    readonly right?: Serde<Present<R>>;
  };

/**
 * Joins the records of two streams that have the same key and are near each other in time. Each record of one
 * side is joined with each matching record of the other.
 *
 * Two records match if the right timestamp lies between the left one − `before` and the left one + `after`,
 * both included. `within` sets both. A record is matched with the records that came before it. Its matches
 * come out by the timestamps of the other side, equal ones in the order of arrival. Each has the higher
 * timestamp of the two and the headers of the later arrival. A late record is never rejected, but it matches
 * only what is still kept on the other side: records not older than that side's newest − `before` − `after` −
 * `grace`. A record older than that on its own side matches nothing that follows (counted: `late`). Null
 * values and null keys are dropped and counted (`null-value`, `null-key`). A stream may be joined with
 * itself; a record then also matches itself.
 *
 * Both sides must be co-partitioned and have the same key serde. After a key change each side is
 * repartitioned (as `<store>-left`, `<store>-right`, unless the key change has a name). Equal partition
 * counts are checked at start (TOPIC_MISMATCH), or at declaration (TOPOLOGY_INVALID). Records of both sides
 * are taken in the order of their timestamps, as far as both topics have been read. A record that arrives on
 * both sides at once is taken on the left first.
 *
 * State: `<store>-left` and `<store>-right` hold the records of each side, with their changelogs. A row holds
 * at most 32 records, fewer if they are large. A row is removed when all its records are too old to match, at
 * a bounded cost. Cost: a look-up in at most two rows of the other side and one of its own, and one row
 * written per commit, never a scan. All these rows are known from the record alone. If a key has more than 32
 * records within `before` + `after`, matching reads the further rows in one additional read. Memory: the
 * cache within `cacheBytes`, plus all records that one record matches.
 *
 * Errors: CONFIG_INVALID for a window in which nothing can match. STATE_MISMATCH if the stores were written
 * with another `before` or `after`. If `join` throws, the `onError.process` policy applies (PROCESS_FAILED),
 * and nothing of its record is emitted or kept.
 *
 * ```ts
 * orders.pipe(joinStream(shipments, { store: 'shipped', after: '7d', join: (order, shipment) => ({ ...order, carrier: shipment.carrier }) }));
 * // order o-1 at day 1, shipments of o-1 at day 2 and day 9 → o-1 with the carrier of day 2
 * ```
 *
 * Semantics: KStream#join(KStream) of Kafka Streams. See also {@link leftJoinStream},
 * {@link outerJoinStream}, {@link joinTable}.
 */
export function joinStream<R extends NeedsStream<OfSource>, S, W, C extends NeedsStream<OfOther> = FactOf<KeyOf<R>, S>>(
  other: Observable<C> & Stream<KeyOf<R>, unknown>,
  options: JoinStreamOptions<KeyOf<R>, R['value'], C['value'], W, 'inner'>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  return joining('joinStream', other, 'inner', options as unknown as AnyOptions);
}

/**
 * Like {@link joinStream}, but a left record without a match comes out joined with null. It comes out with
 * its own timestamp and headers, as soon as stream time has passed its window and `grace`.
 *
 * Stream time is the highest timestamp that has come on either side, including dropped records. It survives
 * restarts. Records that become due come out before the matches of the record that made them due. Their order
 * is by timestamp, then right before left, then by key. A record that arrives after the end of its window
 * does not wait, whatever the grace: without a match it is joined with null at once. A later match may still
 * follow either result, as in Kafka Streams. A left record with a null key is joined with null at once.
 *
 * State: in addition to the state of {@link joinStream}, a row in `<store>-left-waiting` per waiting record.
 * It is not written if a partner comes before the next commit. Memory: the records that are due first, 4,096
 * or up to twice as many. If `join` throws for a waiting record, the record that made it due fails.
 *
 * ```ts
 * orders.pipe(leftJoinStream(shipments, { store: 'shipped', after: '7d', grace: '1h', join: (order, shipment) => ({ ...order, carrier: shipment?.carrier ?? null }) }));
 * // orders o-1 and o-2 at day 1, a shipment of o-1 at day 2, then something at day 9 → o-1 with its carrier, o-2 with null
 * ```
 *
 * Semantics: KStream#leftJoin(KStream) of Kafka Streams (KIP-633).
 */
export function leftJoinStream<
  R extends NeedsStream<OfSource>,
  S,
  W,
  C extends NeedsStream<OfOther> = FactOf<KeyOf<R>, S>,
>(
  other: Observable<C> & Stream<KeyOf<R>, unknown>,
  options: JoinStreamOptions<KeyOf<R>, R['value'], C['value'], W, 'left'>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  return joining('leftJoinStream', other, 'left', options as unknown as AnyOptions);
}

/**
 * Like {@link leftJoinStream}, but for both sides: a record of either side without a match comes out joined
 * with null. Additional state: `<store>-right-waiting`.
 *
 * ```ts
 * orders.pipe(outerJoinStream(shipments, { store: 'matched', within: '7d', grace: '1h', join: (order, shipment) => ({ order, shipment }) }));
 * // an order o-1 alone, a shipment of o-2 alone, then something weeks later → { order, shipment: null }, { order: null, shipment }
 * ```
 *
 * Semantics: KStream#outerJoin(KStream) of Kafka Streams (KIP-633).
 */
export function outerJoinStream<
  R extends NeedsStream<OfSource>,
  S,
  W,
  C extends NeedsStream<OfOther> = FactOf<KeyOf<R>, S>,
>(
  other: Observable<C> & Stream<KeyOf<R>, unknown>,
  options: JoinStreamOptions<KeyOf<R>, R['value'], C['value'], W, 'outer'>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  return joining('outerJoinStream', other, 'outer', options as unknown as AnyOptions);
}

type AnyOptions = JoinWindowOptions &
  PolicyOptions & {
    readonly store: string;
    readonly join: StreamJoiner;
    readonly key?: AnySerde;
    readonly left?: AnySerde;
    readonly right?: AnySerde;
  };

function joining<R extends NeedsStream<OfSource>, W>(
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
    // Bound here, because keys and values are written inside rows.
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
        ...whenGiven(options),
      },
      [source, other],
    ) as never;
  };
}

/**
 * How far behind stream time a record may come without changing its result. A record that would wait for a
 * partner is joined with null at once if its window (without the grace) is over when it arrives.
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
        ? 'To join a stream with the rows of a table use joinTable; to join its changes as a stream put toStream() after it.'
        : 'To join two tables use joinTable; to join its changes as a stream put toStream() before it.',
    );
  }
  if (left.key.name !== right.key.name) {
    current.problem(
      where,
      `its left keys are written as ${left.key.name}, its right ones as ${right.key.name}: equal keys would be in different partitions`,
      'Give both the same key serde, or put repartition({ name, key, value }) after one of them.',
    );
  }
}
