/**
 * Combines questions that are asked at about the same time. An answer is never older than the call that gets
 * it; calls that arrive during a request share the next one.
 */
export class SharedAnswer<T> {
  readonly #ask: () => Promise<T>;
  #asking: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  get(): Promise<T> {
    // The current request may have been sent before a change that the caller has seen.
    this.#next ??= this.#askAfter(this.#asking);
    return this.#next;
  }

  async #askAfter(before: Promise<T> | undefined): Promise<T> {
    await before?.catch(() => undefined);
    this.#asking = this.#next;
    this.#next = undefined;
    return this.#ask();
  }
}
