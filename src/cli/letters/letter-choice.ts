import type { AnySerde, Topology } from '../../dsl/contract/processor.js';
import type { Letter, LetterFilter } from '../../letters/index.js';
import { ERROR_CODES } from '../../model/errors.js';
import { whenReady } from '../../model/not-ready.js';
import { nearestName } from '../../model/text/nearest-name.js';
import { plainText } from '../../model/text/plain-text.js';
import { formatMoment, type Moment } from '../../replay/index.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import { bytesOfForm } from '../../serdes/key-form.js';
import { outsideTopics } from '../load/declared.js';
import { type PredicateForm, parsePredicate } from '../load/predicate.js';
import { FieldWatch } from '../past/field-watch.js';
import { parseKey } from '../past/store-key.js';
import type { Io } from '../terminal/io.js';
import { usage } from '../terminal/usage.js';
import type { LetterChoice } from './letter-options.js';
import type { LetterSerdes } from './letter-serdes.js';
import { type LetterView, VIEW_NAMES, viewOf } from './letter-view.js';

const WHERE: PredicateForm = {
  option: '--where',
  names: VIEW_NAMES,
  example: 'value.amount > 100',
  of: 'a letter',
};

/** What the options choose. */
export interface Chosen {
  readonly filter: LetterFilter;
  /** Words of the options that nothing has: for the end, when letters were looked at. */
  warnings(): readonly string[];
}

interface Context {
  readonly io: Io;
  readonly topology: Topology | undefined;
  readonly serdes: LetterSerdes;
}

/** Whether an option chooses letters. */
export const choosesLetters = (choice: LetterChoice): boolean =>
  [choice.where, choice.operator, choice.code, choice.key, choice.since, choice.until].some(
    (given) => given !== undefined,
  );

/** The filter of the options. Errors: USAGE for what cannot be read. */
export async function chosenLetters(choice: LetterChoice, { io, topology, serdes }: Context): Promise<Chosen> {
  const { operator, code } = choice;
  const now = io.clock.now();
  const since = choice.since && timeOf(choice.since, '--since', now);
  const until = choice.until && timeOf(choice.until, '--until', now);
  const matches = choice.key === undefined ? undefined : await keyMatcher(choice.key, topology, serdes);
  const predicate =
    choice.where === undefined ? undefined : await parsePredicate<LetterView>(choice.where, io.cwd, WHERE);
  const fields = new FieldWatch(predicate ?? { expression: undefined });
  const when = predicate && fields.around(predicate.when);
  const where = async (letter: Letter): Promise<unknown> =>
    (matches === undefined || (await matches(letter))) &&
    (when === undefined || when(await viewOf(letter, await serdes.of(letter.origin?.topic))));
  return {
    filter: { operator, code, since, until, ...((matches || when) && { where }) },
    warnings: () => [...unknownWords(choice, topology), ...fields.warnings('these letters', 'value')],
  };
}

/** Milliseconds of a moment, for the times of letters. */
export function timeOf(moment: Moment, option: string, now: number): number {
  if (moment.kind === 'time') return moment.time;
  if (moment.kind === 'ago') return now - moment.ms;
  if (moment.kind === 'earliest') return Number.NEGATIVE_INFINITY;
  if (moment.kind === 'latest') return Number.POSITIVE_INFINITY;
  throw usage(`cannot use ${option}`, formatMoment(moment), 'a time, for example 2026-03-01T12:00:00Z or ago:2h');
}

/** A name that the topology or this version does not know may be a typing error, or of another version. */
function unknownWords({ operator, code }: LetterChoice, topology: Topology | undefined): readonly string[] {
  const nodes = topology?.graph.nodes.map(({ id }) => id);
  return [
    ...unknownWord('code', code, Object.keys(ERROR_CODES)),
    ...(nodes ? unknownWord('operator of the topology', operator, nodes) : []),
  ];
}

function unknownWord(what: string, word: string | undefined, known: readonly string[]): readonly string[] {
  if (word === undefined || known.includes(word)) return [];
  const near = nearestName(word, known);
  return [plainText(`there is no ${what} ${word}${near === undefined ? '' : `: did you mean ${near}?`}`)];
}

/**
 * Whether a letter has a key. Users write it as text, or as it is printed; the serde of the letter's topic
 * says which bytes that is. Errors: USAGE if there are serdes, and none accepts the key.
 */
async function keyMatcher(
  text: string,
  topology: Topology | undefined,
  serdes: LetterSerdes,
): Promise<(letter: Letter) => Promise<boolean>> {
  const raw = rawKeys(text);
  const byTopic = new Map<string, Buffer>();
  let wrong: unknown;
  for (const topic of topology ? outsideTopics(declaredNodes(topology)) : []) {
    const key: AnySerde | undefined = (await serdes.of(topic))?.key;
    try {
      if (key) byTopic.set(topic, await whenReady(() => key.encode(parseKey(key, text, `letters of ${topic}`))));
    } catch (error) {
      wrong ??= error;
    }
  }
  if (wrong !== undefined && byTopic.size === 0) throw wrong;
  return async ({ key, origin }) => {
    const typed = origin === null ? undefined : byTopic.get(origin.topic);
    return key !== null && [...raw, ...(typed ? [typed] : [])].some((bytes) => bytes.equals(key));
  };
}

/** The bytes that a key may mean without a serde: its text, or what it is as JSON. */
function rawKeys(text: string): readonly Buffer[] {
  try {
    const form: unknown = JSON.parse(text);
    const meant = typeof form === 'string' ? Buffer.from(form) : bytesOfForm(form);
    return meant ? [Buffer.from(text), meant] : [Buffer.from(text)];
  } catch {
    return [Buffer.from(text)];
  }
}
