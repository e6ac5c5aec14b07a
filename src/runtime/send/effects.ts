import type { EffectCall } from '../config/effect-gate.js';
import { byPlace, type Place } from '../record/place.js';

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
