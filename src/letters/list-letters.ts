import type { BrokerRecord } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';
import { readRange } from '../runtime/ledger/read-range.js';
import { type Letter, letterOf } from './letter.js';
import { type LetterFilter, passes } from './letter-filter.js';
import { byPosition, isBefore, type LetterPosition, parseLetterId } from './letter-id.js';
import { type LetterOptions, type LetterTopic, letterTopic, unknownLetter } from './letter-topic.js';
import { type LedgerProblems, type SettlementLimits, Settlements } from './settlements.js';

/** What a listing has seen so far. */
export interface LetterProgress {
  /** Offsets that were read, and all there are to read: holes count, too. */
  readonly read: number;
  readonly total: number;
  /** The letters of the application that were read, by their states, whether or not they pass the filter. */
  readonly open: number;
  readonly discarded: number;
  readonly requested: number;
  readonly redriven: number;
  /** Those of them that millrace did not write. */
  readonly foreign: number;
  /** Letters of other applications, which are left out. */
  readonly others: number;
  /** What the ledger has and this version cannot use. */
  readonly ledger: Readonly<LedgerProblems>;
}

export interface ListLettersOptions extends LetterOptions, LetterFilter {
  /** Called after each batch of records, and at the end. */
  readonly onProgress?: ((progress: LetterProgress) => void) | undefined;
  /** @internal For tests: what one reading of the ledger keeps. */
  readonly limits?: SettlementLimits | undefined;
}

/**
 * The letters of an application, in the order of their partitions and offsets: those that there were when it
 * was called. By default only those that are open. None if there is no dead letter topic yet.
 *
 * It streams: a million letters take no more memory than a thousand. Letters that retention removes meanwhile
 * are left out. It changes nothing, and the application may run.
 *
 * Errors: LETTER_UNKNOWN, PREDICATE_FAILED, TOPIC_UNKNOWN, TOPIC_FOREIGN (the ledger), USAGE, STOPPED, and
 * those of the broker.
 *
 * ```ts no-run
 * for await (const letter of listLetters({ broker, applicationId: 'payments', code: 'PROCESS_FAILED' }))
 *   console.log(letter.id, letter.origin, letter.message);
 * ```
 */
export async function* listLetters(options: ListLettersOptions): AsyncGenerator<Letter, void> {
  const topic = await letterTopic(options);
  const wanted = options.state ?? (options.ids ? 'all' : 'open');
  const ids = options.ids && ordered(options.ids.map(parseLetterId));
  const ranges = ids ? ids.map((at) => rangeOf(topic, at)) : topic.partitions.map(wholeOf);
  const seen = { read: 0, open: 0, discarded: 0, requested: 0, redriven: 0, foreign: 0, others: 0 };
  const total = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  let settlements: Settlements | undefined;
  const report = (): void =>
    options.onProgress?.({ ...seen, total, ledger: settlements?.problems ?? { damaged: 0, unknown: 0 } });

  for (const { partition, from, to } of ranges) {
    let found = 0;
    for (let position = from; position < to; ) {
      const at = { partition, offset: position };
      if (!settlements?.covers(at)) settlements = await Settlements.read(options, topic, at, options.limits);
      const known = settlements;
      const end = known.until?.partition === partition ? Math.min(to, known.until.offset) : to;
      for await (const records of readRange(
        options.broker,
        { topic: topic.name, partition, from: position, to: end },
        options.signal,
      )) {
        for (const record of records) {
          const letter = letterOf(record, known.stateOf(record), topic.stamped);
          found++;
          if (isOthers(letter, topic)) {
            if (ids) throw othersLetter(letter, topic);
            seen.others++;
            continue;
          }
          seen[letter.state.name]++;
          if (letter.foreign) seen.foreign++;
          if ((wanted === 'all' || letter.state.name === wanted) && (await passes(letter, options))) yield letter;
        }
        seen.read += readOf(records, position);
        position = (records.at(-1) as BrokerRecord).offset + 1;
        report();
      }
      seen.read += end - position;
      position = end;
    }
    if (ids && found === 0) throw unknownLetter(topic, { partition, offset: from });
  }
  report();
}

interface Range {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

const wholeOf = ({ partition, earliest, latest }: LetterTopic['partitions'][number]): Range => ({
  partition,
  from: earliest,
  to: latest,
});

function rangeOf(topic: LetterTopic, at: LetterPosition): Range {
  const part = topic.partitions[at.partition];
  if (!part || at.offset < part.earliest || at.offset >= part.latest) throw unknownLetter(topic, at);
  return { partition: at.partition, from: at.offset, to: at.offset + 1 };
}

/** In the order of the topic, each once. */
function ordered(positions: readonly LetterPosition[]): readonly LetterPosition[] {
  const sorted = positions.toSorted(byPosition);
  return sorted.filter((at, i) => i === 0 || isBefore(sorted[i - 1] as LetterPosition, at));
}

const readOf = (records: readonly BrokerRecord[], from: number): number =>
  (records.at(-1) as BrokerRecord).offset + 1 - from;

/** Several applications may share a dead letter topic. */
const isOthers = ({ application }: Letter, { applicationId }: LetterTopic): boolean =>
  application !== null && application !== applicationId;

const othersLetter = ({ id, application }: Letter, { name, applicationId }: LetterTopic): StreamsError =>
  new StreamsError('LETTER_UNKNOWN', {
    what: 'the letter is of another application',
    at: `${id} of ${name}`,
    saw: `the application ${application}`,
    expected: `a letter of ${applicationId}`,
    action: 'Take an id from the list of letters, or name the other application.',
  });
