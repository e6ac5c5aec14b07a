import type { Admin, TopicDescription } from '../../broker/port.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import type { InternalTopic } from './topic-uses.js';

const MAX_MESSAGE_BYTES = 'max.message.bytes';
/** Kafka's default: 1 MiB and the overhead of a batch. */
const DEFAULT_BYTES = 1_048_588;
/** The maximum of the setting: a signed integer of 4 bytes. */
const MOST_BYTES = 2 ** 31 - 1;
/** What a record has in an internal topic in addition to its source record: its position, names, lengths. */
const ENVELOPE_BYTES = 64 * 1024;

/**
 * The limit that the internal topics of an application need, for everything that is made of one source
 * record. That is at most three times the record. The maximum occurs if its key is part of the key of a row,
 * of the entity of the row, and of what is queued there. A change with its previous row is twice the row.
 */
export function messageBytesFor(sources: readonly (TopicDescription | undefined)[]): number {
  const ofSources = sources.map((topic) => topic?.maxMessageBytes ?? DEFAULT_BYTES);
  return Math.min(MOST_BYTES, 3 * Math.max(DEFAULT_BYTES, ...ofSources) + ENVELOPE_BYTES);
}

/** The setting of a topic with this limit. */
export const taking = (bytes: number): Readonly<Record<string, string>> => ({ [MAX_MESSAGE_BYTES]: String(bytes) });

/**
 * Raises the limit of existing internal topics. Dead letter topics stay as they are: other programs may use
 * them. TOPIC_MISMATCH, with the command to run, if the permission is missing or the broker refuses.
 */
export async function raiseMessageBytes(
  admin: Admin,
  internal: readonly InternalTopic[],
  { existing, bytes }: { readonly existing: ReadonlyMap<string, TopicDescription>; readonly bytes: number },
): Promise<void> {
  const small = internal.filter(({ name, anyWidth }) => {
    const found = existing.get(name);
    return !anyWidth && found?.config && found.maxMessageBytes !== undefined && found.maxMessageBytes < bytes;
  });
  if (small.length === 0) return;
  try {
    await admin.configureTopics(small.map(({ name }) => ({ name, config: taking(bytes) })));
  } catch (error) {
    if (!isStreamsError(error) || !['BROKER_UNAUTHORIZED', 'CONFIG_INVALID'].includes(error.code)) throw error;
    throw new StreamsError('TOPIC_MISMATCH', {
      what: 'internal topics cannot hold records made from the largest record of a source, and cannot be changed',
      at: small.map(({ name }) => name).join(', '),
      saw: small
        .map(({ name }) => `${name} with ${MAX_MESSAGE_BYTES}=${existing.get(name)?.maxMessageBytes}`)
        .join(', '),
      expected: `at least ${MAX_MESSAGE_BYTES}=${bytes}`,
      action: `Grant the principal AlterConfigs on them, or have an administrator run for each: kafka-configs.sh --alter --entity-type topics --entity-name ${small[0]?.name} --add-config ${MAX_MESSAGE_BYTES}=${bytes}`,
      cause: error,
    });
  }
}
