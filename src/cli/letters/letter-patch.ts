import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AnySerde } from '../../dsl/contract/processor.js';
import type { Letter, LetterPatch } from '../../letters/index.js';
import { isStreamsError, messageOf, StreamsError } from '../../model/errors.js';
import { whenReady } from '../../model/not-ready.js';
import { show } from '../../model/text/show.js';
import { inexactNumber } from '../../serdes/exact.js';
import { isModuleFile, moduleFunction } from '../load/module-function.js';
import { encodeJson } from '../records/topic-serdes.js';
import type { Io } from '../terminal/io.js';
import type { ShownSerdes } from '../terminal/show.js';
import { usage } from '../terminal/usage.js';
import type { LetterSerdes } from './letter-serdes.js';
import { type LetterView, viewOf } from './letter-view.js';

/** The patch of a letter, in bytes. Errors: PATCH_FAILED, and those of a schema registry. */
export type GivenPatch = (letter: Letter) => Promise<LetterPatch | undefined>;

const EXPECTED = 'a file with a function of a letter, or with JSON';

/**
 * The patch of a file: a module with a function as its default export, or JSON that becomes the value.
 * Errors: USAGE.
 */
export async function parsePatch(given: string, { cwd }: Io, serdes: LetterSerdes): Promise<GivenPatch> {
  const path = resolve(cwd, given);
  const made = isModuleFile(given) ? await ofFunction(path, given, serdes) : ofJson(path, given);
  return async (letter) => {
    try {
      const topic = letter.origin?.topic;
      return await made(letter, async () => (await serdes.of(topic, 'both')) ?? noSerdes(topic));
    } catch (error) {
      throw isStreamsError(error) ? error : failed(letter, error);
    }
  };
}

type Made = (letter: Letter, serdes: () => Promise<ShownSerdes>) => Promise<LetterPatch | undefined>;

async function ofFunction(path: string, given: string, views: LetterSerdes): Promise<Made> {
  const options = { option: '--patch', given, expected: EXPECTED, of: 'a letter' };
  const patch = (await moduleFunction(path, options)) as (view: LetterView) => unknown;
  return async (letter, serdes) => {
    const patched = await patch(await viewOf(letter, await views.of(letter.origin?.topic)));
    if (patched === undefined) return undefined;
    const { key, value } = fieldsOf(patched);
    const { key: keys, value: values } = await serdes();
    return {
      ...(key !== undefined && { key: await again(keys, 'key', letter, () => keys.encode(key), key) }),
      ...(value !== undefined && { value: await again(values, 'value', letter, () => values.encode(value), value) }),
    };
  };
}

function ofJson(path: string, given: string): Made {
  const { text, json } = jsonOf(path, given);
  return async (letter, serdes) => {
    const { value: serde } = await serdes();
    // Large numbers keep all digits, as those of produce.
    const encode = (): Buffer => (serde.name === 'json' ? Buffer.from(text) : encodeJson(serde, json));
    const lost = serde.name === 'json' ? undefined : inexactNumber(json);
    if (lost !== undefined) throw new Error(`the file has the number ${lost}, which has lost digits`);
    return { value: await again(serde, 'value', letter, encode, json) };
  };
}

function jsonOf(path: string, given: string): { readonly text: string; readonly json: unknown } {
  try {
    const text = readFileSync(path, 'utf8').trim();
    return { text, json: JSON.parse(text) };
  } catch (error) {
    throw usage('cannot read --patch', `${show(given)} (${messageOf(error)})`, EXPECTED);
  }
}

/** What a function has returned. Throws a plain `Error` for anything else. */
function fieldsOf(patched: unknown): { readonly key?: unknown; readonly value?: unknown } {
  const names = typeof patched === 'object' && patched !== null ? Object.keys(patched) : undefined;
  const other = names?.find((name) => name !== 'key' && name !== 'value');
  if (names && other === undefined && !Array.isArray(patched)) return patched as object;
  const saw = other === undefined ? show(patched) : `the field ${show(other)}`;
  throw new Error(`it returned ${saw}, expected an object with key, value or both, or undefined`);
}

/** The bytes of a value that can also be decoded again. Null stays null: a record without that part. */
async function again(
  serde: AnySerde,
  part: 'key' | 'value',
  { headers }: Letter,
  encode: () => Buffer,
  value: unknown,
): Promise<Buffer | null> {
  if (value === null) return null;
  const attempt = async <T>(what: string, call: () => T): Promise<T> => {
    try {
      return await whenReady(call);
    } catch (error) {
      if (isStreamsError(error) && error.retryable) throw error;
      throw new Error(`its ${part} cannot be ${what} with the serde ${serde.name}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  };
  const bytes = await attempt('encoded', encode);
  await attempt('decoded again', () => serde.decode(bytes, headers));
  return bytes;
}

function noSerdes(topic: string | undefined): never {
  throw new Error(`the topology has no serdes for ${topic === undefined ? 'a record of an unknown topic' : topic}`);
}

const failed = ({ id, topic }: Letter, error: unknown): StreamsError =>
  new StreamsError('PATCH_FAILED', {
    what: 'cannot patch a letter',
    at: `the letter ${id} of ${topic}`,
    saw: messageOf(error),
    action: 'Correct the file of --patch: it gets the letter, and returns values as the topology reads them.',
    cause: error,
  });
