import { existsSync } from 'node:fs';
import { dirname, extname, isAbsolute, resolve } from 'node:path';
import type { Command, Option } from '@commander-js/extra-typings';
import { isLetterId } from '../../letters/letter-id.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import { ownOf } from '../../model/own.js';
import { nearestName } from '../../model/text/nearest-name.js';
import { plainText } from '../../model/text/plain-text.js';
import { show } from '../../model/text/show.js';
import { toJson } from '../../model/to-json.js';
import type { ConfiguredApplication, MillraceSettings } from '../../runtime/config/define-config.js';
import { TOPOLOGY_EXTENSIONS, topologyFile } from '../load/topology-file.js';
import { type Io, write } from '../terminal/io.js';
import { usage } from '../terminal/usage.js';
import { type ConfigFile, findConfig, SETTINGS } from './config-file.js';

/** Where the value of an option comes from, the strongest first. */
export type Source = 'command line' | 'environment' | 'configuration' | 'default';

export interface Setting {
  /** As users write it: `--commit-every`. */
  readonly option: string;
  readonly value: unknown;
  readonly source: Source;
  /** The variable, or the file. */
  readonly where?: string;
}

const PREFIX = 'MILLRACE_';

/** Variables of the environment: `--commit-every` is `MILLRACE_COMMIT_EVERY`. */
const variableOf = (name: string): string =>
  `${PREFIX}${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

/** Fields that are paths or addresses: relative ones are relative to the configuration. */
const PATHS: ReadonlySet<string> = new Set(['kafkaConfig', 'state']);
const ADDRESSES: ReadonlySet<string> = new Set(['broker', 'schemaRegistry']);

/** Options that take the file of a topology. */
const TOPOLOGIES: ReadonlySet<string> = new Set(['topology', 'compare']);
/** Names of first arguments that are such a file, or may be one. */
const TOPOLOGY_ARGUMENTS: ReadonlySet<string> = new Set(['file', 'path']);

/**
 * Fills the options of a command that the command line leaves open: from the environment, else from the
 * configuration, else with their defaults. A file that is the name of a configured application becomes its
 * file.
 *
 * Errors: USAGE for a wrong value, which names the variable or the field. TOPOLOGY_NOT_FOUND for what is
 * neither a file nor an application. Those of {@link findConfig}.
 */
export async function applySettings(command: Command, io: Io): Promise<readonly Setting[]> {
  const given = command.processedArgs as unknown[];
  const named = namedTopology(command);
  const found = await findConfig(named === undefined ? io.cwd : dirname(resolve(io.cwd, named)));
  const application = applicationOf(found, named, command.getOptionValue('app'), io.cwd);
  if (found && application && named !== undefined) given[0] = resolve(found.directory, application.file);
  else if (found && named !== undefined) checkNamed(named, found, io.cwd);
  const settings: Setting[] = [];
  const seen = new Set<string>();
  for (const option of command.options as readonly Option[]) {
    const name = option.attributeName();
    if (seen.has(name) || option.hidden) continue;
    seen.add(name);
    settings.push(apply(command, option, { io, found, application }));
  }
  return settings;
}

/** A misspelt variable has no effect. Others that begin with MILLRACE_ may belong to the user. */
export async function warnOfVariables(command: Command, { env, stderr }: Io): Promise<void> {
  const options = (command.options as readonly Option[]).map((option) => option.attributeName());
  const known = [...options, ...Object.keys(SETTINGS), 'actor'].map((name) => variableOf(name).slice(PREFIX.length));
  for (const variable of Object.keys(env)) {
    const name = variable.slice(PREFIX.length);
    if (!variable.startsWith(PREFIX) || known.includes(name)) continue;
    const near = nearestName(name, known);
    if (near !== undefined)
      await write(stderr, `warning: ${plainText(variable)} has no effect: did you mean ${PREFIX}${near}?\n`);
  }
}

/**
 * The topology that the first argument of a command names. Undefined if that argument is something else: a
 * topic may have the name of an application.
 */
function namedTopology(command: Command): string | undefined {
  const [argument] = command.registeredArguments;
  const [given] = command.args;
  // Commands for letters take an id where the file is left out.
  const isFile = given === undefined || !isLetterId(given);
  return argument && TOPOLOGY_ARGUMENTS.has(argument.name()) && isFile ? given : undefined;
}

/** TOPOLOGY_NOT_FOUND for a text that is no file and looks like the name of an application. */
function checkNamed(named: string, { path, config }: ConfigFile, cwd: string): void {
  const names = (config.applications ?? []).map(({ name }) => name);
  const file = topologyFile(named, cwd).path;
  if (names.length === 0 || existsSync(file) || TOPOLOGY_EXTENSIONS.includes(extname(file))) return;
  const near = nearestName(named, names);
  throw new StreamsError('TOPOLOGY_NOT_FOUND', {
    what: 'cannot load the topology',
    at: file,
    saw: `no such file, and no application "${named}" in ${path}`,
    expected: `a file that ends in ${TOPOLOGY_EXTENSIONS.join(', ')}, or one of the applications ${names.join(', ')}`,
    action: near === undefined ? 'Correct the name.' : `Did you mean ${near}?`,
  });
}

interface Context {
  readonly io: Io;
  readonly found: ConfigFile | undefined;
  readonly application: ConfiguredApplication | undefined;
}

function apply(command: Command, option: Option, { io, found, application }: Context): Setting {
  const name = option.attributeName();
  const shown = option.long ?? option.flags;
  const current = command.getOptionValue(name);
  if (command.getOptionValueSource(name) === 'cli') {
    const file = TOPOLOGIES.has(name) && found?.config.applications?.find((each) => each.name === current)?.file;
    const value = file ? resolve(found.directory, file) : current;
    if (value !== current) command.setOptionValueWithSource(name, value, 'cli');
    return { option: shown, value, source: 'command line' };
  }
  // A properties file of Kafka says nothing of another broker. Its variable is read where Kafka is opened.
  if (name === 'kafkaConfig' && !String(command.getOptionValue('broker')).startsWith('kafka:'))
    return { option: shown, value: current, source: 'default' };
  const variable = variableOf(name);
  const text = ownOf(io.env, variable);
  if (text !== undefined && text !== '') {
    const value = parsed(option, text.split(isList(option) ? ',' : /(?!)/), variable);
    set(command, name, { value, source: 'env' });
    return { option: shown, value, source: 'environment', where: variable };
  }
  if (!found) return { option: shown, value: current, source: 'default' };
  const configured = configuredValue(found, application, name);
  const where = found.path;
  if (configured === undefined) {
    const value = located(name, current, found.directory);
    if (value !== current) command.setOptionValueWithSource(name, value, 'default');
    return { option: shown, value, source: 'default' };
  }
  const value = parsed(option, textsOf(name, configured, found.directory), `${name} of ${where}`);
  set(command, name, { value, source: 'config' });
  return { option: shown, value, source: 'configuration', where };
}

/** A command that looks back distinguishes policies for errors that the command line gives from others. */
function set(
  command: Command,
  name: string,
  given: { readonly value: unknown; readonly source: 'env' | 'config' },
): void {
  const names = name === 'onError' ? [name, 'defaultOnError'] : [name];
  for (const each of names) command.setOptionValueWithSource(each, given.value, given.source);
}

function configuredValue(found: ConfigFile, application: ConfiguredApplication | undefined, name: string): unknown {
  if (name === 'app') return application?.name;
  const field = name as keyof MillraceSettings;
  return application?.[field] ?? found.config[field];
}

/** The application that a command means: by `--app`, by its name in the place of the file, or by its file. */
function applicationOf(
  found: ConfigFile | undefined,
  named: string | undefined,
  app: unknown,
  cwd: string,
): ConfiguredApplication | undefined {
  const all = found?.config.applications ?? [];
  const path = named === undefined ? undefined : resolve(cwd, named);
  return (
    all.find(({ name }) => name === (app ?? named)) ??
    all.find(({ file }) => app === undefined && resolve((found as ConfigFile).directory, file) === path)
  );
}

/**
 * The value as it would stand on the command line: several texts for an option that may be given several
 * times.
 */
function textsOf(name: string, value: unknown, directory: string): readonly string[] {
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).map(([step, policy]) => `${step}=${policyText(policy)}`);
  return [String(located(name, value, directory))];
}

/** `{ retry: 3, backoff: '1s', then: 'skip' }` as JSON, which the option reads, too. */
const policyText = (policy: unknown): string =>
  typeof policy === 'object' && policy !== null ? toJson(policy) : String(policy);

function located(name: string, value: unknown, directory: string): unknown {
  if (typeof value !== 'string') return value;
  if (PATHS.has(name)) return resolve(directory, value);
  if (!ADDRESSES.has(name)) return value;
  const [, path] = /^embedded:(.*)$/.exec(value) ?? [];
  if (path !== undefined) return `embedded:${resolve(directory, path)}`;
  return isAbsolute(value) || /^[a-z][a-z0-9+.-]*:/i.test(value) ? value : resolve(directory, value);
}

/** Whether the option may be given several times: its parser takes what was given before. */
const isList = ({ parseArg }: Option): boolean => (parseArg?.length ?? 0) > 1;

function parsed(option: Option, texts: readonly string[], where: string): unknown {
  if (option.isBoolean() || option.negate) return truth(texts[0] as string, where);
  try {
    let value: unknown;
    for (const text of texts) {
      if (option.argChoices && !option.argChoices.includes(text))
        throw usage(`cannot read ${option.long}`, show(text), option.argChoices.join(' or '));
      value = option.parseArg ? option.parseArg(text, value as never) : text;
    }
    return value;
  } catch (error) {
    throw isStreamsError(error) ? ofSetting(error, where) : error;
  }
}

function truth(text: string, where: string): boolean {
  if (/^(true|1|yes)$/i.test(text)) return true;
  if (/^(false|0|no)$/i.test(text)) return false;
  throw usage(`cannot read ${where}`, show(text), 'true or false', 'Correct it.');
}

/** The same error, which names the variable or the field instead of the command line. */
const ofSetting = (error: StreamsError, where: string): StreamsError =>
  new StreamsError('USAGE', { what: `cannot read ${where}: ${error.problem}`, action: 'Correct it.', cause: error });
