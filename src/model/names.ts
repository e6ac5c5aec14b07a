import { StreamsError } from './errors.js';
import { plainText } from './plain-text.js';

/**
 * The one check of names: of what becomes part of a topic's name, a path, or is removed by it. Kafka's rule
 * for topics, which is also that of a file name that cannot leave its directory.
 */
const NAME = /^[a-zA-Z0-9._-]+$/;
const LONGEST = 200;

export const NAME_RULE = '1 to 200 of the characters a-z, A-Z, 0-9, ".", "_" and "-", and not "." or ".."';

/** Whether it may be part of a topic's name, and the name of a file or directory. */
export const isName = (name: unknown, longest = LONGEST): name is string =>
  typeof name === 'string' && name.length <= longest && NAME.test(name) && name !== '.' && name !== '..';

/** CONFIG_INVALID for what cannot name a directory. */
export function checkName(what: string, name: string): void {
  if (isName(name)) return;
  throw new StreamsError('CONFIG_INVALID', {
    what: 'cannot name a directory',
    at: `the ${what}`,
    saw: `"${plainText(String(name)).slice(0, 250)}"`,
    expected: NAME_RULE,
    action: `Choose another ${what}.`,
  });
}
