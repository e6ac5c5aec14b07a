import type { Membership } from '../broker/port.js';
import type { Topology } from '../dsl/contract/processor.js';
import type { SubTopology } from '../graph/graph.js';
import type { CacheBudget } from '../state/cache-budget.js';
import type { StoreSpec } from '../state/contract.js';
import type { Alignment } from './alignment.js';
import type { EngineConfig, EnginePorts } from './config.js';
import type { GlobalTables } from './global-tables.js';
import type { InputBuffer } from './input-buffer.js';
import type { Metrics } from './metrics.js';
import type { StopLimit } from './stop-limit.js';
import type { TopicCounts } from './topics.js';

/** What an engine passes to a task that it opens. */
export interface TaskOptions {
  readonly topology: Topology;
  readonly subTopology: SubTopology;
  readonly partition: number;
  readonly stores: readonly StoreSpec[];
  readonly config: EngineConfig;
  readonly ports: EnginePorts;
  readonly membership: Membership;
  readonly topics: TopicCounts;
  readonly budget: CacheBudget;
  readonly inputs: InputBuffer;
  readonly metrics: Metrics;
  readonly alignment: Alignment;
  /** Loaded. */
  readonly globals: GlobalTables;
  /** Called for an error that belongs to no record: a late emission. */
  readonly onFatal: (error: Error) => void;
  readonly signal: AbortSignal;
  /** How long the current batch may take after the engine is stopped. */
  readonly stop: StopLimit;
}
