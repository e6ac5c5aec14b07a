import { createInterface } from 'node:readline/promises';
import { stopped } from '../../runtime/config/stopped.js';
import { type Io, write } from './io.js';
import { usage } from './usage.js';

/**
 * Errors: USAGE if standard input is not a terminal. For commands that must check this before they do any
 * work.
 */
export function checkAskable(io: Io): void {
  if ((io.stdin as { isTTY?: boolean }).isTTY) return;
  throw usage(
    'cannot ask for confirmation',
    'standard input that is not a terminal',
    '--yes, or a terminal',
    'Look at the plan with --dry-run, then give --yes.',
  );
}

/**
 * Asks for a yes on the terminal. Errors: USAGE if standard input is not a terminal; STOPPED if the signal is
 * aborted before an answer.
 */
export async function agreed(io: Io, question: string, signal?: AbortSignal): Promise<boolean> {
  checkAskable(io);
  await write(io.stderr, `${question} [y/N] `);
  const lines = createInterface({ input: io.stdin, ...(signal && { signal }) });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    if (signal?.aborted) throw stopped('the question was not answered', 'the confirmation');
    return false;
  } finally {
    lines.close();
  }
}
