import type { PartitionOffset } from '../../broker/port.js';
import { ownOf, setOwn } from '../../model/own.js';
import { addedTo, isFields, textOf } from '../config/offset-texts.js';
import type { JumpState } from '../poll/time-jumps.js';

/**
 * The stream time of a task, and of each of its stores: the highest timestamps that they have seen. Negative
 * infinity, or left out: none.
 */
export interface StreamTimes {
  readonly task: number;
  readonly stores: ReadonlyMap<string, number>;
  /** For the source topics with a maxTimeJump that have had records. */
  readonly jumps: ReadonlyMap<string, JumpState>;
}

/** The current stream times of a task. */
export function streamTimesNow(
  {
    recordContext,
    jumps,
  }: { readonly recordContext: { readonly streamTime: number }; readonly jumps: StreamTimes['jumps'] },
  stores: Iterable<{ readonly name: string; readonly streamTime: number }> = [],
): StreamTimes {
  const times = Array.from(stores, ({ name, streamTime }) => [name, streamTime] as const);
  return { task: recordContext.streamTime, stores: new Map(times), jumps };
}

/**
 * Brokers keep 4,096 bytes of metadata with an offset. Other parts may need room, too. The mark of a reset,
 * the version of the application and, when it is retired, the reason: almost 900 with the longest names. The
 * marks of commit-marks.ts: 600. The epochs of the task: 350. The error policies: 30.
 */
const MAX_BYTES = 2_170;

/**
 * Adds the stream times to the metadata of the offsets that a task commits. So they belong to these offsets
 * under both guarantees, and are available wherever the task is opened, also without its state. Kafka Streams
 * stores its partition times in the same way (KIP-622).
 *
 * JSON, format 1:
 * `{ "format": 1, "task": ms, "stores": { name: ms, … }, "jumps": { topic: [refused, last ms], … } }`. A
 * store that is left out has the task's time. Stores with names that do not fit (after about 65) are left
 * out, too. If their state is lost, they expire rows earlier than they should, never later. `jumps` exists if
 * a source has a maxTimeJump; a topic that is left out has had no record.
 */
export function withStreamTimes(
  positions: readonly PartitionOffset[],
  { task, stores, jumps }: StreamTimes,
): readonly PartitionOffset[] {
  if (!Number.isFinite(task)) return positions;
  const ownJumps: Jumps = {};
  const own: StoreTimes = {};
  const write = (): string => addedTo(undefined, { task, stores: own, ...(jumps.size > 0 && { jumps: ownJumps }) });
  const fits = (): boolean => Buffer.byteLength(write()) <= MAX_BYTES;
  for (const [topic, { refused, last }] of jumps) {
    setOwn(ownJumps, topic, [refused, last]);
    if (!fits()) delete ownJumps[topic];
  }
  for (const [name, time] of stores) {
    if (time === task) continue;
    setOwn(own, name, Number.isFinite(time) ? time : null);
    if (!fits()) delete own[name];
  }
  const fields = { task, stores: own, ...(jumps.size > 0 && { jumps: ownJumps }) };
  return positions.map((position) => ({ ...position, metadata: addedTo(position.metadata, fields) }));
}

/** The times in the metadata of committed offsets; undefined for a store if they contain none. */
export function streamTimesOf(committed: readonly PartitionOffset[]): {
  readonly task: number;
  store(name: string): number | undefined;
  jump(topic: string): JumpState | undefined;
} {
  let task = Number.NEGATIVE_INFINITY;
  let stores: StoreTimes = {};
  let jumps: Jumps = {};
  for (const { metadata } of committed) {
    const times = parse(metadata);
    // All partitions of a task are committed together; one that is no longer a source may have older
    // metadata.
    if (times && times.task >= task) ({ task, stores, jumps = {} } = times);
  }
  const store = (name: string): number | undefined => {
    if (!Number.isFinite(task)) return undefined;
    const own = ownOf(stores, name);
    return own === undefined ? task : (own ?? undefined);
  };
  const jump = (topic: string): JumpState | undefined => {
    const [refused, last] = ownOf(jumps, topic) ?? [];
    return refused === undefined || last === undefined ? undefined : { refused, last };
  };
  return { task, store, jump };
}

type StoreTimes = Record<string, number | null>;
type Jumps = Record<string, readonly [refused: number, last: number]>;

interface Times {
  readonly task: number;
  readonly stores: StoreTimes;
  readonly jumps?: Jumps;
}

function parse(metadata: string | undefined): Times | undefined {
  const { task, stores = {}, jumps = {} } = textOf(metadata);
  return typeof task === 'number' && areTimes(stores) && areJumps(jumps) ? { task, stores, jumps } : undefined;
}

const areTimes = (stores: unknown): stores is StoreTimes =>
  isFields(stores) && Object.values(stores).every((time) => time === null || typeof time === 'number');

const areJumps = (jumps: unknown): jumps is Jumps =>
  isFields(jumps) &&
  Object.values(jumps).every(
    (pair) => Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === 'number'),
  );
