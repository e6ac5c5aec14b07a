import type { Membership } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import type { SubTopology } from '../../graph/graph.js';
import type { CacheBudget } from '../../state/cache/cache-budget.js';
import type { StoreSpec } from '../../state/contract.js';
import type { EngineConfig, EnginePorts } from '../config/config.js';
import type { Metrics } from '../config/metrics.js';
import type { StopLimit } from '../config/stop-limit.js';
import type { TopicCounts } from './topics.js';

/** One task of an application, and what every part of it may use of the process that runs it. */
export interface TaskScope {
  readonly topology: Topology;
  readonly subTopology: SubTopology;
  readonly partition: number;
  readonly stores: readonly StoreSpec[];
  readonly config: EngineConfig;
  readonly ports: EnginePorts;
  readonly membership: Membership;
  readonly topics: TopicCounts;
  readonly budget: CacheBudget;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /** How long the current batch may take after the engine is stopped. */
  readonly stop: StopLimit;
}
