import type { Admin } from '../../broker/port.js';
import { StreamsError } from '../../model/errors.js';

/** Event times may be years old: retention by age is wrong for a topic that users fill by hand. */
const CONFIG = { 'cleanup.policy': 'delete', 'retention.ms': '-1' } as const;

export interface EnsureTopic {
  /** Whether a missing topic is created. */
  readonly create: boolean;
  /** Partitions of a created topic. */
  readonly missing: number;
  /** Partitions that an existing topic must have. Default: any number. */
  readonly required?: number | undefined;
  /** Called when the topic was created: its name may be a typing error. */
  readonly onCreated?: () => void;
}

/**
 * Creates the topic if it is missing and may be created; returns its number of partitions. Errors:
 * TOPIC_UNKNOWN if it is missing and may not be created, TOPIC_MISMATCH if its number of partitions is not
 * the required one.
 */
export async function ensureTopic(
  admin: Admin,
  name: string,
  { create, missing, required, onCreated }: EnsureTopic,
): Promise<number> {
  const [found] = await admin.describeTopics([name]);
  if (found) {
    if (required === undefined || required === found.partitions) return found.partitions;
    throw new StreamsError('TOPIC_MISMATCH', {
      what: 'a topic has another number of partitions',
      at: name,
      saw: String(found.partitions),
      expected: String(required),
      action: 'Leave out --partitions, or choose another topic.',
    });
  }
  if (!create) throw unknownTopic(name, []);
  await admin.createTopics([{ name, partitions: missing, config: CONFIG }]);
  onCreated?.();
  return missing;
}

/** TOPIC_UNKNOWN, with the existing topics. */
export const unknownTopic = (name: string, existing: readonly string[]): StreamsError =>
  new StreamsError('TOPIC_UNKNOWN', {
    what: 'a topic does not exist',
    at: name,
    saw: existing.length === 0 ? 'no such topic' : `the topics ${existing.join(', ')}`,
    action: 'Correct the name, or create the topic.',
  });
