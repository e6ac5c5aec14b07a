import type { BoundSerde, Serde } from './serde.js';

/**
 * The serde for a topic that was not known when the serde was bound; the same serde if it does not depend on
 * the topic.
 */
export const atTopic = <T>(serde: Serde<T>, topic: string): Serde<T> =>
  'at' in serde ? (serde as BoundSerde<T>).at(topic) : serde;
