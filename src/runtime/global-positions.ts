import type { Admin, PartitionOffset } from '../broker/port.js';
import type { DeclaredGlobalTable } from '../dsl/processor.js';
import type { Clock, Logger } from '../model/ports.js';
import type { ReadLog } from '../state/checkpoint.js';
import { type GlobalState, positionName } from '../state/global-state.js';
import { compactionOf, type LogNow, readBefore, staleness } from './stale-stores.js';
import { describeTopics } from './topic-problems.js';

/** Where one partition of a global table's topic is read on. */
export interface GlobalReadPosition extends PartitionOffset {
  readonly log: ReadLog;
  /** The partition's end when it was asked for last, and when that was: who has come there is as of then. */
  readonly end: { readonly offset: number; readonly at: number };
}

/** With what is known of a place that has come to the end of the partition. */
export const atEnd = <T extends GlobalReadPosition>(place: T): T =>
  place.offset < place.end.offset ? place : { ...place, log: { topicId: place.log.topicId, asOf: place.end.at } };

/**
 * Where the partitions of a global table are read on. A store that is not what its topic held up to there is
 * emptied and read anew: see {@link staleness}; also if a partition is gone, which Kafka never takes away.
 */
export async function globalPositions(
  { topic, store }: DeclaredGlobalTable,
  count: number,
  state: GlobalState,
  ports: { readonly admin: Admin; readonly clock: Clock; readonly logger: Logger },
): Promise<readonly GlobalReadPosition[]> {
  const { admin, clock, logger } = ports;
  const now = clock.now();
  const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
  const [{ existing }, earliest, latest] = await Promise.all([
    describeTopics(admin, [topic]),
    admin.earliestOffsets(partitions),
    admin.latestOffsets(partitions),
  ]);
  const described = existing.get(topic);
  const firsts = new Map(earliest.map(({ partition, offset }) => [partition, offset]));
  const logs = new Map(
    latest.map(({ partition, offset: end }): [number, LogNow] => [
      partition,
      { topicId: described?.id, compaction: compactionOf(described), first: firsts.get(partition) ?? 0, end },
    ]),
  );
  const [stale] = [...state.positions(store, topic).keys()]
    .flatMap((partition) => {
      const log = logs.get(partition);
      const why = staleReason(state, { store, topic, partition }, log, now);
      return why === undefined ? [] : [{ partition, why, gone: log === undefined }];
    })
    .sort((a, b) => Number(b.gone) - Number(a.gone));
  if (stale) {
    const { partition, why } = stale;
    logger.warn(
      { topic, partition, store },
      `the store of a global table is made again from its topic: partition ${partition} ${why}`,
    );
    await state.clear(store);
  }
  const known = state.positions(store, topic);
  return Array.from(logs, ([partition, { topicId, first, end }]) => {
    const offset = known.get(partition) ?? first;
    const before = state.checkpoint.logs.get(positionName(store, topic, partition));
    const log = { ...(before ?? { asOf: now, partial: true }), topicId };
    return atEnd({ topic, partition, offset, end: { offset: end, at: now }, log });
  });
}

function staleReason(
  state: GlobalState,
  { store, topic, partition }: { readonly store: string; readonly topic: string; readonly partition: number },
  log: LogNow | undefined,
  now: number,
): string | undefined {
  const before = readBefore(state.checkpoint, positionName(store, topic, partition), store);
  if (log === undefined) return `was read up to offset ${before?.offset}, and is gone`;
  return before && staleness(before, log, now);
}
