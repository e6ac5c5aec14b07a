import type { AnySerde, Topology } from '../../dsl/contract/processor.js';
import { isStreamsError, messageOf } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import type { Windowed } from '../../model/window.js';
import type { PastOptions } from '../../replay/index.js';
import { KeyByTopic } from '../../replay/rerun/past-serdes.js';
import { keyOfForm } from '../../serdes/key-form.js';
import { isWindowed } from '../../serdes/serde.js';
import type { StoreSpec } from '../../state/contract.js';
import { isTyped } from '../records/input-record.js';
import { usage } from '../terminal/usage.js';
import { pastSerdes } from './past.js';

/**
 * Parses a key from the command line. Users write it as it is printed, in the form of docs/ids.md; text may
 * also be without quotes. Errors: USAGE if the serde does not accept it.
 */
export function parseKey(serde: AnySerde, text: string, owner: string): unknown {
  try {
    return keyOfForm(serde, isTyped(serde) ? textOf(text) : formOf(serde, text));
  } catch (error) {
    throw usage(
      `cannot read --key for ${owner}`,
      `${show(text)} (${messageOf(error)})`,
      `a key of the serde ${serde.name}, written as JSON`,
    );
  }
}

/** Text that begins with a quote is JSON, if it parses, because keys are printed in that form. */
function textOf(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}

/** JSON strings, which may contain anything, and JSON numbers. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;

/** Parses JSON, and refuses numbers that lose digits. */
function formOf(serde: AnySerde, text: string): unknown {
  const json: unknown = JSON.parse(text);
  const lost = text.match(STRING_OR_NUMBER)?.find((token) => /^-?\d+$/.test(token) && !isExact(token));
  if (lost === undefined) return json;
  // The text has all digits of a bigint, although JSON.parse loses some.
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

/** Whether JavaScript reads the number exactly, or writes it with the same digits. */
const isExact = (digits: string): boolean =>
  Number.isSafeInteger(Number(digits)) ||
  String(Number(digits)) === digits ||
  BigInt(Number(digits)) === BigInt(digits);

/** A window as it is printed; undefined if the text is not a window. */
export function parseWindow(serde: AnySerde, text: string): Windowed<unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return keyOfForm(serde, formOf(serde, text)) as Windowed<unknown>;
  } catch {
    return undefined;
  }
}

/**
 * A key to look up in a store: the key of a row; in a window store the plain key, or one window as it is
 * printed.
 */
export function parseLookupKey({ name, key, shown }: StoreSpec, text: string): unknown {
  const owner = `the store ${name}`;
  const keys: AnySerde = shown?.key ?? key;
  return isWindowed(keys)
    ? (parseWindow(keys, text) ?? parseKey(keys.inner, text, owner))
    : parseKey(keys, text, owner);
}

/**
 * A key of source records, which may mean another value in each topic. Errors if no topic accepts it: USAGE,
 * or SCHEMA_UNKNOWN if the registry lacks a schema.
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
