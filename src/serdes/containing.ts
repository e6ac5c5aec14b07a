import type { Serde } from './serde.js';

/**
 * A serde whose bytes contain those of another: what was written with one format of the other was written
 * with one of this.
 */
export const containing = <T>(inner: Pick<Serde<never>, 'format'>, serde: Serde<T>): Serde<T> =>
  Object.defineProperty(serde, 'format', { get: () => inner.format, enumerable: true });
