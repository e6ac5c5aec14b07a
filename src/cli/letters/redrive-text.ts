import { ledgerTopic } from '../../graph/naming.js';
import type { LetterSet, RedriveReport } from '../../letters/index.js';
import { counted, formatCount } from '../terminal/rate.js';
import type { Fed } from './feed-letters.js';
import type { LettersLook } from './with-letters.js';

const LATER = 'millrace dlq list --status requested shows those of which nothing has become yet';

/** After letters were requested, and nothing was waited for. */
export function requestedText({ which }: LettersLook, { requested }: Fed, report: RedriveReport): string {
  const { applicationId } = which;
  const { running, created } = report;
  const next =
    created.length > 0 && running
      ? `${created.join(', ')} is new: restart the processes of ${applicationId}, which then feed them in`
      : running
        ? LATER
        : `no process of ${applicationId} runs: they are fed in when it starts`;
  return `${leftOut(report)}requested ${counted(requested, 'letter')}; ${next}\n`;
}

/** After it is known what has become of all that were requested. */
export function fedText({ which }: LettersLook, letters: LetterSet, { requested, done, failed, report }: Fed): string {
  const { before = 0, gone = 0 } = report ?? {};
  const left = letters.size - requested - before - gone;
  return [
    report ? leftOut(report) : '',
    `fed in ${counted(requested, 'letter')}: ${formatCount(done)} done, ${formatCount(failed)} failed again`,
    left > 0 ? `; stopped there, ${counted(left, 'letter')} left` : '',
    `; kept in ${ledgerTopic(which.applicationId)}\n`,
  ].join('');
}

/** After a signal. */
export function stoppedText(letters: LetterSet, { requested, done, failed }: Fed): string {
  const open = requested - done - failed;
  return [
    `stopped: requested ${formatCount(requested)} of ${counted(letters.size, 'letter')}`,
    `, ${formatCount(done)} done, ${formatCount(failed)} failed again`,
    requested < letters.size ? '; run it again to continue' : '',
    open > 0 ? `; ${LATER}` : '',
    '\n',
  ].join('');
}

/** Lines about letters that others have taken meanwhile. */
function leftOut({ before, gone }: RedriveReport): string {
  return [
    before > 0 ? `${counted(before, 'letter')} settled or requested by somebody else meanwhile\n` : '',
    gone > 0 ? `${counted(gone, 'letter')} removed by the broker meanwhile\n` : '',
  ].join('');
}
