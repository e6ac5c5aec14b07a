import { createRequire } from 'node:module';
import { Command, CommanderError } from '@commander-js/extra-typings';
import { StreamsError } from '../model/errors.js';
import { ownOf } from '../model/own.js';
import { exitCodeHelp, exitCodeOf } from './terminal/exit-codes.js';
import { helpText } from './terminal/help-text.js';
import { type Io, write } from './terminal/io.js';
import type { Program } from './terminal/program.js';
import { reportError } from './terminal/report-error.js';

/** Each command is loaded only when it is run or shown, because loading is most of its start time. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Program) => void>>> = {
  new: async () => (await import('./commands/new.js')).addNew,
  run: async () => (await import('./commands/run.js')).addRun,
  describe: async () => (await import('./commands/describe.js')).addDescribe,
  validate: async () => (await import('./commands/validate.js')).addValidate,
  produce: async () => (await import('./commands/produce.js')).addProduce,
  consume: async () => (await import('./commands/consume.js')).addConsume,
  progress: async () => (await import('./commands/progress.js')).addProgress,
  stop: async () => (await import('./commands/stop.js')).addStop,
  config: async () => (await import('./commands/config.js')).addConfig,
  state: async () => (await import('./commands/state/state.js')).addState,
  replay: async () => (await import('./commands/replay.js')).addReplay,
  history: async () => (await import('./commands/history.js')).addHistory,
  trace: async () => (await import('./commands/trace.js')).addTrace,
  bisect: async () => (await import('./commands/bisect.js')).addBisect,
  verify: async () => (await import('./commands/verify.js')).addVerify,
  reset: async () => (await import('./commands/reset.js')).addReset,
  rebuild: async () => (await import('./commands/rebuild.js')).addRebuild,
  promote: async () => (await import('./commands/promote.js')).addPromote,
  dlq: async () => (await import('./commands/dlq/dlq.js')).addDlq,
  log: async () => (await import('./commands/log.js')).addLog,
  completion: async () => (await import('./commands/completion.js')).addCompletion,
  schema: async () => (await import('./commands/schema/schema.js')).addSchema,
};

/**
 * Runs one command line, without the names of node and the program; resolves to the exit code. Never throws.
 */
export async function main(args: readonly string[], io: Io): Promise<number> {
  let exitCode = 0;
  const command = new Command('millrace')
    .description('Kafka Streams for TypeScript: run, look at and feed topologies.')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .option('--verbose', 'show stacks of errors and debug messages')

    .configureHelp({ showGlobalOptions: true })
    .addHelpText('afterAll', exitCodeHelp())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void write(io.stdout, helpText(text)),
      writeErr: (text) => void write(io.stderr, text),
      getOutHasColors: () => io.colours && io.stdout.isTTY === true,
      getErrHasColors: () => io.colours && io.stderr.isTTY === true,
      // Reported below, in the form of all errors.
      outputError: () => undefined,
    });
  command.hook('preAction', async (_, action) => {
    const { applySettings, warnOfVariables } = await import('./config/settings.js');
    await warnOfVariables(action as unknown as Command, io);
    await applySettings(action as unknown as Command, io);
  });
  const program: Program = {
    parent: command as unknown as Command,
    act: async (run) => {
      exitCode = await run(io, { verbose: command.opts().verbose === true });
    },
  };
  try {
    for (const name of named(args)) (await ownOf(COMMANDS, name)?.())?.(program);
    await command.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.code === 'commander.help') return 2;
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const reported = error instanceof CommanderError ? usageError(error, args) : error;
    await reportError(io, reported, args.includes('--verbose'));
    return exitCodeOf(reported);
  }
}

/** The commands to load: the one to run, or all for an unknown name and for the general help. */
function named(args: readonly string[]): readonly string[] {
  const first = args.find((arg) => arg !== '--verbose');
  if (first === '--version' || first === '-V') return [];
  // A completion has the words of all commands.
  const isOne = first !== undefined && first !== 'completion' && Object.hasOwn(COMMANDS, first);
  return isOne ? [first] : Object.keys(COMMANDS);
}

/** Commander's message as a StreamsError. */
function usageError(error: CommanderError, args: readonly string[]): StreamsError {
  const [what = '', hint] = withoutValues(error.message.replace(/^error: /, '')).split('\n');
  const words = args.slice(0, args.findIndex((arg) => !/^[a-z]+$/.test(arg)) >>> 0).slice(0, depthOf(args));
  const isUnknown = error.code === 'commander.unknownCommand';
  const known = words.length > 0 && !isUnknown ? `millrace ${words.join(' ')} --help` : 'millrace --help';
  const suggestion = hint === undefined ? '' : `${hint.replace(/[()]/g, '')} `;
  return new StreamsError('USAGE', { what: what.replace(/\.$/, ''), action: `${suggestion}See ${known}.` });
}

/** Commands that have commands of their own. */
const GROUPS: ReadonlySet<string | undefined> = new Set(['state', 'schema', 'dlq']);

/** How many words name the command: `state get`, or `run`. */
const depthOf = ([first]: readonly string[]): number => (GROUPS.has(first) ? 2 : 1);

/** Commander repeats its input. A misplaced address may contain a login. */
const withoutValues = (text: string): string =>
  text.replace(/'([^'\n]*)'/g, (_, written: string) => {
    const shown = written.startsWith('-') ? written.replace(/=.*/, '') : written;
    return /[:@?]/.test(shown) ? 'an address' : `'${shown}'`;
  });

function version(): string {
  const manifest = createRequire(import.meta.url)('../../package.json') as { version: string };
  return manifest.version;
}
