import type { AnySerde, Topology } from '../dsl/processor.js';
import { messageOf } from '../model/errors.js';
import { declared } from './declared.js';
import { usage } from './usage.js';

/** Serdes whose keys are typed as they are; all others are typed as JSON. */
const TEXT_KEYS: readonly string[] = ['string', 'uuid'];

/** A key as it is typed on the command line. USAGE if the serde does not take it. */
export function parseKey(serde: AnySerde, text: string, whose: string): unknown {
  try {
    const parsed: unknown = TEXT_KEYS.includes(serde.name)
      ? text
      : serde.name === 'bigint64'
        ? BigInt(text)
        : JSON.parse(text);
    serde.encode(parsed);
    return parsed;
  } catch (error) {
    throw usage(
      `cannot read --key for ${whose}`,
      `${JSON.stringify(text)} (${messageOf(error)})`,
      `a key of the serde ${serde.name}, written as JSON`,
    );
  }
}

/** A key of source records: the first kind of key that the text can be. */
export function parseSourceKey(topology: Topology, text: string): unknown {
  let error: unknown;
  for (const { topic, key } of declared(topology).sources) {
    try {
      return parseKey(key, text, `records of ${topic}`);
    } catch (wrong) {
      error ??= wrong;
    }
  }
  throw error;
}
