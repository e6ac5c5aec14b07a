/**
 * The key of a row that belongs to a window: the record's own key, and the window, in milliseconds since the
 * epoch.
 *
 * `end` is the first moment behind a tumbling, hopping or calendar window (infinity if it never ends), and
 * the last moment within a sliding or session window, as in Kafka Streams. In a window of so many records,
 * both count the records of the key.
 */
export interface Windowed<K> {
  readonly key: K;
  readonly start: number;
  readonly end: number;
}

/** A windowed key as operators make it. */
export class WindowKey<K> implements Windowed<K> {
  constructor(
    readonly key: K,
    readonly start: number,
    readonly end: number,
  ) {}
}
