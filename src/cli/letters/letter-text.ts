import type { LedgerEntry, Letter, ShownLetter } from '../../letters/index.js';
import { plainText } from '../../model/text/plain-text.js';
import { headersText, type ShownSerdes } from '../terminal/show.js';
import { whyText } from './entry-text.js';
import { originText, timeText } from './letter-table.js';
import { letterLine, shownRecord } from './letter-view.js';

/** Everything about a letter, as lines of text. */
export async function letterText({ letter, entries }: ShownLetter, serdes: ShownSerdes | undefined): Promise<string> {
  const { id, topic, origin, application, operator, code, message, attempt, writtenAt, shortened, headers } = letter;
  const { key, value } = await shownRecord(letter, serdes);
  const pairs: readonly [string, unknown][] = JSON.parse(headersText(headers));
  const time = origin === null ? letter.timestamp : origin.timestamp;
  const lines = [
    `letter       ${id} of ${topic}`,
    `state        ${stateText(letter)}`,
    `origin       ${originText(letter)}${time === null ? '' : `, ${timeText(time)}`}`,
    ...(writtenAt === null ? [] : [`written      ${timeText(writtenAt)}`]),
    ...(letter.foreign ? ['foreign      it has no header of millrace: somebody else wrote it'] : []),
    `application  ${application ?? '-'}`,
    `operator     ${operator ?? '-'}`,
    `attempts     ${attempt ?? '-'}`,
    `error        ${code ?? '-'}`,
    `message      ${message ?? '-'}`,
    `key          ${key}`,
    `value        ${value}`,
    ...shortened.map(({ part, bytes }) => `shortened    ${part}, which had ${bytes} bytes`),
    ...pairs.map(([name, text]) => `header       ${name} = ${typeof text === 'string' ? text : JSON.stringify(text)}`),
    ...entries.map((entry) => `ledger       ${entryText(entry)}`),
  ];
  return `${lines.map(plainText).join('\n')}\n`;
}

function stateText({ state }: Letter): string {
  if (state.name === 'open') return state.name;
  const { actor, time, reason } = state;
  return `${state.name} by ${actor ?? '-'}, ${time === null ? '-' : timeText(time)}: ${reason ?? '-'}`;
}

const entryText = (entry: LedgerEntry): string =>
  `${entry.time === null ? '-' : timeText(entry.time)} ${entry.actor ?? '-'} ${entry.what}: ${whyText(entry)}`;

/** The same as one line of JSON. */
export async function shownLine({ letter, entries }: ShownLetter, serdes: ShownSerdes | undefined): Promise<string> {
  const line = await letterLine(letter, serdes);
  return `${line.trimEnd().slice(0, -1)},"ledger":${plainText(JSON.stringify(entries))}}\n`;
}
