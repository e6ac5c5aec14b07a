import type { Serde } from './serde.js';

/** Throws the error that the serde's `encode` would throw for the value. */
export function checkEncodes<T>(serde: Serde<T>, value: T): void {
  if (serde.check === undefined) serde.encode(value);
  else serde.check(value);
}

/** The `check` of a serde with rows that consist of values that were already checked. */
export const checkedBefore = (): void => undefined;
