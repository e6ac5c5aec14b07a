import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import type { Predicate } from '../../replay/index.js';
import { usage } from '../terminal/usage.js';
import { loadModule } from './load-topology.js';

/** A predicate and its form on the command line. */
export interface GivenPredicate {
  readonly when: Predicate;
  /** The expression, or undefined for a module. */
  readonly expression: string | undefined;
  /** The module's file, or undefined for an expression. */
  readonly file: string | undefined;
}

const FILE = /\.[mc]?[jt]s$/;

/**
 * Parses an expression of key, value, before and timestamp, such as `value.balance < 0`. The text may also be
 * the path of a file with a function of `{ key, value, before, timestamp }` as its default export. Errors:
 * USAGE for anything else.
 */
export async function parsePredicate(text: string, cwd: string): Promise<GivenPredicate> {
  const path = resolve(cwd, text);
  if (FILE.test(text) && (!/\s/.test(text) || existsSync(path))) {
    if (!existsSync(path) || !statSync(path).isFile())
      throw usage('cannot read --when', `${show(text)}, which is not a file`, 'an expression, or a file');
    const { default: exported } = await loadModule(path);
    const when =
      typeof exported === 'object' && exported !== null && 'default' in exported ? exported.default : exported;
    if (typeof when !== 'function')
      throw usage('cannot use the file of --when', `a default export of type ${typeof when}`, 'a function of a row');
    return { when: when as Predicate, expression: undefined, file: path };
  }
  try {
    return { when: await compiled(text), expression: text, file: undefined };
  } catch (error) {
    throw usage(
      'cannot read --when',
      `${show(text)} (${messageOf(error)})`,
      "an expression such as 'value.balance < 0' of key, value, before and timestamp, or a file",
    );
  }
}

/**
 * Compiles the expression as code of a module, as in an exported test: it is strict, and sees its parameters
 * and globals only. Both kinds of brackets enclose it: a text that closes one kind does not parse in the
 * other.
 */
async function compiled(expression: string): Promise<Predicate> {
  const code = `export default ({ key, value, before, timestamp }) => (${expression}\n);\n() => [${expression}\n];`;
  const module: { readonly default: Predicate } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  return module.default;
}
