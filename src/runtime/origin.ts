import type { BrokerRecord } from '../broker/port.js';
import type { Declaration } from '../dsl/processor.js';
import type { Graph } from '../graph/graph.js';
import { FiredPlace, type Place } from './batch.js';

/**
 * What follows from a record or a timer is told by the way that it came: a text that is equal whenever the
 * same is processed again (after a crash, in other batches, with another cache, in a replay, by a
 * shadow), and that nothing else has.
 *
 * It begins with a root: `orders-0@42`, the position of a source record; or the turn of a timer (see {@link
 * timerOrigin}). Then for each operator on the way: `>`, the operator's node, and how it got there:
 * `:1` by its second input, `~2` as the third record that the operator before emitted, `#1` as the second of
 * those that plain operators made of one. What is zero is left out. Names have none of these characters.
 *
 * Behind a repartition topic the way goes on: its records carry their own as a header, which ends with `|`.
 * So it does not matter at which offset of that topic a record has come to stand, or how often.
 */
export const ORIGIN_HEADER = 'millrace.origin';

/**
 * The way of something up to the input where it arrived. `rootOf`: that of the source record it came from.
 */
export function originOf(place: Place, rootOf: (index: number) => string): string {
  return before(place, rootOf) + turn(place);
}

/** The same with the node where it arrived: what begins there is told from what begins elsewhere. */
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
 * The root of what follows from a record of the log. `repartition`: the name of the repartition that the
 * topic is, without that of the version which wrote it.
 */
export function rootOfRecord(
  { topic, partition, offset, headers }: BrokerRecord,
  repartition: string | undefined,
): string {
  if (repartition === undefined) return `${topic}-${partition}@${offset}`;
  // Those that a version without this header has written are known by where they stand.
  return headers.text(ORIGIN_HEADER) ?? `|${repartition}-${partition}@${offset}`;
}

/** What a record for a repartition topic has in its header. */
export const originToCarry = (place: Place, rootOf: (index: number) => string): string => `${originAt(place, rootOf)}|`;

/**
 * The repartitions in front of operators that ask for origins, near or far: only records of these carry
 * theirs.
 */
export function originCarriers(
  { nodes, edges }: Graph,
  { processors }: Pick<Declaration, 'processors'>,
): ReadonlySet<string> {
  const asked = new Set(processors.filter(({ spec }) => spec.asksOrigin).map(({ id }) => id));
  // Whatever leads there, a step further up each time.
  for (let known = 0; known < asked.size; ) {
    known = asked.size;
    for (const { from, to } of edges) if (asked.has(to)) asked.add(from);
  }
  return new Set(nodes.filter(({ kind, id }) => kind === 'repartition' && asked.has(id)).map(({ id }) => id));
}

/**
 * One turn of a timer of a node, in the task of that partition: `moment` is the last multiple of its
 * interval, `nth` counts those of the node that have the same interval and moment.
 */
export const timerOrigin = (timer: {
  readonly node: string;
  readonly partition: number;
  readonly clock: string;
  readonly everyMs: number;
  readonly moment: number;
  readonly nth: number;
}): string =>
  `${timer.node}[${timer.partition}] ${timer.clock}/${timer.everyMs}@${timer.moment}${timer.nth === 0 ? '' : `~${timer.nth}`}`;

/** What processors do before the first record: the same at each start of the task. */
export const startOrigin = (partition: number): string => `start[${partition}]`;
