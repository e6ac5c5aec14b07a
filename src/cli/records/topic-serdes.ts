import type { AnySerde, Topology } from '../../dsl/contract/processor.js';
import { openedFor } from '../../runtime/send.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import type { SerdeServices, SerdeUsage } from '../../serdes/serde.js';
import { serdesOf } from '../load/declared.js';
import type { ShownSerdes } from '../terminal/show.js';

/** The open serdes with which a topology reads or writes a topic; undefined if it names the topic nowhere. */
export async function openTopicSerdes(
  topology: Topology,
  topic: string,
  use: SerdeUsage['use'],
  services: SerdeServices,
): Promise<ShownSerdes | undefined> {
  const serdes = serdesOf(declaredNodes(topology), topic);
  return serdes && openedFor(topic, use, serdes, services);
}

/** Encodes a value that was given as JSON. Throws a plain `Error` if it does not fit. */
export const encodeJson = (serde: AnySerde, json: unknown): Buffer =>
  serde.encode(serde.fromJson === undefined ? json : serde.fromJson(json));
