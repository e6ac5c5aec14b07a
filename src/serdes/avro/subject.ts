import { isNamed, type Schema } from '../schema/model.js';

/**
 * Under which subject of the registry a schema is: `topicName` (`orders-value`, one schema a topic),
 * `recordName` (`shop.Order`, one for all topics) or `topicRecordName` (`orders-shop.Order`, several a
 * topic), as Confluent's serializers name them.
 */
export type SubjectStrategy = 'topicName' | 'recordName' | 'topicRecordName';

export const STRATEGIES: readonly SubjectStrategy[] = ['topicName', 'recordName', 'topicRecordName'];

/** Throws a plain `Error` where the strategy needs the name of a record and the schema is none. */
export function subjectOf(
  strategy: SubjectStrategy,
  { topic, side }: { readonly topic: string; readonly side: 'key' | 'value' },
  schema: Schema,
): string {
  if (strategy === 'topicName') return `${topic}-${side}`;
  if (!isNamed(schema))
    throw new Error(
      `the strategy ${strategy} takes its subject from the name of a record, and the schema is of type ${schema.kind}`,
    );
  return strategy === 'recordName' ? schema.name : `${topic}-${schema.name}`;
}
