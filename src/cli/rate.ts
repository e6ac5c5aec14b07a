import { formatMs } from '../model/duration.js';
import type { Clock } from '../model/ports.js';

/** Over how long the rate is averaged. */
const WINDOW_MS = 5_000;

/** Records a second, as of the last seconds, and how long what is left will take. */
export class Rate {
  readonly #clock: Clock;
  readonly #samples: { readonly at: number; readonly count: number }[];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#samples = [{ at: clock.monotonic(), count: 0 }];
  }

  /** Notes how many there were in all by now. */
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

  /** `12,345 records/s`, and `, 1 min 20 s left` if it moves and that many are left. */
  text(left: number): string {
    const { perSecond } = this;
    const speed = `${formatCount(Math.round(perSecond))} records/s`;
    return left > 0 && perSecond > 0 ? `${speed}, ${formatMs((left / perSecond) * 1_000)} left` : speed;
  }
}

export const formatCount = (count: number): string => count.toLocaleString('en');
