import type { Command, OptionValues } from '@commander-js/extra-typings';

/** The parsed options that a function adds to a command. */
type Added<Add extends (command: Command) => unknown> =
  ReturnType<Add> extends Command<[], infer Options, infer _Globals> ? Options : never;

/**
 * Returns the command with more options. They are declared on a command without arguments: for a generic
 * command, the compiler would expand the type of each option for all possible cases, and never finish.
 */
export const withOptions =
  <Add extends (command: Command) => unknown>(add: Add) =>
  <Args extends unknown[], Options extends OptionValues, Globals extends OptionValues>(
    command: Command<Args, Options, Globals>,
  ): Command<Args, Options & Added<Add>, Globals> =>
    add(command as unknown as Command) as Command<Args, Options & Added<Add>, Globals>;
