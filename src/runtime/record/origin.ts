import type { BrokerRecord } from '../../broker/port.js';
import type { Declaration } from '../../dsl/contract/processor.js';
import type { Graph } from '../../graph/graph.js';
import { FiredPlace, type Place } from './place.js';

/**
 * The effects of a record or a timer are identified by their path, a text that is unique to them. It is the
 * same whenever they are processed again: after a crash, in other batches, with another cache, in a replay,
 * by a shadow.
 *
 * It begins with a root: `orders-0@42`, the position of a source record; or the firing of a timer (see
 * {@link timerOrigin}). Then each operator on the path adds `>`, its node, and the delivery to it: `:1` by
 * its second input, `~2` as the third record that the previous operator emitted, `#1` as the second record
 * that plain operators made of one. Zeros are left out. Names contain none of these characters.
 *
 * The path continues after a repartition topic: its records carry theirs in a header, which ends with `|`. So
 * the offset at which a record is stored in that topic does not matter, or how often it is stored. A record
 * of an internal input carries the path of what it stands for, such as the firing of a timer.
 */
export const ORIGIN_HEADER = 'millrace.origin';

/**
 * The path of an item up to the input where it arrived. Its own delivery has a `>` before it: it must not
 * read as one of the operator before.
 *
 * @param rootOf Returns the root of the source record at an index.
 */
export function originOf(place: Place, rootOf: (index: number) => string): string {
  const own = turn(place);
  return before(place, rootOf) + (place.cause !== undefined && own !== '' ? `>${own}` : own);
}

/**
 * The same, including the node where it arrived: it separates what begins there from what begins elsewhere.
 */
export function originAt(place: Place, rootOf: (index: number) => string): string {
  return `${before(place, rootOf)}>${place.spot.node}${turn(place)}`;
}

function before(place: Place, rootOf: (index: number) => string): string {
  if (place.cause !== undefined) return originAt(place.cause, rootOf);
  return place instanceof FiredPlace ? `${place.firing.text}>` : rootOf(place.index);
}

function turn({ spot: { port }, emission, delivery }: Place): string {
  if (port === 0 && emission === 0 && delivery === 0) return '';
  return `${port === 0 ? '' : `:${port}`}${emission === 0 ? '' : `~${emission}`}${delivery === 0 ? '' : `#${delivery}`}`;
}

/**
 * The root of the effects of a log record.
 *
 * @param internal The name of the repartition or internal input that the topic belongs to, without the prefix
 * of the version that wrote it.
 */
export function rootOfRecord(
  { topic, partition, offset, headers }: BrokerRecord,
  internal: string | undefined,
): string {
  if (internal === undefined) return `${topic}-${partition}@${offset}`;
  // Records of a version without this header are identified by their positions.
  return headers.text(ORIGIN_HEADER) ?? `|${internal}-${partition}@${offset}`;
}

/** The content of the header of a record for a repartition topic. */
export const originToCarry = (place: Place, rootOf: (index: number) => string): string => `${originAt(place, rootOf)}|`;

/**
 * The repartitions before operators that ask for origins, directly or not: only their records carry paths.
 *
 * @param others Further nodes that ask.
 */
export function originCarriers(
  { nodes, edges }: Graph,
  { processors }: Pick<Declaration, 'processors'>,
  others: readonly string[] = [],
): ReadonlySet<string> {
  const asked = new Set([...processors.filter(({ spec }) => spec.asksOrigin).map(({ id }) => id), ...others]);
  // Everything that leads there, one level further up in each round.
  for (let known = 0; known < asked.size; ) {
    known = asked.size;
    for (const { from, to } of edges) if (asked.has(to)) asked.add(from);
  }
  return new Set(nodes.filter(({ kind, id }) => kind === 'repartition' && asked.has(id)).map(({ id }) => id));
}

/**
 * One firing of a stream-time timer of a node, in the task of a partition. `moment` is the last multiple of
 * its interval; `nth` counts the firings of the node with the same interval and moment.
 */
export const timerOrigin = (timer: {
  readonly node: string;
  readonly partition: number;
  readonly everyMs: number;
  readonly moment: number;
  readonly nth: number;
}): string =>
  `${timer.node}[${timer.partition}] stream/${timer.everyMs}@${timer.moment}${timer.nth === 0 ? '' : `~${timer.nth}`}`;

/** What processors do before the first record: the same at each start of the task. */
export const startOrigin = (partition: number): string => `start[${partition}]`;
