/** The past of an application, run again: the same engine with another reader and other sinks. */

export { formatMoment, type Moment, type OffsetOf, parseMoment } from './moment.js';
export type { PastOptions, PastProgress, PastSlice, SnapshotOptions } from './past.js';
export { type ReplayedRecord, type ReplayOptions, type ReplayReport, replay, type SilencedEffect } from './replay.js';
export { applyReset, type ResetContext, type ResetStep } from './reset.js';
export { planReset, type ResetMove, type ResetOptions, type ResetPlan } from './reset-plan.js';
export { ShadowTopics } from './shadow-topics.js';
export type { HistoryGap } from './slice.js';
export type { SnapshotEvery } from './snapshot-format.js';
export { type PastState, type PastStore, type StateAsOfOptions, stateAsOf } from './state-as-of.js';
