import type { AnyRecord } from '../dsl/contract/processor.js';
import type { SourcePosition } from '../model/record.js';
import { byPlace, type Place } from './batch.js';

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

/** A call that waits for the end of its batch. */
export interface WaitingEffect extends EffectCall {
  readonly place: Place;
  run(): void | Promise<void>;
}

/** The calls of one batch. */
export class Effects {
  #waiting: WaitingEffect[] = [];

  get any(): boolean {
    return this.#waiting.length > 0;
  }

  add(effect: WaitingEffect): void {
    this.#waiting.push(effect);
  }

  /** Takes all calls, in the order of their causes, across all stages. */
  drain(): readonly WaitingEffect[] {
    const waiting = this.#waiting.sort((a, b) => byPlace(a.place, b.place));
    this.#waiting = [];
    return waiting;
  }
}
