import { StreamsError } from './errors.js';
import { plainText } from './text/plain-text.js';

/**
 * The one check of names that become part of a topic name or a path. It is Kafka's rule for topics, which is
 * also safe for file names: a legal name cannot leave its directory.
 */
const NAME = /^[a-zA-Z0-9._-]+$/;
const LONGEST = 200;

const ruleOf = (longest: number): string =>
  `1 to ${longest} of the characters a-z, A-Z, 0-9, ".", "_" and "-", and not "." or ".."`;

export const NAME_RULE = ruleOf(LONGEST);

/** Whether the name may be part of a topic name, and name a file or directory. */
export const isName = (name: unknown, longest = LONGEST): name is string =>
  typeof name === 'string' && name.length <= longest && NAME.test(name) && name !== '.' && name !== '..';

/** Throws CONFIG_INVALID for a name that cannot name a directory or a file. */
export function checkName(what: string, name: string, longest = LONGEST): void {
  if (isName(name, longest)) return;
  throw new StreamsError('CONFIG_INVALID', {
    what: 'cannot name a directory',
    at: `the ${what}`,
    saw: `"${plainText(String(name)).slice(0, 250)}"`,
    expected: ruleOf(longest),
    action: `Choose another ${what}.`,
  });
}
