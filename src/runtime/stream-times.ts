import type { PartitionOffset } from '../broker/port.js';

/** The stream time of a task, and of each of its stores: the highest timestamps that have reached them. Negative infinity, or left out: none has. */
export interface StreamTimes {
  readonly task: number;
  readonly stores: ReadonlyMap<string, number>;
}

const FORMAT = 1;
/** Brokers keep 4,096 bytes with an offset; the mark of a reset may have to go in, too. */
const MAX_BYTES = 3_840;

/**
 * Stream times travel as metadata of the offsets that a task commits: they belong to these offsets under both guarantees, and are known again wherever the task is opened, also without its
 * state. Kafka Streams keeps its partition times the same way (KIP-622). JSON, format 1: `{ "format": 1, "task": ms, "stores": { name: ms, … } }`; a store that is left out has the task's
 * time. Stores whose names find no room (about 100 of them) are left out, too, and then expire earlier than they should after the loss of their state, never later.
 */
export function withStreamTimes(
  positions: readonly PartitionOffset[],
  { task, stores }: StreamTimes,
): readonly PartitionOffset[] {
  if (!Number.isFinite(task)) return positions;
  const own: Record<string, number | null> = {};
  const write = (): string => JSON.stringify({ format: FORMAT, task, stores: own });
  for (const [name, time] of stores) {
    if (time === task) continue;
    own[name] = Number.isFinite(time) ? time : null;
    if (Buffer.byteLength(write()) > MAX_BYTES) delete own[name];
  }
  const metadata = write();
  return positions.map((position) => ({ ...position, metadata }));
}

/** What the committed offsets say of the times; of a store undefined if they say nothing. */
export function streamTimesOf(committed: readonly PartitionOffset[]): {
  readonly task: number;
  store(name: string): number | undefined;
} {
  let task = Number.NEGATIVE_INFINITY;
  let stores: Readonly<Record<string, number | null>> = {};
  for (const { metadata } of committed) {
    const times = parse(metadata);
    // All partitions of a task are committed together; one that is no source any more may have an older text.
    if (times && times.task >= task) ({ task, stores } = times);
  }
  const store = (name: string): number | undefined => {
    if (!Number.isFinite(task)) return undefined;
    const own = stores[name];
    return own === undefined ? task : (own ?? undefined);
  };
  return { task, store };
}

function parse(metadata = ''): { task: number; stores: Record<string, number | null> } | undefined {
  // Somebody else may have committed offsets with a text of their own.
  if (!metadata.startsWith(`{"format":${FORMAT},`)) return undefined;
  const { task, stores } = JSON.parse(metadata);
  return task === undefined ? undefined : { task, stores };
}
