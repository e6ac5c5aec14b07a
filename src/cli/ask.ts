import { createInterface } from 'node:readline/promises';
import { stopped } from '../runtime/stopped.js';
import { type Io, write } from './io.js';
import { usage } from './usage.js';

/** USAGE if nobody is there to answer: for work that is not to be done before that is known. */
export function checkAskable(io: Io): void {
  if ((io.stdin as { isTTY?: boolean }).isTTY) return;
  throw usage(
    'nobody can be asked',
    'standard input that is no terminal',
    '--yes, or a terminal',
    'Look at the plan with --dry-run, then give --yes.',
  );
}

/**
 * Asks for a yes on the terminal. USAGE if nobody is there to answer; STOPPED if the signal is aborted before
 * somebody does.
 */
export async function agreed(io: Io, question: string, signal?: AbortSignal): Promise<boolean> {
  checkAskable(io);
  await write(io.stderr, `${question} [y/N] `);
  const lines = createInterface({ input: io.stdin, ...(signal && { signal }) });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    if (signal?.aborted) throw stopped('nobody has answered', 'the question');
    return false;
  } finally {
    lines.close();
  }
}
