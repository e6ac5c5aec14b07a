import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CONTRACT_VERSION, TOPOLOGY, type Topology } from '../../dsl/contract/processor.js';
import { isOpenTopology } from '../../dsl/open-topology.js';
import { isTopology } from '../../dsl/topology.js';
import { isStreamsError, messageOf, StreamsError } from '../../model/errors.js';
import { ownOf } from '../../model/own.js';
import { showValue } from '../../serdes/show.js';
import { nearest } from '../terminal/nearest.js';
import { placeInUserFile } from '../terminal/user-place.js';
import { TOPOLOGY_EXTENSIONS, type TopologyFile, topologyFile } from './topology-file.js';

const EXAMPLE = 'Write `export default topology(name, (t) => …)`.';

/**
 * Loads a user's topology file: TypeScript or JavaScript, an ES module or CommonJS (by its extension, else by
 * the nearest package.json), with the settings of the nearest tsconfig.json. Types are not checked here; see
 * type-check.ts.
 *
 * The file may import another copy of millrace than this one: a topology is recognized by its brand, never by
 * its class. One process can load only one file: the settings of the TypeScript loader cannot be changed
 * after its registration.
 *
 * `file#name` is another export than the default one. It may be a topology, a promise of one, a function that
 * returns either, or a topology that provides its dependencies.
 *
 * Errors: TOPOLOGY_NOT_FOUND if there is no such file or export, it cannot be loaded, or is not a topology.
 * TOPOLOGY_INVALID if its millrace version is not compatible with this one.
 */
export async function loadTopology(file: string, cwd: string): Promise<Topology> {
  const { path, name } = topologyFile(file, cwd);
  checkFile(path);
  await registerLoader(path);
  const module = await importFile(path);
  const exported = name === undefined ? unwrap(module) : namedExport(module, name);
  if (name !== undefined && exported === undefined) throw noExport(path, name, module);
  const { value: topology, steps } = await closed(exported, path);
  if (!isTopology(topology)) throw noTopology(path, module, topology);
  ORIGINS.set(topology, { path, name, steps });
  const version: number = topology[TOPOLOGY];
  if (version === CONTRACT_VERSION) return topology;
  throw new StreamsError('TOPOLOGY_INVALID', {
    what: 'the topology was declared with another version of millrace',
    at: path,
    saw: `contract ${version}`,
    expected: `contract ${CONTRACT_VERSION}`,
    action: 'Run it with the millrace that is installed in its project: npx millrace.',
  });
}

/** What makes a topology of an export, in this order: a promise, a function, dependencies. */
export type ExportStep = 'await' | 'call' | 'dependencies';

/** Where a topology comes from. */
export interface TopologyOrigin extends TopologyFile {
  readonly steps: readonly ExportStep[];
}

const ORIGINS = new WeakMap<Topology, TopologyOrigin>();

/** Where a topology comes from that {@link loadTopology} has returned. */
export const originOf = (topology: Topology): TopologyOrigin => ORIGINS.get(topology) as TopologyOrigin;

/** Loads any other file of the user in the same way. Errors: TOPOLOGY_NOT_FOUND if it throws. */
export async function loadModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  await registerLoader(path);
  return importFile(path);
}

function checkFile(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  const saw =
    stats === undefined
      ? 'no such file'
      : stats.isDirectory()
        ? 'a directory'
        : TOPOLOGY_EXTENSIONS.includes(extname(path))
          ? undefined
          : `the extension "${extname(path)}"`;
  if (saw === undefined) return;
  throw new StreamsError('TOPOLOGY_NOT_FOUND', {
    what: 'cannot load the topology',
    at: path,
    saw,
    expected: `a file that ends in ${TOPOLOGY_EXTENSIONS.join(', ')}`,
    action: 'Correct the path.',
  });
}

let registered = false;

/**
 * Registers tsx, for `import` and for `require`. tsx reads the environment when it is loaded, so it is
 * imported here. `tsImport` of tsx would be simpler, but gives the file its own copy of everything it
 * imports, millrace included.
 */
async function registerLoader(path: string): Promise<void> {
  if (registered) return;
  registered = true;
  await loadMillrace(path);
  const tsconfig = nearest(path, 'tsconfig.json');
  if (tsconfig !== undefined) process.env.TSX_TSCONFIG_PATH = tsconfig;
  process.setSourceMapsEnabled(true);
  const [esm, cjs] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')]);
  esm.register();
  cjs.register();
}

/**
 * Preloads millrace from the file's location, because the file most likely imports it. With the loader
 * registered, every file passes through it, and loading takes longer.
 */
async function loadMillrace(path: string): Promise<void> {
  try {
    await import(pathToFileURL(createRequire(path).resolve('millrace')).href);
  } catch {
    // The file does not need millrace, or will report the problem itself.
  }
}

async function importFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    // With `import`, a .cts file could not require an ES module such as millrace.
    if (path.endsWith('.cts') || path.endsWith('.cjs')) return { default: createRequire(path)(path) };
    return await import(pathToFileURL(path).href);
  } catch (error) {
    const syntax = /^Transform failed with \d+ errors?:\n([\s\S]*)/.exec(messageOf(error))?.[1]?.trim();
    const place = placeInUserFile(error);
    const isSyntax = syntax !== undefined || error instanceof SyntaxError;
    throw new StreamsError('TOPOLOGY_NOT_FOUND', {
      what: isSyntax ? 'the file has a syntax error' : 'the file threw while it was loaded',
      at: syntax === undefined ? (place ?? path) : path,
      saw: syntax ?? (error instanceof Error ? `${error.name}: ${error.message}` : showValue(error)),
      action: isSyntax
        ? 'Correct it.'
        : 'Correct the file. It must load without the services that the topology needs at run time.',
      cause: error,
    });
  }
}

/**
 * The default export. In CommonJS it may be wrapped: `module.exports` is the default, and `exports.default`
 * inside it the actual one.
 */
function unwrap(module: Readonly<Record<string, unknown>>): unknown {
  let value: unknown = module.default;
  for (
    let depth = 0;
    depth < 2 && !isTopology(value) && typeof value === 'object' && value !== null && 'default' in value;
    depth++
  )
    value = value.default;
  return value;
}

/** In CommonJS, named exports may be in the default one. */
function namedExport(module: Readonly<Record<string, unknown>>, name: string): unknown {
  const inner = module.default;
  return (
    ownOf(module, name) ??
    (typeof inner === 'object' && inner !== null ? ownOf(inner as Readonly<Record<string, unknown>>, name) : undefined)
  );
}

/** What an export means: promises are awaited, factories called, dependencies made. */
async function closed(
  exported: unknown,
  path: string,
): Promise<{ readonly value: unknown; readonly steps: readonly ExportStep[] }> {
  const steps: ExportStep[] = [];
  try {
    let value = await exported;
    if (value !== exported) steps.push('await');
    if (typeof value === 'function') {
      steps.push('call');
      value = await value();
    }
    if (!isOpenTopology(value)) return { value, steps };
    steps.push('dependencies');
    if (value.dependencies) return { value: value.with(await value.dependencies()), steps };
    throw noDependencies(value.name, path);
  } catch (error) {
    if (isStreamsError(error)) throw error;
    throw new StreamsError('TOPOLOGY_NOT_FOUND', {
      what: 'the function that makes the topology, or its dependencies, threw',
      at: placeInUserFile(error) ?? path,
      saw: error instanceof Error ? `${error.name}: ${error.message}` : showValue(error),
      action: 'Correct it. It must not need the services that the topology calls at run time.',
      cause: error,
    });
  }
}

const noDependencies = (name: string, path: string): StreamsError =>
  new StreamsError('TOPOLOGY_NOT_FOUND', {
    what: `the topology ${name} needs dependencies`,
    at: path,
    saw: 'none that the command line can make',
    action: 'Provide them: topology(name, (t, dependencies) => …, { dependencies: () => ({ … }) }).',
  });

const noExport = (path: string, name: string, module: Readonly<Record<string, unknown>>): StreamsError =>
  new StreamsError('TOPOLOGY_NOT_FOUND', {
    what: `the file has no export "${name}"`,
    at: path,
    saw: exportsOf(module),
    action: 'Correct the name behind the #.',
  });

function noTopology(path: string, module: Readonly<Record<string, unknown>>, found: unknown): StreamsError {
  const exported = typeof found === 'object' && found !== null ? { ...found, ...module } : module;
  const named = Object.keys(exported).find((name) => isTopology(ownOf(exported, name)));
  const empty =
    found === undefined ||
    (typeof found === 'object' &&
      found !== null &&
      Object.keys(found).length === 0 &&
      Object.getPrototypeOf(found) === Object.prototype);
  const saw = empty ? exportsOf(module) : showValue(found);
  return new StreamsError('TOPOLOGY_NOT_FOUND', {
    what: empty ? 'the file has no default export' : 'the default export is not a topology',
    at: path,
    saw: named === undefined ? saw : `${empty ? '' : `${saw}, and `}a topology exported as "${named}"`,
    expected: 'what topology(name, …) returns',
    action:
      named === undefined
        ? EXAMPLE
        : `Export it by default: \`export { ${named} as default }\`, or module.exports = ${named} in CommonJS.`,
  });
}

function exportsOf(module: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(module).filter((name) => name !== 'default' && name !== 'module.exports');
  return names.length === 0 ? 'no exports' : `the exports ${names.join(', ')}`;
}
