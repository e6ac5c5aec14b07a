import { createRequire } from 'node:module';
import { Command, CommanderError } from '@commander-js/extra-typings';
import { StreamsError } from '../model/errors.js';
import { addBisect } from './commands/bisect.js';
import { addConsume } from './commands/consume.js';
import { addDescribe } from './commands/describe.js';
import { addHistory } from './commands/history.js';
import { addProduce } from './commands/produce.js';
import { addPromote } from './commands/promote.js';
import { addRebuild } from './commands/rebuild.js';
import { addReplay } from './commands/replay.js';
import { addReset } from './commands/reset.js';
import { addRun } from './commands/run.js';
import { addSchema } from './commands/schema.js';
import { addState } from './commands/state.js';
import { addTrace } from './commands/trace.js';
import { addValidate } from './commands/validate.js';
import { addVerify } from './commands/verify.js';
import { exitCodeHelp, exitCodeOf } from './exit-codes.js';
import { type Io, write } from './io.js';
import type { Program } from './program.js';
import { reportError } from './report-error.js';

const COMMANDS = [
  addRun,
  addDescribe,
  addValidate,
  addProduce,
  addConsume,
  addState,
  addReplay,
  addHistory,
  addTrace,
  addBisect,
  addVerify,
  addReset,
  addRebuild,
  addPromote,
  addSchema,
];

/** Runs one command line, without the names of node and the program; resolves to the exit code. Never throws. */
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
      writeOut: (text) => void write(io.stdout, text),
      writeErr: (text) => void write(io.stderr, text),
      getOutHasColors: () => io.colours && io.stdout.isTTY === true,
      getErrHasColors: () => io.colours && io.stderr.isTTY === true,
      // Reported below, in the form of all errors.
      outputError: () => undefined,
    });
  const program: Program = {
    parent: command as unknown as Command,
    act: async (run) => {
      exitCode = await run(io, { verbose: command.opts().verbose === true });
    },
  };
  for (const add of COMMANDS) add(program);
  try {
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

/** Commander's sentence, as an error of ours. */
function usageError(error: CommanderError, args: readonly string[]): StreamsError {
  const [what = '', hint] = error.message.replace(/^error: /, '').split('\n');
  const command = args.find((arg) => /^[a-z]+$/.test(arg));
  const known =
    command !== undefined && error.code !== 'commander.unknownCommand'
      ? `millrace ${command} --help`
      : 'millrace --help';
  const suggestion = hint === undefined ? '' : `${hint.replace(/[()]/g, '')} `;
  return new StreamsError('USAGE', { what: what.replace(/\.$/, ''), action: `${suggestion}See ${known}.` });
}

function version(): string {
  const manifest = createRequire(import.meta.url)('../../package.json') as { version: string };
  return manifest.version;
}
