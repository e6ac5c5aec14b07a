/** The names of everything that millrace creates. Each is made of names the user gave: no counter ever becomes part of one. */

/** `<application>-<store>-changelog`, as in Kafka Streams. */
export const changelogTopic = (applicationId: string, store: string): string => `${applicationId}-${store}-changelog`;

/** `<application>-<name>-repartition`, as in Kafka Streams. */
export const repartitionTopic = (applicationId: string, name: string): string => `${applicationId}-${name}-repartition`;

/** `<application>-dead-letter`, unless the configuration names another. */
export const deadLetterTopic = (applicationId: string): string => `${applicationId}-dead-letter`;

/** A task: one sub-topology on one partition. Also the name of its state directory. */
export const taskId = (subTopology: string, partition: number): string => `${subTopology}-${partition}`;

/** What may be part of a topic's name, and so of every name a user gives. */
export const NAME_PATTERN = /^[a-zA-Z0-9._-]{1,200}$/;
