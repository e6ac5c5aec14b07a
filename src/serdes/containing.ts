import type { Serde } from './serde.js';

/** A serde that contains the bytes of another one, and therefore has the same `format`. */
export const containing = <T>(inner: Pick<Serde<never>, 'format'>, serde: Serde<T>): Serde<T> =>
  Object.defineProperty(serde, 'format', { get: () => inner.format, enumerable: true });
