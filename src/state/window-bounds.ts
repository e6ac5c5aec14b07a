import type { Windowed } from '../model/window.js';

const CHARACTER = 2 ** 16;
/** No moment: what stands for the end of a window that has none. */
const ENDLESS = 2 ** 62;
/**
 * Far more windows than are open at a time; where each key has its own (sessions), this is what is held for
 * nothing.
 */
const MAX_REMEMBERED = 1_000;

/** Start and end of a window: one object for the rows of all keys that have it. */
export class WindowBounds {
  /** What stands for them behind a key in a Map: four characters of 16 bits each. */
  readonly id: string;
  /** What the hash of a key with them begins with. */
  readonly hash: number;

  constructor(
    readonly start: number,
    readonly end: number,
  ) {
    const last = lastOf(end);
    this.id = String.fromCharCode(
      start / CHARACTER ** 3,
      (start / CHARACTER ** 2) % CHARACTER,
      (start / CHARACTER) % CHARACTER,
      start % CHARACTER,
      last / CHARACTER ** 3,
      (last / CHARACTER ** 2) % CHARACTER,
      (last / CHARACTER) % CHARACTER,
      last % CHARACTER,
    );
    let hash = 0x811c9dc5;
    for (let at = 0; at < this.id.length; at++) hash = Math.imul(hash ^ this.id.charCodeAt(at), 0x01000193);
    this.hash = hash;
  }
}

/** Whether both are of the same window, or of none. */
export const sameBounds = (a: WindowBounds | undefined, b: WindowBounds | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.start === b.start && a.end === b.end);

/**
 * The bounds of the windows that were asked for last. Without them each cached row of a window would have its
 * own, which is 96 bytes where the rest of a small row is 240 (Node 20), and as much garbage of the old
 * generation when it is evicted.
 */
export class SharedBounds {
  readonly #byStart = new Map<number, WindowBounds>();
  #last: WindowBounds | undefined;

  /** Undefined for what is no window, and for one that begins before 1970: the serde sees to both. */
  of({ start, end }: Windowed<unknown>): WindowBounds | undefined {
    const last = this.#last;
    if (last !== undefined && last.start === start && last.end === end) return last;
    return this.#find(start, end);
  }

  #find(start: number, end: number): WindowBounds | undefined {
    const known = this.#byStart.get(start);
    if (known?.end === end) {
      this.#last = known;
      return known;
    }
    if (!(Number.isSafeInteger(start) && start >= 0 && lastOf(end) >= 0 && lastOf(end) % 1 === 0)) return undefined;
    if (this.#byStart.size === MAX_REMEMBERED) this.#byStart.clear();
    const bounds = new WindowBounds(start, end);
    this.#byStart.set(start, bounds);
    this.#last = bounds;
    return bounds;
  }
}

const lastOf = (end: number): number => (end === Number.POSITIVE_INFINITY ? ENDLESS : end);
