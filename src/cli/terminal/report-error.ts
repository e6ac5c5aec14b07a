import { isStreamsError, messageOf } from '../../model/errors.js';
import { plainText } from '../../model/text/plain-text.js';
import { withoutLogins } from '../../model/text/secret.js';
import { coloured, type Io, write } from './io.js';
import { placeInUserFile, stackOf } from './user-place.js';

/**
 * Writes one error to standard error: its code, its message and, if a user function threw, the position in
 * the user's file. With `verbose` also the stacks of the error and of all its causes. Removes logins from
 * addresses.
 */
export async function reportError(io: Io, error: unknown, verbose: boolean): Promise<void> {
  const code = isStreamsError(error) ? error.code : 'ERROR';
  const place = placeInUserFile(error);
  // Our messages have several lines; foreign ones are put on one line.
  const message = isStreamsError(error) ? error.message : plainText(messageOf(error));
  const lines = [`${coloured(io, io.stderr, 'red', code)}: ${message}`];
  if (place && !message.includes(place)) lines.push(`  at ${plainText(place)}`);
  if (verbose) for (let cause = error; cause instanceof Error; cause = cause.cause) lines.push(...stackLines(cause));
  await write(io.stderr, withoutLogins(`${lines.join('\n')}\n`));
}

/** The message on one line, because it may repeat foreign text, then a line for each frame. */
function stackLines(error: Error): readonly string[] {
  const { head, frames } = stackOf(error);
  // The list of a StreamsError has lines of its own.
  const isOurs = isStreamsError(error) && head.endsWith(error.message);
  return [isOurs ? head : plainText(head), ...frames.map(plainText)];
}
