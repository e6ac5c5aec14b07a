import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { INDEX } from '../../serdes/registry/file.js';
import type { SchemaRegistry } from '../../serdes/registry/port.js';
import { namesRegistry, type RegistrySelection, registryOf } from '../options/schema-registry.js';
import type { Io } from '../terminal/io.js';
import { nearest } from '../terminal/nearest.js';

/** The default directory of schemas. */
export const DIRECTORY = 'schemas';

/**
 * The named registry, else the directory of the schemas, or the nearest directory above it that is already a
 * registry.
 */
export function registryBeside(path: string, selection: RegistrySelection, io: Io): Promise<SchemaRegistry> {
  if (namesRegistry(selection, io)) return registryOf(selection, io)();
  const absolute = resolve(io.cwd, path);
  const directory = statSync(absolute, { throwIfNoEntry: false })?.isFile() ? dirname(absolute) : absolute;
  return registryOf({ schemaRegistry: nearestIndex(directory) ?? directory }, io)();
}

function nearestIndex(directory: string): string | undefined {
  const index = nearest(join(directory, INDEX), INDEX);
  return index && dirname(index);
}
