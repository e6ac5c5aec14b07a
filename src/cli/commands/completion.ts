import { Argument, type Command } from '@commander-js/extra-typings';
import { write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

const HELP = `
Examples:
  $ millrace completion bash >> ~/.bashrc
  $ millrace completion zsh > "\${fpath[1]}/_millrace"
  $ millrace completion fish > ~/.config/fish/completions/millrace.fish`;

/** A command, by the words that lead to it. */
interface Words {
  readonly path: readonly string[];
  readonly description: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly {
    readonly flag: string;
    readonly description: string;
    readonly choices: readonly string[];
  }[];
}

/** `millrace completion SHELL`: prints a script that completes commands, options and their choices. */
export function addCompletion(program: Program): void {
  const { parent } = program;
  parent
    .command('completion')
    .description('print a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', HELP)
    .action((shell) =>
      program.act(async (io) => {
        await write(io.stdout, SCRIPTS[shell](wordsOf(parent, [])));
        return 0;
      }),
    );
}

function wordsOf(command: Command, path: readonly string[]): readonly Words[] {
  const own: Words = {
    path,
    description: command.description(),
    commands: command.commands.map((each) => ({ name: each.name(), description: each.description() })),
    options: command.options.flatMap(({ long, description, argChoices, hidden }) =>
      long && !hidden ? [{ flag: long, description, choices: argChoices ?? [] }] : [],
    ),
  };
  return [own, ...command.commands.flatMap((each) => wordsOf(each as unknown as Command, [...path, each.name()]))];
}

const SCRIPTS: Readonly<Record<Shell, (all: readonly Words[]) => string>> = {
  bash: (all) => `# Completes millrace in bash.
_millrace() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${all.flatMap(({ path }) => (path.length === 0 ? [] : [`      " ${path.join(' ')}") path=" ${path.join(' ')}" ;;`])).join('\n')}
    esac
  done
  case "$path $prev" in
${choicesOf(all)
  .map(
    ({ path, flag, choices }) =>
      `    "${[' ', ...path].join(' ').replace(/^ {2}/, ' ')} ${flag}") COMPREPLY=( $(compgen -W "${choices.join(' ')}" -- "$cur") ); return ;;`,
  )
  .join('\n')}
  esac
  case "$path" in
${all.map(({ path, commands, options }) => `    "${path.map((word) => ` ${word}`).join('')}") COMPREPLY=( $(compgen -W "${[...commands.map(({ name }) => name), ...options.map(({ flag }) => flag)].join(' ')}" -- "$cur") ) ;;`).join('\n')}
  esac
}
complete -o default -F _millrace millrace
`,
  zsh: (all) => `#compdef millrace
# Completes millrace in zsh, with the words that bash completes.
autoload -U +X bashcompinit && bashcompinit
${SCRIPTS.bash(all)}`,
  fish: (all) =>
    `# Completes millrace in fish.\n${all
      .flatMap(({ path, commands, options }) => [
        ...commands.map(({ name, description }) =>
          fishLine(path, commands, `-f -a ${quoted(name)} -d ${quoted(description)}`),
        ),
        ...options.map(({ flag, description, choices }) =>
          fishLine(
            path,
            commands,
            `-l ${flag.slice(2)} -d ${quoted(description)}${choices.length > 0 ? ` -x -a ${quoted(choices.join(' '))}` : ''}`,
          ),
        ),
      ])
      .join('\n')}\n`,
};

const choicesOf = (all: readonly Words[]) =>
  all.flatMap(({ path, options }) =>
    options.filter(({ choices }) => choices.length > 0).map(({ flag, choices }) => ({ path, flag, choices })),
  );

/** A line that counts behind the words of a command, and before those of a command below it. */
function fishLine(path: readonly string[], below: Words['commands'], what: string): string {
  const conditions = [
    ...path.map((word) => `__fish_seen_subcommand_from ${word}`),
    ...(below.length > 0 ? [`not __fish_seen_subcommand_from ${below.map(({ name }) => name).join(' ')}`] : []),
  ];
  return `complete -c millrace -n ${quoted(conditions.join('; and '))} ${what}`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
