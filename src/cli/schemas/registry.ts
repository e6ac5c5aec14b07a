import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { SchemaRegistry } from '../../serdes/registry/port.js';
import type { Io } from '../io.js';
import { namesRegistry, type RegistrySelection, registryOf } from '../schema-registry.js';

/** Where schemas are, if nothing else is said. */
export const DIRECTORY = 'schemas';

/** The registry that is named, or else the directory that the schemas are in. */
export function registryBeside(path: string, selection: RegistrySelection, io: Io): Promise<SchemaRegistry> {
  if (namesRegistry(selection, io)) return registryOf(selection, io)();
  const absolute = resolve(io.cwd, path);
  const directory = statSync(absolute, { throwIfNoEntry: false })?.isFile() ? dirname(absolute) : absolute;
  return registryOf({ schemaRegistry: directory }, io)();
}
