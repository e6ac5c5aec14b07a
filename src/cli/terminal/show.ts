import { isUtf8 } from 'node:buffer';
import type { BrokerRecord } from '../../broker/port.js';
import type { AnySerde } from '../../dsl/contract/processor.js';
import { Headers } from '../../model/headers.js';
import { isNotReady, whenReady } from '../../model/not-ready.js';
import { plainJson } from '../../model/text/plain-text.js';
import { toJson } from '../../model/to-json.js';
import { keyForm } from '../../serdes/key-form.js';

/** The serdes of a topic, if known. */
export interface ShownSerdes {
  readonly key: AnySerde;
  readonly value: AnySerde;
}

/**
 * A record as one line of JSON. With serdes, key and value are decoded. Without serdes, a key is text, and a
 * value is its JSON, or else text; bytes that are not text are `{"base64": …}`. Throws the error of a serde
 * that first has to fetch a schema.
 */
function recordLine(record: BrokerRecord, serdes?: ShownSerdes): string {
  const { topic, partition, offset, timestamp } = record;
  const head = JSON.stringify({ topic, partition, offset, timestamp }).slice(0, -1);
  const { key, value, headers } = record;
  return `${head},"key":${keyText(key, serdes, record)},"value":${valueText(value, serdes, record)},"headers":${headersText(headers)}}\n`;
}

/** Headers as JSON: pairs, because a name may occur twice. */
export function headersText({ entries }: Headers): string {
  const pairs = entries.map(([name, value]) => [name, value === null ? null : textOrBytes(Buffer.from(value))]);
  return plainJson(JSON.stringify(pairs));
}

/** The lines of records; fetches the schemas that their serdes need. */
export async function recordLines(records: readonly BrokerRecord[], serdes: ShownSerdes | undefined): Promise<string> {
  let lines = '';
  for (const record of records) {
    const line = whenReady(() => recordLine(record, serdes));
    lines += typeof line === 'string' ? line : await line;
  }
  return lines;
}

export { toJson };

/** A key as JSON. */
export const keyText = (key: Buffer | null, serdes?: ShownSerdes, of?: Of): string =>
  decodedKey(key, serdes?.key, of) ?? keyJson(key);

/** A value as JSON. */
export const valueText = (value: Buffer | null, serdes?: ShownSerdes, of?: Of): string =>
  decoded(value, serdes?.value, of) ?? valueJson(value);

/** Only the value, unchanged; `null` for a tombstone. */
export const valueLine = ({ value }: BrokerRecord): Buffer =>
  Buffer.concat([value ?? Buffer.from('null'), Buffer.from('\n')]);

type Of = Pick<BrokerRecord, 'headers'>;

/** In the form in which users write keys. */
const decodedKey = (bytes: Buffer | null, serde: AnySerde | undefined, of?: Of): string | undefined =>
  decoded(bytes, serde, of, (key) => keyForm(serde, key));

function decoded(
  bytes: Buffer | null,
  serde: AnySerde | undefined,
  { headers }: Of = { headers: Headers.none },
  shown = (value: unknown): unknown => value,
): string | undefined {
  if (bytes === null || serde === undefined) return undefined;
  try {
    return toJson(shown(serde.decode(bytes, headers)));
  } catch (error) {
    if (isNotReady(error)) throw error;
    // Shown without decoding, because users also look at topics to find wrong records.
    return undefined;
  }
}

function keyJson(key: Buffer | null): string {
  return key === null ? 'null' : plainJson(JSON.stringify(textOrBytes(key)));
}

/** JSON stays as it was written, unless it has several lines, so that large numbers keep all digits. */
function valueJson(value: Buffer | null): string {
  if (value === null) return 'null';
  const text = textOrBytes(value);
  if (typeof text !== 'string') return JSON.stringify(text);
  try {
    const parsed: unknown = JSON.parse(text);
    // In JSON, a tab can only stand between tokens.
    return plainJson(/[\r\n]/.test(text) ? JSON.stringify(parsed) : text.trim().replaceAll('\t', ' '));
  } catch {
    return plainJson(JSON.stringify(text));
  }
}

function textOrBytes(bytes: Buffer): string | { readonly base64: string } {
  return isUtf8(bytes) && !bytes.some(isControl) ? bytes.toString('utf8') : { base64: bytes.toString('base64') };
}

/** Binary numbers are often valid UTF-8, but are never text. */
const isControl = (byte: number): boolean =>
  (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) || byte === 0x7f;
