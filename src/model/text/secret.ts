/**
 * A text that is never printed: not by `util.inspect`, `String` or `JSON.stringify`. So it appears in no log
 * and no error.
 *
 * ```ts no-run
 * const password = new Secret(await vault.read('kafka'));
 * const rotated = new Secret(() => readFileSync('/run/secrets/kafka', 'utf8').trim());
 * ```
 */
export class Secret {
  readonly #text: string | (() => string);

  /**
   * A function is called each time the text is needed, for example for a login. So a rotated secret is always
   * current.
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

/** Wraps a text as a secret, unless it is one. */
export const asSecret = (text: string | Secret): Secret => (text instanceof Secret ? text : new Secret(text));

/** An address that is safe to show: the part before an `@`, or after a `?`, may be a login. */
export function withoutLogin(address: string): string {
  const at = address.lastIndexOf('@');
  const scheme = /^[a-z][a-z0-9+.-]{0,20}:\/\//i.exec(address)?.[0] ?? '';
  const shown = at < 0 ? address : `${scheme}…@${address.slice(at + 1)}`;
  return shown.replace(/\?.*$/s, '?…');
}

/** Whether an address contains a login. */
export const hasLogin = (address: string): boolean => withoutLogin(address) !== address;

/** Removes logins from a text that may contain an address, written in the wrong place. */
export const withoutLogins = (text: string): string => text.replace(/(:\/{1,2})[^\s'"/]*@/g, '$1…@');
