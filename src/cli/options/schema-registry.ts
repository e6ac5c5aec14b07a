import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { noRegistry } from '../../runtime/config/serde-bindings.js';
import { INDEX } from '../../serdes/registry/file.js';
import { openRegistry, registryFromEnv } from '../../serdes/registry/open.js';
import type { SchemaRegistry } from '../../serdes/registry/port.js';
import type { Io } from '../terminal/io.js';

export interface RegistrySelection {
  readonly schemaRegistry?: string | undefined;
}

/** `--schema-registry`, for the help of every command that has it. */
export const SCHEMA_REGISTRY = [
  '--schema-registry <address>',
  'the registry of Avro schemas: http://host:port, https://… or a directory (default: SCHEMA_REGISTRY_URL, else the nearest directory schemas/ with an index.json)',
] as const;

/**
 * The registry of a command, opened at first use. The address comes from the command line, else from the
 * environment. Else it is the nearest directory `schemas` with an index, next to a file or above it. Logins
 * come from the environment.
 */
export function registryOf(
  { schemaRegistry }: RegistrySelection,
  io: Io,
  file?: string,
): () => Promise<SchemaRegistry> {
  let opened: Promise<SchemaRegistry> | undefined;
  const open = async (): Promise<SchemaRegistry> => {
    const { address: fromEnv, options } = registryFromEnv(io.env);
    const address =
      schemaRegistry ?? fromEnv ?? nearestRegistry(file === undefined ? join(io.cwd, 'any') : resolve(io.cwd, file));
    if (address === undefined) return noRegistry();
    return openRegistry(located(address, io.cwd), options, io.clock);
  };
  return () => {
    opened ??= open();
    return opened;
  };
}

/** Whether the command line or the environment names a registry. */
export const namesRegistry = ({ schemaRegistry }: RegistrySelection, { env }: Io): boolean =>
  (schemaRegistry ?? registryFromEnv(env).address) !== undefined;

/** Directories are relative to the working directory. */
const located = (address: string, cwd: string): string =>
  /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : resolve(cwd, address.replace(/^file:/, ''));

function nearestRegistry(file: string): string | undefined {
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    const candidate = join(directory, 'schemas');
    if (existsSync(join(candidate, INDEX))) return candidate;
    if (dirname(directory) === directory) return undefined;
  }
}
