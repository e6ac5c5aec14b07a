/**
 * The key of a windowed row: the record's own key, and the window, in milliseconds since the epoch.
 *
 * `end` is the first moment after a tumbling, hopping or calendar window (infinity if it never ends). It is
 * the last moment inside a sliding or session window, as in Kafka Streams. In a window of a number of
 * records, `start` and `end` count the records of the key.
 */
export interface Windowed<K> {
  readonly key: K;
  readonly start: number;
  readonly end: number;
}

/** A windowed key that operators make. */
export class WindowKey<K> implements Windowed<K> {
  constructor(
    readonly key: K,
    readonly start: number,
    readonly end: number,
  ) {}
}
