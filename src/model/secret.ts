/**
 * A text that is not printed: not by `util.inspect`, `String` or `JSON.stringify`, so that it gets into no log and no error.
 *
 * ```ts no-run
 * const password = new Secret(await vault.read('kafka'));
 * ```
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }
}

/** As a secret, whatever it was given as. */
export const asSecret = (text: string | Secret): Secret => (text instanceof Secret ? text : new Secret(text));
