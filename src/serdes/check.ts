import type { Serde } from './serde.js';

/** Throws what `encode` of the serde would throw for the value. */
export function checkEncodes<T>(serde: Serde<T>, value: T): void {
  if (serde.check === undefined) serde.encode(value);
  else serde.check(value);
}

/** `check` of a serde whose rows are made of what was checked when it came into them. */
export const checkedBefore = (): void => undefined;
