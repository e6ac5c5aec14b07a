import type { AnySerde } from '../../dsl/contract/processor.js';
import { type Letter, timeOfLetter } from '../../letters/letter.js';
import { isNotReady, whenReady } from '../../model/not-ready.js';
import { plainJson } from '../../model/text/plain-text.js';
import { headersText, keyText, type ShownSerdes, valueText } from '../terminal/show.js';

/** A letter as a predicate of the command line receives it. */
export interface LetterView extends Omit<Letter, 'key' | 'value' | 'headers' | 'state'> {
  /** As the topology decodes it; else its JSON, or its text. */
  readonly key: unknown;
  readonly value: unknown;
  /** Texts by their names. */
  readonly headers: Readonly<Record<string, string | null>>;
  /** When it was written if that is known, else the timestamp of its record. */
  readonly time: number;
  readonly state: Letter['state']['name'];
}

/** The names that an expression may use. */
export const VIEW_NAMES: readonly (keyof LetterView)[] = [
  'id',
  'key',
  'value',
  'headers',
  'origin',
  'operator',
  'code',
  'message',
  'attempt',
  'foreign',
  'shortened',
  'time',
  'timestamp',
  'state',
];

export async function viewOf(letter: Letter, serdes: ShownSerdes | undefined): Promise<LetterView> {
  const { key, value, headers, state } = letter;
  const values = await whenReady(() => ({
    key: decoded(key, serdes?.key, letter) ?? JSON.parse(keyText(key)),
    value: decoded(value, serdes?.value, letter) ?? JSON.parse(valueText(value)),
  }));
  const texts = headers.entries.map(([name, bytes]) => [name, bytes === null ? null : Buffer.from(bytes).toString()]);
  return { ...letter, ...values, headers: Object.fromEntries(texts), time: timeOfLetter(letter), state: state.name };
}

/** Undefined if there are no bytes, no serde, or one that cannot read them. */
function decoded(bytes: Buffer | null, serde: AnySerde | undefined, { headers }: Letter): unknown {
  if (bytes === null || serde === undefined) return undefined;
  try {
    return serde.decode(bytes, headers);
  } catch (error) {
    if (isNotReady(error)) throw error;
    return undefined;
  }
}

/** A letter as one line of JSON, with key, value and headers as `consume` shows them. */
export async function letterLine(letter: Letter, serdes: ShownSerdes | undefined): Promise<string> {
  const { key, value, headers, ...rest } = letter;
  const shown = await shownRecord(letter, serdes);
  const head = plainJson(JSON.stringify(rest)).slice(0, -1);
  return `${head},"key":${shown.key},"value":${shown.value},"headers":${headersText(headers)}}\n`;
}

/** Key and value as JSON. */
export const shownRecord = async (
  letter: Letter,
  serdes: ShownSerdes | undefined,
): Promise<{ readonly key: string; readonly value: string }> =>
  whenReady(() => ({ key: keyText(letter.key, serdes, letter), value: valueText(letter.value, serdes, letter) }));
