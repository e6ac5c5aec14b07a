import type { LetterProgress, LetterTopic } from '../../letters/index.js';
import { type Letter, timeOfLetter } from '../../letters/letter.js';
import { formatMs } from '../../model/duration.js';
import { LAST_MOMENT } from '../../model/record.js';
import type { Io } from '../terminal/io.js';
import { counted, formatCount } from '../terminal/rate.js';
import { StreamTable } from '../terminal/stream-table.js';

/** @param more Titles of further columns. */
export const letterTable = (io: Io, more: readonly string[]): StreamTable =>
  new StreamTable(io, ['id', 'when', 'origin', 'operator', 'code', 'message', 'state', ...more], 'message');

export const letterRow = (letter: Letter): readonly string[] => [
  letter.id,
  timeText(timeOfLetter(letter)),
  originText(letter),
  letter.operator ?? '-',
  letter.code ?? '-',
  letter.message ?? (letter.foreign ? 'no letter of millrace: somebody else wrote this record' : '-'),
  letter.state.name,
];

export const originText = ({ origin }: Letter): string =>
  origin === null ? '-' : `${origin.topic}[${origin.partition}]@${origin.offset}`;

/** A timestamp may be any number that somebody wrote. */
export const timeText = (time: number): string =>
  Math.abs(time) <= LAST_MOMENT ? new Date(time).toISOString() : String(time);

/** What a list has seen, in one line. */
export function countsText({ name }: LetterTopic, listed: number, seen: LetterProgress): string {
  const { open, discarded, requested, redriven, foreign, others } = seen;
  const states = `${formatCount(open)} open, ${formatCount(discarded)} discarded, ${requested === 0 ? '' : `${formatCount(requested)} requested, `}${formatCount(redriven)} redriven`;
  const notes = [
    ...(foreign > 0 ? [`${formatCount(foreign)} of them not written by millrace`] : []),
    ...(others > 0 ? [`${formatCount(others)} of other applications left out`] : []),
  ];
  return `${counted(listed, 'letter')}; ${name} has ${states}${notes.map((note) => `, ${note}`).join('')}`;
}

/** Warnings about the ledger: what this version cannot use. */
export function ledgerWarnings({ ledger: { damaged, unknown } }: LetterProgress): readonly string[] {
  return [
    ...(damaged > 0 ? [`${counted(damaged, 'record')} of the ledger cannot be read: millrace log names them`] : []),
    ...(unknown > 0
      ? [
          `${formatCount(unknown)} of the ledger's entries about letters are of another version: these letters count as open`,
        ]
      : []),
  ];
}

/** With less than this part of the retention left, a letter is named. */
const NEAR_THE_END = 0.2;

/** Notes the letters that the broker may remove soon. */
export class RetentionWatch {
  readonly #topic: LetterTopic;
  readonly #now: number;
  #near = 0;
  #first = Number.POSITIVE_INFINITY;

  constructor(topic: LetterTopic, now: number) {
    this.#topic = topic;
    this.#now = now;
  }

  see({ timestamp, state }: Letter): void {
    const { retentionMs } = this.#topic;
    if (retentionMs === null || state.name !== 'open') return;
    const end = timestamp + retentionMs;
    if (end - this.#now > retentionMs * NEAR_THE_END) return;
    this.#near++;
    this.#first = Math.min(this.#first, end);
  }

  warnings(): readonly string[] {
    const { name, retentionMs, partitions } = this.#topic;
    const gone = partitions.filter(({ earliest }) => earliest > 0);
    return [
      ...gone.map(
        ({ partition, earliest }) => `the letters of ${name}[${partition}] before offset ${earliest} are gone`,
      ),
      ...(this.#near > 0
        ? [
            `${counted(this.#near, 'open letter')} near the end of the retention of ${name} (${formatMs(retentionMs ?? 0)} after the timestamp of the letter): the broker may remove the first one from ${timeText(this.#first)} on`,
          ]
        : []),
    ];
  }
}
