import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, StreamsError } from '../../model/errors.js';
import { isName, NAME_RULE } from '../../model/names.js';
import { nearestName } from '../../model/text/nearest-name.js';
import type { ConfiguredApplication, MillraceConfig, MillraceSettings } from '../../runtime/config/define-config.js';
import { showValue } from '../../serdes/show.js';
import { loadModule } from '../load/load-topology.js';

const NAMES = ['ts', 'mts', 'js', 'mjs', 'json'].map((extension) => `millrace.config.${extension}`);

/** The fields of a configuration. */
export const SETTINGS: Readonly<Record<keyof MillraceSettings, true>> = {
  broker: true,
  kafkaConfig: true,
  state: true,
  schemaRegistry: true,
  registerSchemas: true,
  guarantee: true,
  from: true,
  partitions: true,
  onError: true,
  cache: true,
  batch: true,
  commitEvery: true,
  sessionTimeout: true,
  stopTimeout: true,
  snapshotEvery: true,
  check: true,
};

export interface ConfigFile {
  readonly path: string;
  readonly directory: string;
  readonly config: MillraceConfig;
}

/**
 * Finds and reads the configuration in a directory, or the nearest one above. Undefined: there is none.
 * Errors: CONFIG_INVALID, which lists everything that is wrong with it.
 */
export async function findConfig(from: string): Promise<ConfigFile | undefined> {
  for (let directory = from; ; directory = dirname(directory)) {
    const name = NAMES.find((each) => existsSync(join(directory, each)));
    if (name !== undefined) return readConfig(join(directory, name));
    if (dirname(directory) === directory) return undefined;
  }
}

async function readConfig(path: string): Promise<ConfigFile> {
  const config = path.endsWith('.json') ? parsed(path) : await loaded(path);
  const problems = problemsOf(config);
  if (problems.length > 0) throw invalid(path, problems);
  return { path, directory: dirname(path), config: config as MillraceConfig };
}

function parsed(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw invalid(path, [messageOf(error)]);
  }
}

async function loaded(path: string): Promise<unknown> {
  const { default: value } = await loadModule(path);
  // In CommonJS the default export may be inside the default.
  const inner = value as { readonly default?: unknown } | undefined;
  return inner?.default ?? value;
}

function problemsOf(config: unknown): readonly string[] {
  if (!isObject(config)) return [`it exports ${showValue(config)}, expected an object`];
  const { applications = [], ...settings } = config;
  if (!Array.isArray(applications)) return ['applications is no list'];
  const names = applications.flatMap((application: Partial<ConfiguredApplication>) => application?.name ?? []);
  const twice = new Set(names.filter((name, i) => names.indexOf(name) !== i));
  return [
    ...unknownFields(settings, '', ['applications']),
    ...applications.flatMap((application: unknown, i) => problemsOfApplication(application, `applications[${i}]`)),
    ...Array.from(twice, (name) => `two applications are called "${name}"`),
  ];
}

function problemsOfApplication(application: unknown, at: string): readonly string[] {
  if (!isObject(application)) return [`${at} is ${showValue(application)}, expected an object`];
  const { name, file, ...settings } = application;
  return [
    ...(typeof name === 'string' && isName(name) ? [] : [`${at}.name is ${showValue(name)}, expected ${NAME_RULE}`]),
    ...(typeof file === 'string' ? [] : [`${at}.file is ${showValue(file)}, expected the file of a topology`]),
    ...unknownFields(settings, `${at}.`, ['name', 'file']),
  ];
}

function unknownFields(settings: object, at: string, more: readonly string[]): readonly string[] {
  const known = [...Object.keys(SETTINGS), ...more];
  return Object.keys(settings)
    .filter((field) => !Object.hasOwn(SETTINGS, field))
    .map((field) => {
      const near = nearestName(field, known);
      return `there is no field ${at}${field}${near === undefined ? '' : `: did you mean ${near}?`}`;
    });
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalid = (path: string, problems: readonly string[]): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'cannot use the configuration',
    at: path,
    action: 'Correct it:',
    list: problems,
  });
