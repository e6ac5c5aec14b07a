import type { Broker, PartitionOffset } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';
import { nearestName } from '../model/text/nearest-name.js';
import { resolveConfig } from '../runtime/config/config.js';
import type { LetterPosition } from './letter-id.js';

/** Which letters. */
export interface LetterOptions {
  readonly broker: Broker;
  /** The application that gave the records up. It may run or not. */
  readonly applicationId: string;
  /** Default `<application>-dead-letter`. Several applications may share a topic of another name. */
  readonly deadLetterTopic?: string | undefined;
  /** Ends the work: with STOPPED, unless it says otherwise. */
  readonly signal?: AbortSignal | undefined;
}

export interface LetterPartition {
  readonly partition: number;
  /** Letters before this offset are gone. */
  readonly earliest: number;
  /** One past the last letter. */
  readonly latest: number;
}

/** A dead letter topic as it is now. */
export interface LetterTopic {
  readonly name: string;
  readonly applicationId: string;
  /** False: there is no letter yet. */
  readonly exists: boolean;
  /** Distinguishes the topic from an earlier one of its name; undefined if the broker has no such ids. */
  readonly topicId: string | undefined;
  /** `retention.ms` of the topic; null if it is not set, cannot be read, or keeps everything. */
  readonly retentionMs: number | null;
  /** Whether the topic stamps letters with the time when they are written. */
  readonly stamped: boolean;
  readonly partitions: readonly LetterPartition[];
}

/**
 * Looks at the dead letter topic of an application: which letters there are, and how long it keeps them.
 *
 * Errors: TOPIC_UNKNOWN if `deadLetterTopic` names a topic that does not exist, CONFIG_INVALID for a name
 * that is none, and those of the broker.
 */
export async function letterTopic(options: LetterOptions): Promise<LetterTopic> {
  const { broker, applicationId, deadLetterTopic } = options;
  const named = { applicationId, ...(deadLetterTopic !== undefined && { deadLetterTopic }) };
  const { deadLetterTopic: name } = resolveConfig(applicationId, named);
  const [found] = await broker.admin.describeTopics([name]);
  if (!found) {
    if (deadLetterTopic !== undefined) throw await missing(broker, name);
    const none = { topicId: undefined, retentionMs: null, stamped: false, partitions: [] };
    return { name, applicationId, exists: false, ...none };
  }
  const all = Array.from({ length: found.partitions }, (_, partition) => ({ topic: name, partition }));
  const [earliest, latest] = await Promise.all([broker.admin.earliestOffsets(all), broker.admin.latestOffsets(all)]);
  const [firsts, ends] = [byPartition(earliest), byPartition(latest)];
  const retention = Number(found.config?.['retention.ms'] ?? -1);
  return {
    name,
    applicationId,
    exists: true,
    topicId: found.id,
    retentionMs: Number.isSafeInteger(retention) && retention >= 0 ? retention : null,
    stamped: found.config?.['message.timestamp.type'] === 'LogAppendTime',
    partitions: all.map(({ partition }) => ({
      partition,
      earliest: firsts.get(partition) ?? 0,
      latest: ends.get(partition) ?? 0,
    })),
  };
}

const byPartition = (offsets: readonly PartitionOffset[]): ReadonlyMap<number, number> =>
  new Map(offsets.map(({ partition, offset }) => [partition, offset]));

async function missing({ admin }: Broker, name: string): Promise<StreamsError> {
  const near = nearestName(
    name,
    (await admin.describeTopics()).map((topic) => topic.name),
  );
  return new StreamsError('TOPIC_UNKNOWN', {
    what: 'a dead letter topic does not exist',
    at: name,
    action: near === undefined ? 'Correct the name.' : `Did you mean ${near}?`,
  });
}

/** LETTER_UNKNOWN: there is no such letter. */
export function unknownLetter(topic: LetterTopic, { partition, offset }: LetterPosition): StreamsError {
  const part = topic.partitions[partition];
  return new StreamsError('LETTER_UNKNOWN', {
    what: 'there is no such letter',
    at: `${topic.name}[${partition}]@${offset}`,
    saw: !topic.exists
      ? 'no dead letter topic'
      : part === undefined
        ? `${topic.partitions.length} partitions`
        : part.earliest === part.latest
          ? 'no letters'
          : `letters from ${partition}@${part.earliest} up to ${partition}@${part.latest - 1}`,
    action: offsetIsGone(part, offset)
      ? 'It is gone: the topic no longer keeps it.'
      : 'Take an id from the list of letters.',
  });
}

const offsetIsGone = (part: LetterPartition | undefined, offset: number): boolean =>
  part !== undefined && offset < part.earliest;
