import type { Admin } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';

/** Event times may lie years back: what goes by age is nothing for a topic that somebody fills by hand. */
const CONFIG = { 'cleanup.policy': 'delete', 'retention.ms': '-1' } as const;

export interface EnsureTopic {
  /** Whether a missing topic is created. */
  readonly create: boolean;
  /** How many partitions it is created with. */
  readonly missing: number;
  /** How many it must have if it exists. Default: any number. */
  readonly required?: number | undefined;
}

/**
 * How many partitions a topic has, once it is there. TOPIC_UNKNOWN if it may not be created, TOPIC_MISMATCH
 * if it has another number than it must.
 */
export async function ensureTopic(
  admin: Admin,
  name: string,
  { create, missing, required }: EnsureTopic,
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
  return missing;
}

/** TOPIC_UNKNOWN, naming the topics there are. */
export const unknownTopic = (name: string, existing: readonly string[]): StreamsError =>
  new StreamsError('TOPIC_UNKNOWN', {
    what: 'a topic does not exist',
    at: name,
    saw: existing.length === 0 ? 'no such topic' : `the topics ${existing.join(', ')}`,
    action: 'Correct the name, or create the topic.',
  });
