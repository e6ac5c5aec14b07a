import { isNamed, type Schema } from '../schema/model.js';

/**
 * How the subject of a schema is chosen, under the names of Confluent's serializers: `topicName`
 * (`orders-value`, one schema per topic), `recordName` (`shop.Order`, one for all topics) or
 * `topicRecordName` (`orders-shop.Order`, several per topic).
 */
export type SubjectStrategy = 'topicName' | 'recordName' | 'topicRecordName';

export const STRATEGIES: readonly SubjectStrategy[] = ['topicName', 'recordName', 'topicRecordName'];

/** Throws a plain `Error` if the strategy needs the name of a type and the schema has none. */
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
