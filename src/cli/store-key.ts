import type { AnySerde, Topology } from '../dsl/processor.js';
import { isStreamsError, messageOf } from '../model/errors.js';
import { show } from '../model/show.js';
import type { Windowed } from '../model/window.js';
import type { PastOptions } from '../replay/index.js';
import { inexactNumber } from '../serdes/exact.js';
import { type BoundSerde, isWindowed } from '../serdes/serde.js';
import type { StoreSpec } from '../state/contract.js';
import { isTyped } from './input-record.js';
import { pastSerdes } from './past.js';
import { typedAs } from './topic-serdes.js';
import { usage } from './usage.js';

/** A key as it is typed on the command line. USAGE if the serde does not take it. */
export function parseKey(serde: AnySerde, text: string, whose: string): unknown {
  try {
    const made = isTyped(serde) ? text : typedAs(serde, serde.name === 'bigint64' ? text : exactJson(text));
    serde.encode(made);
    return made;
  } catch (error) {
    throw usage(
      `cannot read --key for ${whose}`,
      `${show(text)} (${messageOf(error)})`,
      `a key of the serde ${serde.name}, written as JSON`,
    );
  }
}

/** JSON whose numbers are those that were typed. */
function exactJson(text: string): unknown {
  const json: unknown = JSON.parse(text);
  const found = inexactNumber(json);
  if (found === undefined) return json;
  throw new Error(`saw the number ${found}, which has lost digits; numbers go up to 2^53 - 1`);
}

/** A window as it is printed; undefined if the text is none. */
export function parseWindow(serde: AnySerde, text: string): Windowed<unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const { key, start, end, ...others } = exactJson(text) as Windowed<unknown>;
    const whole = key !== undefined && Number.isSafeInteger(start) && (end === null || Number.isSafeInteger(end));
    if (!whole || Object.keys(others).length > 0) return undefined;
    if ('fromJson' in serde) return (serde as BoundSerde<Windowed<unknown>>).fromJson({ key, start, end });
    return { key, start, end: end ?? Number.POSITIVE_INFINITY };
  } catch {
    return undefined;
  }
}

/** What a store is asked for: the key of a row; of a store of windows the key that they are of, or one of them as it is printed. */
export function parseWantedKey({ name, key, shown }: StoreSpec, text: string): unknown {
  const whose = `the store ${name}`;
  const keys: AnySerde = shown?.key ?? key;
  return isWindowed(keys)
    ? (parseWindow(keys, text) ?? parseKey(keys.inner, text, whose))
    : parseKey(keys, text, whose);
}

/** A key of source records: the first kind of key that the text can be. SCHEMA_UNKNOWN if it can be none, and the registry lacks the schema of one. */
export async function parseSourceKey(topology: Topology, past: PastOptions, text: string): Promise<unknown> {
  let error: unknown;
  for (const [topic, key] of await pastSerdes(topology, past).sourceKeys(topology)) {
    try {
      if (isStreamsError(key)) throw key;
      return parseKey(key, text, `records of ${topic}`);
    } catch (wrong) {
      error ??= wrong;
    }
  }
  throw error;
}
