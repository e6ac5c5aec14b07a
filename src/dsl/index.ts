/**
 * The option types of operators, windows and sources, for functions that pass options on.
 *
 * @module millrace/options
 */

export type { RetryAfter } from './calls/call-errors.js';
export type { BreakerOptions, CallOptions } from './calls/call-options.js';
export type { KeyTimer } from './clock/key-timers.js';
export type { MissedFirings } from './clock/wall-timers.js';
export type { PolicyOptions } from './contract/policy-options.js';
export type { ForeignKeyJoinOptions } from './foreign-keys/foreign-key-join.js';
export type { TopologyOptions } from './open-topology.js';
export type {
  AggregateOptions,
  CountOptions,
  ReduceOptions,
  SessionAggregateOptions,
  WindowedAggregateOptions,
  WindowedReduceOptions,
} from './operators/aggregate.js';
export type { Branches, BranchGuards } from './operators/branch.js';
export type { CogroupInput, CogroupOptions, WindowedCogroupOptions } from './operators/cogroup.js';
export type { DedupeOptions } from './operators/dedupe.js';
export type { EffectOptions } from './operators/effect.js';
export type { GroupByOptions } from './operators/group-by.js';
export type { JoinGlobalTableOptions } from './operators/join-global-table.js';
export type { JoinStreamOptions } from './operators/join-stream.js';

export type { LatestByTimestampOptions } from './operators/latest-by-timestamp.js';
export type { MapAsyncFunction, MapAsyncOptions, MapAsyncResultOptions } from './operators/map-async.js';
export type { SelectKeyOptions } from './operators/stateless.js';
export type { SuppressUntilTimeLimitOptions, SuppressUntilWindowClosesOptions } from './operators/suppress.js';
export type { ToOptions } from './operators/to.js';
export type { ToTableOptions } from './operators/to-table.js';
export type { ProcessOptions, ProcessorOptions } from './process/process-context.js';
export type { ReorderByVersionOptions } from './reorder/reorder-options.js';
export type { JoinTableOptions } from './tables/join-options.js';
export type { GlobalTableOptions, StreamOptions, TableOptions } from './topology-builder.js';
export type { CalendarOptions, CalendarUnit } from './windows/calendar.js';
export type { EveryNOptions } from './windows/every-n.js';
export type { HoppingOptions, WindowOptions } from './windows/windows.js';
