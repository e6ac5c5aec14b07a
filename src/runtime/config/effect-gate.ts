import type { AnyRecord } from '../../dsl/contract/processor.js';
import type { SourcePosition } from '../../model/record.js';

/** A call to the outside world that is about to be made or skipped. */
export interface EffectCall {
  /** The node of the operator: `effect receipts`. */
  readonly node: string;
  readonly idempotencyKey: string;
  readonly record: AnyRecord;
  readonly position: SourcePosition;
}

/** Decides whether a call is made. A skipped call counts as done. */
export type EffectGate = (call: EffectCall) => boolean;
