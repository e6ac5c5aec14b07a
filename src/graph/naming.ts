/**
 * The names of everything that millrace creates. Each is made of names the user gave: no counter becomes part
 * of one, but that of the versions of an application. Prefix: the application's id, or that of the version
 * which has taken over.
 */

/** `<prefix>-<store>-changelog`, as in Kafka Streams. */
export const changelogTopic = (prefix: string, store: string): string => `${prefix}-${store}-changelog`;

/** `<prefix>-<name>-repartition`, as in Kafka Streams. */
export const repartitionTopic = (prefix: string, name: string): string => `${prefix}-${name}-repartition`;

/** `<application>-dead-letter`, unless the configuration names another. */
export const deadLetterTopic = (applicationId: string): string => `${applicationId}-dead-letter`;

/** A task: one sub-topology on one partition. Also the name of its state directory. */
export const taskId = (subTopology: string, partition: number): string => `${subTopology}-${partition}`;

/**
 * What fences the earlier owners of a task under exactly_once. No name has a colon in it: `orders` with the
 * task `eu-payments-0` and `orders-eu` with `payments-0` are different.
 */
export const transactionalId = (applicationId: string, task: string): string => `${applicationId}:${task}`;
