import type { AnySerde, Topology } from '../dsl/processor.js';
import { openedFor } from '../runtime/send.js';
import type { BoundSerde, SerdePlace, SerdeServices } from '../serdes/serde.js';
import { declared, serdesOf } from './declared.js';
import type { TopicSerdes } from './show.js';

/** How a topology reads or writes a topic, ready for use; undefined if it does neither by name. */
export async function openTopicSerdes(
  topology: Topology,
  topic: string,
  use: SerdePlace['use'],
  services: SerdeServices,
): Promise<TopicSerdes | undefined> {
  const serdes = serdesOf(declared(topology), topic);
  return serdes && openedFor(topic, use, serdes, services);
}

/** The bytes of a value that was typed as JSON. Throws a plain `Error` if it does not fit. */
export function encodeJson(serde: TopicSerdes['value'], json: unknown): Buffer {
  return serde.encode(typedAs(serde, json));
}

/** What a serde takes, of what was typed as JSON, which has no bigints. */
export function typedAs(serde: AnySerde, json: unknown): unknown {
  if ('fromJson' in serde) return (serde as BoundSerde<unknown>).fromJson(json);
  if (serde.name !== 'bigint64') return json;
  const digits = typeof json === 'string' ? /^-?\d+$/.test(json) : Number.isSafeInteger(json);
  return digits ? BigInt(json as string | number) : json;
}
