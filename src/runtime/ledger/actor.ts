import { userInfo } from 'node:os';
import { MAX_ACTOR } from './ledger-entry.js';

/**
 * Who acts: the text of `MILLRACE_ACTOR`, else the name of the user at the operating system. A container may
 * have users without a name.
 */
export function actorOf(env: NodeJS.ProcessEnv): string {
  const given = env.MILLRACE_ACTOR?.trim();
  if (given) return given.slice(0, MAX_ACTOR);
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'without a name'}`;
  }
}
