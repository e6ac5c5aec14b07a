import type { StreamsError } from '../../model/errors.js';

/** The base of read-only stores: every method that would change the store throws STORE_READ_ONLY. */
export abstract class ReadOnlyStore {
  /** The error for a refused change. */
  protected abstract refused(tried: string): StreamsError;

  put(): never {
    throw this.refused('a row was put');
  }

  insert(): never {
    throw this.refused('a row was put');
  }

  delete(): never {
    throw this.refused('a row was deleted');
  }

  check(): never {
    throw this.refused('a value was checked for a put');
  }

  advanceTime(): never {
    throw this.refused('the stream time was moved');
  }
}
