/**
 * Asks for all who want to know at about the same time. An answer was asked for no earlier than whoever gets
 * it has called; those who call while somebody is asking share the next one.
 */
export class SharedAnswer<T> {
  readonly #ask: () => Promise<T>;
  #asking: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  get(): Promise<T> {
    // What is under way may have been asked before something that is true now.
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
