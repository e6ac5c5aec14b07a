/**
 * The public names of millrace, and nothing else. Tests import from `millrace/testing`.
 *
 * @module millrace
 */

export type { Broker } from './broker/port.js';
export { retryable, terminal } from './dsl/calls/call-errors.js';
export type { CallProblem } from './dsl/calls/calling.js';
export type { GlobalTable } from './dsl/common/global-table.js';
export type { Topology } from './dsl/contract/processor.js';
export type { Stream, Table } from './dsl/contract/types.js';
export type { Windowing } from './dsl/folds/windowing.js';
export type { OpenTopology, TopologyOf } from './dsl/open-topology.js';
export { aggregate, count, reduce } from './dsl/operators/aggregate.js';
export { branch } from './dsl/operators/branch.js';
export { cogroup } from './dsl/operators/cogroup.js';
export { dedupe } from './dsl/operators/dedupe.js';
export { type EffectContext, type EffectFunction, effect } from './dsl/operators/effect.js';
export { groupBy, repartition } from './dsl/operators/group-by.js';
export { joinGlobalTable, leftJoinGlobalTable } from './dsl/operators/join-global-table.js';
export { joinStream, leftJoinStream, outerJoinStream } from './dsl/operators/join-stream.js';
export { joinTable, leftJoinTable, outerJoinTable } from './dsl/operators/join-table.js';
export { latestByTimestamp } from './dsl/operators/latest-by-timestamp.js';
export { flatMap, map } from './dsl/operators/map.js';
export { type CallResult, mapAsync } from './dsl/operators/map-async.js';
export { process, process as processRecords } from './dsl/operators/process.js';
export { reorderByVersion } from './dsl/operators/reorder-by-version.js';
export { filterValues, flatMapValues, mapValues, peek, selectKey, toStream } from './dsl/operators/stateless.js';
export { suppress } from './dsl/operators/suppress.js';
export { to } from './dsl/operators/to.js';
export { toTable } from './dsl/operators/to-table.js';
export type { ProcessContext } from './dsl/process/process-context.js';
export type { StoreDefinition } from './dsl/process/process-stores.js';
export { topology, validate as validateTopology } from './dsl/topology.js';
export type { TopologyBuilder } from './dsl/topology-builder.js';
export { calendar } from './dsl/windows/calendar.js';
export { everyN } from './dsl/windows/every-n.js';
export {
  type CountWindows,
  hopping,
  type SessionWindows,
  type SlidingWindows,
  session,
  sliding,
  type TimeWindows,
  tumbling,
  unlimited,
  type Windows,
} from './dsl/windows/windows.js';
export * from './former-names.js';
export { describe as describeTopology } from './graph/describe.js';
export type { Graph, Problem } from './graph/graph.js';
export type { Duration } from './model/duration.js';
export { ERROR_CODES, type ErrorCode, StreamsError } from './model/errors.js';
export { Headers } from './model/headers.js';
export type { Backoff } from './model/policy/backoff.js';
export type { ErrorPolicy } from './model/policy/policy.js';
export type { Clock, Logger } from './model/ports.js';
export type { Change, SourcePosition, StreamRecord } from './model/record.js';
export { Secret } from './model/text/secret.js';
export type { Windowed } from './model/window.js';
export type { EngineOptions, Guarantee } from './runtime/config/config.js';
export { defineConfig, type MillraceConfig } from './runtime/config/define-config.js';
export type { EffectCall, EffectGate } from './runtime/config/effect-gate.js';
export type { ApplicationState, AssignmentChange, TaskRestore } from './runtime/config/life-hooks.js';
export type { EngineMetrics } from './runtime/config/metrics.js';
export type { ErrorPolicies } from './runtime/config/policy.js';
export type { Progress } from './runtime/engine/progress.js';
export { type OpenBrokerOptions, openBroker } from './runtime/open-broker.js';
export { openSchemaRegistry, type SchemaRegistryOptions } from './runtime/open-schema-registry.js';
export { openProducer, type Producer, type RecordPosition } from './runtime/producer.js';
export { type InputRecord, type SendSerdes, send, type TopicSerdes } from './runtime/send.js';
export { type RunningStreams, type StartOptions, start } from './runtime/start.js';
export type { StoreView, WindowRange } from './runtime/store-view.js';
export type { Format, Serde } from './serdes/serde.js';
export { serdes } from './serdes/serdes.js';
export { CacheBudget } from './state/cache/cache-budget.js';
export type { KeyValueStore, RangeOptions, Row, VersionedStore, VersionOutcome } from './state/contract.js';
