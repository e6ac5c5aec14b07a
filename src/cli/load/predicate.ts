import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import type { ChangedRow } from '../../replay/index.js';
import { usage } from '../terminal/usage.js';
import { isModuleFile, moduleFunction } from './module-function.js';

/** What a predicate is asked about, and how users write it. */
export interface PredicateForm {
  /** As users write it: `--when`. */
  readonly option: string;
  /** The names that an expression may use: fields of what the predicate receives. */
  readonly names: readonly string[];
  readonly example: string;
  /** What the predicate receives: `a row`. */
  readonly of: string;
}

const ROW_PREDICATE: PredicateForm = {
  option: '--when',
  names: ['key', 'value', 'before', 'timestamp'],
  example: 'value.balance < 0',
  of: 'a row',
};

type Predicate<Of> = (of: Of) => unknown;

/** A predicate and its form on the command line. */
export interface GivenPredicate<Of = ChangedRow> {
  readonly when: Predicate<Of>;
  /** The expression, or undefined for a module. */
  readonly expression: string | undefined;
  /** The module's file, or undefined for an expression. */
  readonly file: string | undefined;
}

/**
 * Parses an expression of the names of its form, such as `value.balance < 0`. The text may also be the path
 * of a file with a function as its default export, which receives them as fields: `({ key, value }) => …`.
 * Errors: USAGE for anything else.
 */
export async function parsePredicate<Of = ChangedRow>(
  text: string,
  cwd: string,
  form: PredicateForm = ROW_PREDICATE,
): Promise<GivenPredicate<Of>> {
  const { option, names, example, of } = form;
  const path = resolve(cwd, text);
  if (isModuleFile(text) && (!/\s/.test(text) || existsSync(path)))
    return {
      when: (await moduleFunction(path, {
        option,
        given: text,
        expected: 'an expression, or a file',
        of,
      })) as Predicate<Of>,
      expression: undefined,
      file: path,
    };
  try {
    return { when: await compiled<Of>(text, names), expression: text, file: undefined };
  } catch (error) {
    const listed = `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
    throw usage(
      `cannot read ${option}`,
      `${show(text)} (${messageOf(error)})`,
      `an expression such as '${example}' of ${listed}, or a file`,
    );
  }
}

/**
 * Compiles the expression as code of a module, as in an exported test: it is strict, and sees its parameters
 * and globals only. Both kinds of brackets enclose it: a text that closes one kind does not parse in the
 * other.
 */
async function compiled<Of>(expression: string, names: readonly string[]): Promise<Predicate<Of>> {
  const code = `export default ({ ${names.join(', ')} }) => (${expression}\n);\n() => [${expression}\n];`;
  const module: { readonly default: Predicate<Of> } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  return module.default;
}
