/**
 * Replays of an application's past: the same engine, with another reader and other sinks.
 *
 * @module millrace/replay
 */

export { type BisectOptions, type BisectResult, bisect, type ChangedRow, type Predicate } from './bisect.js';
export type { StateChange } from './changes.js';
export { type ComparedOutput, type ComparedRow, type CompareOptions, compare, type Disagreement } from './compare.js';
export type { OutputComparison } from './compare-outputs.js';
export type { EventInfo } from './event.js';
export { type HistoryOptions, history } from './history.js';
export { formatMoment, type Moment, type OffsetOf, parseMoment } from './moment.js';
export type { OutputDifference } from './output-digest.js';
export type { PastOptions, PastProgress, PastSlice, SnapshotOptions } from './past-options.js';
export type { PastSchemas } from './past-serdes.js';
export { applyPromotion, type PromotionContext, type PromotionStep } from './promotion.js';
export {
  type PromotionOptions,
  type PromotionPlan,
  planPromotion,
  planRollback,
  type TakeOver,
} from './promotion-plan.js';
export { type RebuildOptions, type RebuildReport, rebuildStore } from './rebuild.js';
export type { RebuildProgress, RebuildStep, RebuiltTask } from './rebuild-task.js';
export { type ReplayedRecord, type ReplayOptions, type ReplayReport, replay, type SilencedEffect } from './replay.js';
export { applyReset, type ResetContext, type ResetStep } from './reset.js';
export { planReset, type ResetMove, type ResetOptions, type ResetPlan } from './reset-plan.js';
export { type ShadowStreams, type StartShadowOptions, startShadow } from './shadow-application.js';
export { ShadowTopics } from './shadow-topics.js';
export type { HistoryGap } from './slice.js';
export { type SmallestSlice, smallestSlice } from './smallest-slice.js';
export type { SnapshotEvery } from './snapshot-format.js';
export { type PastState, type PastStore, type StateAsOfOptions, stateAsOf } from './state-as-of.js';
export { type RowDifference, type StateDiffOptions, stateDiff } from './state-diff.js';
export { type TraceOptions, trace } from './trace.js';
export type { Trace, TraceStep } from './tracer.js';
export { type VerifyDifference, type VerifyOptions, type VerifyReport, type VerifyRun, verify } from './verify.js';
