import { formatMs } from '../../model/duration.js';
import type { Clock } from '../../model/ports.js';

/** The rate is the average over this time. */
const WINDOW_MS = 5_000;

/** Records per second over the last seconds, and the remaining time. */
export class Rate {
  readonly #clock: Clock;
  readonly #samples: { readonly at: number; readonly count: number }[];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#samples = [{ at: clock.monotonic(), count: 0 }];
  }

  /** Notes the total count so far. */
  sample(count: number): void {
    const at = this.#clock.monotonic();
    this.#samples.push({ at, count });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > WINDOW_MS) this.#samples.shift();
  }

  get perSecond(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.at <= first.at) return 0;
    return ((last.count - first.count) * 1_000) / (last.at - first.at);
  }

  /** `12,345 records/s`, plus `, 1 min 20 s left` if the rate is positive and `left` records remain. */
  text(left: number): string {
    const { perSecond } = this;
    const speed = `${formatCount(Math.round(perSecond))} records/s`;
    return left > 0 && perSecond > 0 ? `${speed}, ${formatMs((left / perSecond) * 1_000)} left` : speed;
  }
}

export const formatCount = (count: number): string => count.toLocaleString('en');

/** `1 record`, `1,200 records`. */
export const counted = (count: number, what: string): string =>
  `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`;
