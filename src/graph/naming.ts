/**
 * The names of everything that millrace creates. They consist of names that the user gave, without counters.
 * The only exception is the version number of an application. The prefix is the application's id, or the
 * prefix of the version that was promoted.
 */

/** `<prefix>-<store>-changelog`, as in Kafka Streams. */
export const changelogTopic = (prefix: string, store: string): string => `${prefix}-${store}-changelog`;

/** `<prefix>-<name>-repartition`, as in Kafka Streams. */
export const repartitionTopic = (prefix: string, name: string): string => `${prefix}-${name}-repartition`;

/** The names of the repartitions of a graph, by topic. */
export const repartitionNames = (
  { nodes }: { readonly nodes: readonly { readonly kind: string; readonly name?: string }[] },
  prefix: string,
): ReadonlyMap<string, string> =>
  new Map(
    nodes.flatMap(({ kind, name }) =>
      kind === 'repartition' && name !== undefined ? [[repartitionTopic(prefix, name), name] as const] : [],
    ),
  );

/** The end of the name of an internal input's topic: `reminders-timers`. */
export const internalInput = ({ name, holds }: { readonly name: string; readonly holds: string }): string =>
  `${name}-${holds}`;

/** The internal input of a sub-topology in which letters are fed in again. */
export const lettersInput = (subTopology: string): string => internalInput({ name: subTopology, holds: 'letters' });

/** `<prefix>-<name>-<holds>`, from the {@link internalInput} of a sub-topology. */
export const internalInputTopic = (prefix: string, input: string): string => `${prefix}-${input}`;

/**
 * The topics of a sub-topology in which timers note that they fired. Timers never end: whoever waits until
 * nothing is left to do does not wait for them.
 */
export const timerTopics = (
  { internalInputs = [] }: { readonly internalInputs?: readonly string[] },
  prefix: string,
): ReadonlySet<string> =>
  new Set(
    internalInputs.filter((input) => input.endsWith('-timers')).map((input) => internalInputTopic(prefix, input)),
  );

/** `<application>-dead-letter`, unless the configuration names another. */
export const deadLetterTopic = (applicationId: string): string => `${applicationId}-dead-letter`;

/** `<application>-ledger`: what people and tools have done with the application. */
export const ledgerTopic = (applicationId: string): string => `${applicationId}-ledger`;

/** A task: one sub-topology on one partition. Also the name of its state directory. */
export const taskId = (subTopology: string, partition: number): string => `${subTopology}-${partition}`;

/**
 * The id that fences earlier owners of a task under exactly_once. Names contain no colon, so `orders` with
 * the task `eu-payments-0` and `orders-eu` with `payments-0` differ.
 */
export const transactionalId = (applicationId: string, task: string): string => `${applicationId}:${task}`;
