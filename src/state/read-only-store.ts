import type { StreamsError } from '../model/errors.js';

/** What every store does that is only looked at: whatever would change it throws STORE_READ_ONLY. */
export abstract class ReadOnlyStore {
  /** The error that says what was tried. */
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
    throw this.refused('a value was checked that is to be put');
  }

  advanceTime(): never {
    throw this.refused('the stream time was moved');
  }
}
