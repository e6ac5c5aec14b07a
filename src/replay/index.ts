/**
 * Replays of an application's past: the same engine, with another reader and other sinks.
 *
 * @module millrace/replay
 */

export { type BisectOptions, type BisectResult, bisect, type ChangedRow, type Predicate } from './answers/bisect.js';
export type { StateChange } from './answers/changes.js';
export {
  type ComparedOutput,
  type ComparedRow,
  type CompareOptions,
  compare,
  type Disagreement,
} from './answers/compare.js';
export { type HistoryOptions, history } from './answers/history.js';
export type { PastStore } from './answers/past-store.js';
export {
  type ReplayedRecord,
  type ReplayOptions,
  type ReplayReport,
  replay,
  type SilencedEffect,
} from './answers/replay.js';
export { ShadowTopics } from './answers/shadow-topics.js';
export { type SmallestSlice, smallestSlice } from './answers/smallest-slice.js';
export { type PastState, type StateAsOfOptions, stateAsOf } from './answers/state-as-of.js';
export { type RowDifference, type StateDiffOptions, stateDiff } from './answers/state-diff.js';
export { type StateOnDiskOptions, type StoreOnDisk, stateOnDisk } from './answers/state-on-disk.js';
export { type TraceOptions, trace } from './answers/trace.js';
export type { Trace, TraceStep } from './answers/tracer.js';
export type { PastOptions, PastProgress, PastSlice, SnapshotOptions } from './past/past-options.js';
export { type RebuildOptions, type RebuildReport, rebuildStore } from './repair/rebuild.js';
export type { RebuildProgress, RebuildStep, RebuiltTask } from './repair/rebuild-task.js';
export { applyReset, type ResetContext, type ResetStep } from './repair/reset.js';
export type { ResetMove } from './repair/reset-move.js';
export { planReset, type ResetOptions, type ResetPlan } from './repair/reset-plan.js';
export type { EventInfo } from './rerun/event.js';
export type { PastSchemas } from './rerun/past-serdes.js';
export { formatMoment, type Moment, type OffsetOf, parseMoment } from './slice/moment.js';
export type { HistoryGap } from './slice/slice.js';
export type { SnapshotEvery } from './snapshots/snapshot-format.js';
export {
  type VerifyDifference,
  type VerifyOptions,
  type VerifyReport,
  type VerifyRun,
  verify,
} from './verify/verify.js';
export type { OutputComparison } from './versions/compare-outputs.js';
export type { OutputDifference } from './versions/output-digest.js';
export { applyPromotion, type PromotionContext, type PromotionStep } from './versions/promotion.js';
export {
  type PromotionOptions,
  type PromotionPlan,
  planPromotion,
  planRollback,
  type TakeOver,
} from './versions/promotion-plan.js';
export { type ShadowStreams, type StartShadowOptions, startShadow } from './versions/shadow-application.js';
