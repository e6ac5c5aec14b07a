import type { TopicPartition, TransactionScope, WriterOptions } from '../../broker/port.js';
import {
  changelogTopic,
  internalInputTopic,
  ledgerTopic,
  lettersInput,
  taskId,
  transactionalId,
} from '../../graph/naming.js';
import type { TaskScope } from '../topics/task-scope.js';
import { internalTopics, neededTopics } from '../topics/topic-uses.js';

/** The options of a task's writer: under exactly_once, it fences the previous owner of the task. */
export const writerOptions = (options: TaskScope, sources: readonly TopicPartition[]): WriterOptions =>
  options.config.guarantee === 'at_least_once'
    ? {}
    : {
        transactionalId: transactionalId(
          options.config.applicationId,
          taskId(options.subTopology.id, options.partition),
        ),
        transactionScope: transactionScopeOf(options, sources),
      };

/** The topics and partitions that transactions of the task may have touched, for any owner. */
function transactionScopeOf(
  {
    topology,
    subTopology,
    config,
    stores,
    partition,
  }: Pick<TaskScope, 'topology' | 'subTopology' | 'config' | 'stores' | 'partition'>,
  sources: readonly TopicPartition[],
): TransactionScope {
  const { applicationId, version } = config;
  const own = [
    ...stores.map(({ name }) => changelogTopic(version.prefix, name)),
    ...(subTopology.internalInputs ?? []).map((input) => internalInputTopic(version.prefix, input)),
  ].map((topic) => ({ topic, partition }));
  // Changelogs and internal inputs of other tasks are not in it.
  const internal = internalTopics(topology.graph, config).filter(({ subTopology }) => subTopology === undefined);
  const written = [...neededTopics(topology.graph), ...internal].filter(({ operations }) =>
    operations.includes('Write'),
  );
  const ledger = subTopology.internalInputs?.includes(lettersInput(subTopology.id)) ? [ledgerTopic(applicationId)] : [];
  return {
    groupId: applicationId,
    sources,
    own,
    topics: [...new Set([...written.map(({ name }) => name), ...ledger])],
  };
}
