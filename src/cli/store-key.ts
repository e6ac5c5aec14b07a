import type { AnySerde, Topology } from '../dsl/processor.js';
import { isStreamsError, messageOf } from '../model/errors.js';
import { show } from '../model/show.js';
import type { Windowed } from '../model/window.js';
import type { PastOptions } from '../replay/index.js';
import { KeyByTopic } from '../replay/past-serdes.js';
import { keyOfForm } from '../serdes/key-form.js';
import { isWindowed } from '../serdes/serde.js';
import type { StoreSpec } from '../state/contract.js';
import { isTyped } from './input-record.js';
import { pastSerdes } from './past.js';
import { usage } from './usage.js';

/**
 * A key as it is typed on the command line: as it is printed, in the form of docs/ids.md; text also without
 * its quotes. USAGE if the serde does not take it.
 */
export function parseKey(serde: AnySerde, text: string, whose: string): unknown {
  try {
    return keyOfForm(serde, isTyped(serde) ? textOf(text) : formOf(serde, text));
  } catch (error) {
    throw usage(
      `cannot read --key for ${whose}`,
      `${show(text)} (${messageOf(error)})`,
      `a key of the serde ${serde.name}, written as JSON`,
    );
  }
}

/** Text that begins with a quote is JSON, if it can be: so it is printed. */
function textOf(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}

/** Strings, which may hold anything, and numbers of JSON. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;

/** JSON whose numbers are those that were typed. */
function formOf(serde: AnySerde, text: string): unknown {
  const json: unknown = JSON.parse(text);
  const lost = text.match(STRING_OR_NUMBER)?.find((token) => /^-?\d+$/.test(token) && !isExact(token));
  if (lost === undefined) return json;
  // All digits of a bigint are there, though JSON.parse does not read them all.
  if (lost === text.trim() && takesDigits(serde, lost)) return lost;
  throw new Error(`saw the number ${lost}, of which ${Number(lost)} would be left: it has lost digits`);
}

function takesDigits(serde: AnySerde, digits: string): boolean {
  try {
    return typeof serde.fromJson?.(digits) === 'bigint';
  } catch {
    return false;
  }
}

/** Whether it is the number that is read of it, or that number as JavaScript writes it. */
const isExact = (digits: string): boolean =>
  Number.isSafeInteger(Number(digits)) ||
  String(Number(digits)) === digits ||
  BigInt(Number(digits)) === BigInt(digits);

/** A window as it is printed; undefined if the text is none. */
export function parseWindow(serde: AnySerde, text: string): Windowed<unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return keyOfForm(serde, formOf(serde, text)) as Windowed<unknown>;
  } catch {
    return undefined;
  }
}

/**
 * What a store is asked for: the key of a row; of a store of windows the key that they are of, or one of them
 * as it is printed.
 */
export function parseLookupKey({ name, key, shown }: StoreSpec, text: string): unknown {
  const whose = `the store ${name}`;
  const keys: AnySerde = shown?.key ?? key;
  return isWindowed(keys)
    ? (parseWindow(keys, text) ?? parseKey(keys.inner, text, whose))
    : parseKey(keys, text, whose);
}

/**
 * A key of source records: in each topic what the text means there. USAGE, or SCHEMA_UNKNOWN where the
 * registry lacks a schema, if it can be a key of none.
 */
export async function parseSourceKey(topology: Topology, past: PastOptions, text: string): Promise<KeyByTopic> {
  const means = (serde: AnySerde, topic: string): unknown => parseKey(serde, text, `records of ${topic}`);
  let error: unknown;
  for (const [topic, key] of await pastSerdes(topology, past).sourceKeys(topology)) {
    try {
      if (isStreamsError(key)) throw key;
      means(key, topic);
      return new KeyByTopic(means);
    } catch (wrong) {
      error ??= wrong;
    }
  }
  throw error;
}
