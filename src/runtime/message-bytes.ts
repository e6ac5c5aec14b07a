import type { Admin, TopicDescription } from '../broker/port.js';
import { isStreamsError, StreamsError } from '../model/errors.js';
import type { InternalTopic } from './topic-uses.js';

const MAX_MESSAGE_BYTES = 'max.message.bytes';
/** What Kafka takes if nobody says otherwise: 1 MiB and the overhead of a batch. */
const DEFAULT_BYTES = 1_048_588;
/** What a setting may be: a signed integer of 4 bytes. */
const MOST_BYTES = 2 ** 31 - 1;
/**
 * What a record has in an internal topic that it did not have in its source: its position, names, lengths.
 */
const ENVELOPE_BYTES = 64 * 1024;

/**
 * What the internal topics of an application must take: anything that is made of one record of a source.
 * That is at most three times the record, as when its key is part of the key of a row, of the entity that it
 * stands for, and of what waits there. A change with the row before it is twice the row.
 */
export function messageBytesFor(sources: readonly (TopicDescription | undefined)[]): number {
  const ofSources = sources.map((topic) => topic?.maxMessageBytes ?? DEFAULT_BYTES);
  return Math.min(MOST_BYTES, 3 * Math.max(DEFAULT_BYTES, ...ofSources) + ENVELOPE_BYTES);
}

/** How a topic is made that must take so much. */
export const taking = (bytes: number): Readonly<Record<string, string>> => ({ [MAX_MESSAGE_BYTES]: String(bytes) });

/**
 * Raises what internal topics take that exist. Dead letter topics stay as they are: they may be anybody's.
 * TOPIC_MISMATCH, with the command that does it, if this user may not or the broker does not.
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
      what: 'internal topics do not take what is made of the largest record of a source, and cannot be changed',
      at: small.map(({ name }) => name).join(', '),
      saw: small
        .map(({ name }) => `${name} with ${MAX_MESSAGE_BYTES}=${existing.get(name)?.maxMessageBytes}`)
        .join(', '),
      expected: `at least ${MAX_MESSAGE_BYTES}=${bytes}`,
      action: `Allow AlterConfigs on them to the user, or let somebody run for each: kafka-configs.sh --alter --entity-type topics --entity-name ${small[0]?.name} --add-config ${MAX_MESSAGE_BYTES}=${bytes}`,
      cause: error,
    });
  }
}
