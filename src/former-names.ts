/**
 * Deprecated names of `millrace`: they have moved to another door or have a new name. They stay for one
 * version; CHANGELOG.md lists them.
 */

export type {
  /** @deprecated Import it from `millrace/kafka`. */
  KafkaClientCredentials,
  /** @deprecated Import it from `millrace/kafka`. */
  KafkaOptions,
  /** @deprecated Import it from `millrace/kafka`. */
  KafkaPassword,
  /** @deprecated Import it from `millrace/kafka`. */
  KafkaSasl,
  /** @deprecated Import it from `millrace/kafka`. */
  KafkaSecurity,
  /** @deprecated Import it from `millrace/kafka`. */
  KafkaTls,
  /** @deprecated Import it from `millrace/kafka`. */
  KafkaToken,
  /** @deprecated Import it from `millrace/kafka`. */
  KafkaTokenFunction,
} from './broker/kafkajs/login/options.js';
export {
  /** @deprecated Import it from `millrace/kafka`. */
  kafkaOptionsFromEnv,
} from './broker/kafkajs/login/properties.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  ForeignKeyJoinOptions,
} from './dsl/foreign-keys/foreign-key-join.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  AggregateOptions,
  /** @deprecated Import it from `millrace/options`. */
  CountOptions,
  /** @deprecated Import it from `millrace/options`. */
  ReduceOptions,
  /** @deprecated Import it from `millrace/options`. */
  SessionAggregateOptions,
  /** @deprecated Import it from `millrace/options`. */
  WindowedAggregateOptions,
  /** @deprecated Import it from `millrace/options`. */
  WindowedReduceOptions,
} from './dsl/operators/aggregate.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  CogroupInput,
  /** @deprecated Import it from `millrace/options`. */
  CogroupOptions,
  /** @deprecated Import it from `millrace/options`. */
  WindowedCogroupOptions,
} from './dsl/operators/cogroup.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  DedupeOptions,
} from './dsl/operators/dedupe.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  EffectOptions,
} from './dsl/operators/effect.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  GroupByOptions,
} from './dsl/operators/group-by.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  JoinGlobalTableOptions,
} from './dsl/operators/join-global-table.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  JoinStreamOptions,
} from './dsl/operators/join-stream.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  LatestByTimestampOptions,
} from './dsl/operators/latest-by-timestamp.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  SelectKeyOptions,
} from './dsl/operators/stateless.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  SuppressUntilTimeLimitOptions,
  /** @deprecated Import it from `millrace/options`. */
  SuppressUntilWindowClosesOptions,
} from './dsl/operators/suppress.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  ToOptions,
} from './dsl/operators/to.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  ToTableOptions,
} from './dsl/operators/to-table.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  ProcessOptions,
} from './dsl/process/process-context.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  ReorderByVersionOptions,
} from './dsl/reorder/reorder-options.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  JoinTableOptions,
} from './dsl/tables/join-options.js';
export {
  /** @deprecated Called `validateTopology` now. */
  validate,
} from './dsl/topology.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  GlobalTableOptions,
  /** @deprecated Import it from `millrace/options`. */
  StreamOptions,
  /** @deprecated Import it from `millrace/options`. */
  TableOptions,
} from './dsl/topology-builder.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  CalendarOptions,
  /** @deprecated Import it from `millrace/options`. */
  CalendarUnit,
} from './dsl/windows/calendar.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  EveryNOptions,
} from './dsl/windows/every-n.js';
export type {
  /** @deprecated Import it from `millrace/options`. */
  HoppingOptions,
  /** @deprecated Import it from `millrace/options`. */
  WindowOptions,
} from './dsl/windows/windows.js';
export type {
  /** @deprecated Import it from `millrace/kafka`. */
  Pem,
} from './net/tls.js';
export type {
  /** @deprecated Import it from `millrace/avro`. */
  SchemaReference,
  /** @deprecated Import it from `millrace/avro`. */
  SchemaRegistry,
  /** @deprecated Import it from `millrace/avro`. */
  SchemaSource,
  /** @deprecated Import it from `millrace/avro`. */
  SchemaVersion,
  /** @deprecated Import it from `millrace/avro`. */
  StoredSchema,
} from './serdes/registry/port.js';
export type {
  /** @deprecated Import it from `millrace/avro`. */
  Compatibility,
} from './serdes/schema/compatibility.js';
export type {
  /** @deprecated Import it from `millrace/avro`. */
  Binding,
  /** @deprecated Import it from `millrace/avro`. */
  BoundSerde,
  /** @deprecated Import it from `millrace/avro`. */
  SerdeServices,
  /** @deprecated Called `SerdeUsage` now: import it from `millrace/avro`. */
  SerdeUsage as SerdePlace,
} from './serdes/serde.js';
export type {
  /** @deprecated Called `VersionOutcome` now. */
  VersionOutcome as VersionPlace,
} from './state/contract.js';
