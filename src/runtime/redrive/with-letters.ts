import type { Admin } from '../../broker/port.js';
import { DECLARE, TOPOLOGY, type Topology } from '../../dsl/contract/processor.js';
import type { Graph } from '../../graph/graph.js';
import { internalInputTopic, lettersInput } from '../../graph/naming.js';
import { isStreamsError } from '../../model/errors.js';
import type { EngineConfig } from '../config/config.js';
import { writesLetters } from '../topics/topic-uses.js';

/**
 * The topology with an internal input of letters in each sub-topology. Letters are fed in again through these
 * inputs. A topology has them if a policy may write letters, or if the topics exist, since letters were fed
 * in before.
 *
 * They are no part of the graph that the user has declared: the same topology runs with and without them.
 */
export async function withLetters(
  topology: Topology,
  admin: Pick<Admin, 'describeTopics'>,
  config: EngineConfig,
): Promise<Topology> {
  const { graph } = topology;
  if (writesLetters(config, graph)) return withInputs(topology, () => true);
  try {
    return await withLettersThatExist(topology, admin, config.version.prefix);
  } catch (error) {
    // What the application may not see, it does not read. The topics that it needs are asked for later.
    if (isStreamsError(error) && error.code === 'BROKER_UNAUTHORIZED') return topology;
    throw error;
  }
}

/** The same for programs that create no topics: inputs exist if their topics do. */
export async function withLettersThatExist(
  topology: Topology,
  admin: Pick<Admin, 'describeTopics'>,
  prefix: string,
): Promise<Topology> {
  const topicOf = (id: string): string => internalInputTopic(prefix, lettersInput(id));
  const asked = topology.graph.subTopologies.map(({ id }) => topicOf(id));
  const found = new Set((await admin.describeTopics(asked)).map(({ name }) => name));
  return found.size === 0 ? topology : withInputs(topology, (id) => found.has(topicOf(id)));
}

function withInputs(topology: Topology, has: (subTopology: string) => boolean): Topology {
  const { graph, name } = topology;
  const subTopologies = graph.subTopologies.map((sub) => {
    const { id, internalInputs = [] } = sub;
    const input = lettersInput(id);
    return !has(id) || internalInputs.includes(input) ? sub : { ...sub, internalInputs: [...internalInputs, input] };
  });
  return {
    [TOPOLOGY]: topology[TOPOLOGY],
    name,
    graph: { ...graph, subTopologies },
    [DECLARE]: (scope) => topology[DECLARE](scope),
  };
}

/** The nodes of the sub-topologies with such an input: their records must be known again in a replay. */
export const nodesWithLetters = ({ subTopologies }: Graph): readonly string[] =>
  subTopologies.flatMap(({ id, nodes, internalInputs = [] }) =>
    internalInputs.includes(lettersInput(id)) ? nodes : [],
  );
