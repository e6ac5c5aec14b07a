/**
 * The public names of millrace, and nothing else. Tests import from `millrace/testing`.
 *
 * @module millrace
 */

export type {
  KafkaClientCredentials,
  KafkaOptions,
  KafkaPassword,
  KafkaSasl,
  KafkaSecurity,
  KafkaTls,
  KafkaToken,
  KafkaTokenFunction,
} from './broker/kafkajs/options.js';
export { kafkaOptionsFromEnv } from './broker/kafkajs/properties.js';
export type { Broker } from './broker/port.js';
export type { ForeignKeyJoinOptions } from './dsl/foreign-keys/foreign-key-join.js';
export type { GlobalTable } from './dsl/global-table.js';
export {
  type AggregateOptions,
  aggregate,
  type CountOptions,
  count,
  type ReduceOptions,
  reduce,
  type SessionAggregateOptions,
  type WindowedAggregateOptions,
  type WindowedReduceOptions,
} from './dsl/operators/aggregate.js';
export {
  type CogroupInput,
  type CogroupOptions,
  cogroup,
  type WindowedCogroupOptions,
} from './dsl/operators/cogroup.js';
export { type DedupeOptions, dedupe } from './dsl/operators/dedupe.js';
export { type EffectContext, type EffectFunction, type EffectOptions, effect } from './dsl/operators/effect.js';
export {
  type JoinGlobalTableOptions,
  joinGlobalTable,
  leftJoinGlobalTable,
} from './dsl/operators/join-global-table.js';
export { type JoinStreamOptions, joinStream, leftJoinStream, outerJoinStream } from './dsl/operators/join-stream.js';
export { type JoinTableOptions, joinTable, leftJoinTable, outerJoinTable } from './dsl/operators/join-table.js';
export { type LatestByTimestampOptions, latestByTimestamp } from './dsl/operators/latest-by-timestamp.js';
export { type ProcessContext, type ProcessOptions, process, type StoreDefinition } from './dsl/operators/process.js';
export { type GroupByOptions, groupBy, repartition } from './dsl/operators/regroup.js';
export { flatMap, map } from './dsl/operators/rekey.js';
export { type ReorderByVersionOptions, reorderByVersion } from './dsl/operators/reorder-by-version.js';
export {
  filterValues,
  flatMapValues,
  mapValues,
  peek,
  type SelectKeyOptions,
  selectKey,
  toStream,
} from './dsl/operators/stateless.js';
export {
  type SuppressUntilTimeLimitOptions,
  type SuppressUntilWindowClosesOptions,
  suppress,
} from './dsl/operators/suppress.js';
export { type ToOptions, to } from './dsl/operators/to.js';
export { type ToTableOptions, toTable } from './dsl/operators/to-table.js';
export type { Topology } from './dsl/processor.js';
export { topology, validate } from './dsl/topology.js';
export type { GlobalTableOptions, StreamOptions, TableOptions, TopologyBuilder } from './dsl/topology-builder.js';
export type { Stream, Table } from './dsl/types.js';
export { type CalendarOptions, type CalendarUnit, calendar } from './dsl/windows/calendar.js';
export { type EveryNOptions, everyN } from './dsl/windows/every-n.js';
export type { Windowing } from './dsl/windows/windowing.js';
export {
  type CountWindows,
  type HoppingOptions,
  hopping,
  type SessionWindows,
  type SlidingWindows,
  session,
  sliding,
  type TimeWindows,
  tumbling,
  unlimited,
  type WindowOptions,
  type Windows,
} from './dsl/windows/windows.js';
export { describe as describeTopology } from './graph/describe.js';
export type { Graph, Problem } from './graph/graph.js';
export type { Duration } from './model/duration.js';
export { ERROR_CODES, type ErrorCode, StreamsError } from './model/errors.js';
export { Headers } from './model/headers.js';
export type { Clock, Logger } from './model/ports.js';
export type { Change, SourcePosition, StreamRecord } from './model/record.js';
export { Secret } from './model/secret.js';
export type { Windowed } from './model/window.js';
export type { Pem } from './net/tls.js';
export type { EngineOptions, Guarantee } from './runtime/config.js';
export type { EffectCall, EffectGate } from './runtime/effects.js';
export type { EngineMetrics } from './runtime/metrics.js';
export { type OpenBrokerOptions, openBroker } from './runtime/open-broker.js';
export { openSchemaRegistry, type SchemaRegistryOptions } from './runtime/open-schema-registry.js';
export type { ErrorPolicies, ErrorPolicy } from './runtime/policy.js';
export type { Progress } from './runtime/progress.js';
export { type InputRecord, type SendSerdes, send, type TopicSerdes } from './runtime/send.js';
export { type RunningStreams, type StartOptions, start } from './runtime/start.js';
export type { StoreView, WindowRange } from './runtime/store-view.js';
export type {
  SchemaReference,
  SchemaRegistry,
  SchemaSource,
  SchemaVersion,
  StoredSchema,
} from './serdes/registry/port.js';
export type { Compatibility } from './serdes/schema/compatibility.js';
export type { Binding, BoundSerde, Format, Serde, SerdePlace, SerdeServices } from './serdes/serde.js';
export { serdes } from './serdes/serdes.js';
export { CacheBudget } from './state/cache-budget.js';
export type { KeyValueStore, RangeOptions, Row, VersionedStore, VersionPlace } from './state/contract.js';
