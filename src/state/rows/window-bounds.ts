import type { Windowed } from '../../model/window.js';

const CHARACTER = 2 ** 16;
/** Represents the end of an endless window; no moment has this value. */
const ENDLESS = 2 ** 62;
/**
 * Far more windows than are open at a time; where each key has its own windows (sessions), this many are held
 * in vain.
 */
const MAX_REMEMBERED = 1_000;

/** Start and end of a window: one object for the rows of all keys with this window. */
export class WindowBounds {
  /** Represents the bounds after a key in a Map: four characters of 16 bits for each bound. */
  readonly id: string;
  /** Initial value for the hash of a key with these bounds. */
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

/** Whether both have the same window, or none. */
export const sameBounds = (a: WindowBounds | undefined, b: WindowBounds | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.start === b.start && a.end === b.end);

/**
 * The bounds of the windows that were used last. Without sharing, each cached row of a window would have its
 * own bounds: 96 bytes, where the rest of a small row is 240 (Node 20). At its eviction, as much would become
 * garbage of V8's old generation.
 */
export class SharedBounds {
  readonly #byStart = new Map<number, WindowBounds>();
  #last: WindowBounds | undefined;

  /** Undefined if it is not a window, or begins before 1970: the serde handles both. */
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
