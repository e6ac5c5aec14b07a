import { type Broker, type PartitionOffset, partitionKey, type TopicPartition } from '../../broker/port.js';
import { LaterRecords } from '../slice/past-places.js';
import { furthest, type ResetMove } from './reset-move.js';

/**
 * Where a reset sets the positions of internal inputs. If the stores begin empty, the application takes again
 * what the clock had brought behind the new positions of its sources, each at its place. Otherwise the
 * positions stay: what was noted has had its effect. `trimmed`: the inputs of which records are gone.
 */
export async function inputMoves(
  broker: Broker,
  {
    partitions,
    committed,
    moves,
    named,
    again,
  }: {
    readonly partitions: readonly TopicPartition[];
    readonly committed: ReadonlyMap<string, PartitionOffset>;
    /** Those of the sources. */
    readonly moves: readonly ResetMove[];
    /** The moves of internal topics that the user names. */
    readonly named: readonly ResetMove[];
    readonly again: boolean;
  },
): Promise<{ readonly moves: readonly ResetMove[]; readonly trimmed: readonly PartitionOffset[] }> {
  const toOf = (all: readonly ResetMove[]): ReadonlyMap<string, number> =>
    new Map(all.map((move) => [partitionKey(move.topic, move.partition), move.to]));
  const [begins, asked] = [toOf(moves), toOf(named)];
  const [earliest, latest] = await Promise.all([
    broker.admin.earliestOffsets(partitions),
    broker.admin.latestOffsets(partitions),
  ]);
  const inputs = await Promise.all(
    partitions.map(async (at, i) => {
      const position = committed.get(partitionKey(at.topic, at.partition));
      const [first, end] = [earliest[i]?.offset ?? 0, latest[i]?.offset ?? 0];
      const stays = again
        ? () => firstLater(broker, { ...at, offset: first }, end, begins)
        : () => position?.offset ?? first;
      const to = asked.get(partitionKey(at.topic, at.partition)) ?? (await stays());
      return { ...at, from: furthest(position), to, latest: end };
    }),
  );
  return { moves: inputs, trimmed: earliest.filter(({ offset }) => offset > 0) };
}

/** The first record of an internal input that does not belong to the past before these positions. */
async function firstLater(
  broker: Broker,
  from: PartitionOffset,
  end: number,
  begins: ReadonlyMap<string, number>,
): Promise<number> {
  const later = new LaterRecords(begins);
  const reader = await broker.createReader();
  try {
    reader.seek(from);
    for (let at = from.offset; at < end; ) {
      for (const { records, nextOffset } of await reader.poll({ maxRecords: 2_000, maxWaitMs: 500 })) {
        const [first] = later.of(records);
        if (first) return Math.min(first.offset, end);
        at = nextOffset;
      }
    }
    return end;
  } finally {
    await reader.close();
  }
}
