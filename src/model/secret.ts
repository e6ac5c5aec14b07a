/**
 * A text that is not printed: not by `util.inspect`, `String` or `JSON.stringify`, so that it gets into no
 * log and no error.
 *
 * ```ts no-run
 * const password = new Secret(await vault.read('kafka'));
 * const rotated = new Secret(() => readFileSync('/run/secrets/kafka', 'utf8').trim());
 * ```
 */
export class Secret {
  readonly #text: string | (() => string);

  /**
   * A function is called each time the text is needed, for a login perhaps: so one that is rotated is the one
   * of now.
   */
  constructor(text: string | (() => string)) {
    this.#text = text;
  }

  /** The text. */
  reveal(): string {
    return typeof this.#text === 'function' ? this.#text() : this.#text;
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

/** An address as it may be shown: what stands before an `@`, or behind a `?`, may be a login. */
export function withoutLogin(address: string): string {
  const at = address.lastIndexOf('@');
  const scheme = /^[a-z][a-z0-9+.-]{0,20}:\/\//i.exec(address)?.[0] ?? '';
  const shown = at < 0 ? address : `${scheme}…@${address.slice(at + 1)}`;
  return shown.replace(/\?.*$/s, '?…');
}

/** Whether there is a login in an address. */
export const hasLogin = (address: string): boolean => withoutLogin(address) !== address;

/** A text that may repeat an address, which somebody wrote in a place where none belongs. */
export const withoutLogins = (text: string): string => text.replace(/(:\/{1,2})[^\s'"/]*@/g, '$1…@');
