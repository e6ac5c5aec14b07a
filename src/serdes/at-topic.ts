import type { BoundSerde, Serde } from './serde.js';

/** The serde for a topic that was not known when it was bound; the same if it does not care. */
export const atTopic = <T>(serde: Serde<T>, topic: string): Serde<T> =>
  'at' in serde ? (serde as BoundSerde<T>).at(topic) : serde;
