import { statSync } from 'node:fs';
import { show } from '../../model/text/show.js';
import { usage } from '../terminal/usage.js';
import { loadModule } from './load-topology.js';

/** Whether a text has the form of a file with code. */
export const isModuleFile = (text: string): boolean => /\.[mc]?[jt]s$/.test(text);

/** The function that is the default export of a file. Errors: USAGE if there is no such file or function. */
export async function moduleFunction(
  path: string,
  options: {
    /** As users write it: `--when`. */
    readonly option: string;
    /** The path as it was given. */
    readonly given: string;
    /** What the option takes. */
    readonly expected: string;
    /** What the function receives: `a row`. */
    readonly of: string;
  },
): Promise<(of: never) => unknown> {
  const { option, given, expected, of } = options;
  if (!statSync(path, { throwIfNoEntry: false })?.isFile())
    throw usage(`cannot read ${option}`, `${show(given)}, which is not a file`, expected);
  const { default: exported } = await loadModule(path);
  const found =
    typeof exported === 'object' && exported !== null && 'default' in exported ? exported.default : exported;
  if (typeof found !== 'function')
    throw usage(`cannot use the file of ${option}`, `a default export of type ${typeof found}`, `a function of ${of}`);
  return found as (of: never) => unknown;
}
