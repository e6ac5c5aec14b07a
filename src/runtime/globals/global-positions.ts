import type { Admin, PartitionOffset } from '../../broker/port.js';
import type { DeclaredGlobalTable } from '../../dsl/contract/processor.js';
import type { Clock, Logger } from '../../model/ports.js';
import type { ReadLog } from '../../state/directory/checkpoint.js';
import { type GlobalState, positionName } from '../../state/global/global-state.js';
import { compactionOf, type LogNow, readBefore, staleness } from '../topics/stale-stores.js';
import { describeTopics } from '../topics/topic-problems.js';

/** Where reading of one partition of a global table's topic continues. */
export interface GlobalReadPosition extends PartitionOffset {
  readonly log: ReadLog;
  /**
   * The partition's end, and when it was fetched: a reader that has reached it is as current as that time.
   */
  readonly end: { readonly offset: number; readonly at: number };
}

/** Notes that the position has reached the end of the partition, if it has. */
export const atEnd = <T extends GlobalReadPosition>(place: T): T =>
  place.offset < place.end.offset ? place : { ...place, log: { topicId: place.log.topicId, asOf: place.end.at } };

/**
 * The positions at which the partitions of a global table are read on. A store that does not match its topic
 * is emptied and read again: see {@link staleness}. So is one with a partition that no longer exists, since
 * Kafka never removes partitions.
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
      `the store of a global table is rebuilt from its topic: partition ${partition} ${why}`,
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
