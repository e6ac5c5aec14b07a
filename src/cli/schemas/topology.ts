import { extname } from 'node:path';
import { SerdeBindings } from '../../runtime/config/serde-bindings.js';
import { declaredNodes } from '../../runtime/topics/planned-tasks.js';
import type { SchemaRegistry, SchemaSource } from '../../serdes/registry/port.js';
import { loadTopology } from '../load/load-topology.js';

/** A schema that a topology writes with, and its subject. */
export interface WrittenSchema {
  readonly subject: string;
  readonly source: SchemaSource;
}

export const isTopologyFile = (path: string): boolean => /^\.[cm]?[jt]s$/.test(extname(path));

/**
 * The schemas of all outputs of the topology in a file: its sinks, and its own changelog and repartition
 * topics. Registers nothing.
 */
export async function writtenBy(
  file: string,
  app: string | undefined,
  cwd: string,
  registry: SchemaRegistry,
): Promise<readonly WrittenSchema[]> {
  const topology = await loadTopology(file, cwd);
  const written = new Map<string, SchemaSource>();
  const noting: SchemaRegistry = {
    address: registry.address,
    byId: (id) => registry.byId(id),
    byGuid: (guid) => registry.byGuid(guid),
    version: (subject, version) => registry.version(subject, version),
    lookup: (subject, source) => registry.lookup(subject, source),
    subjects: () => registry.subjects(),
    versions: (subject) => registry.versions(subject),
    compatibility: (subject) => registry.compatibility(subject),
    register: async (subject, source) => {
      written.set(subject, source);
      // No record is encoded with this id.
      return 0;
    },
  };
  const serdes = new SerdeBindings({
    applicationId: app ?? topology.name,
    schemaRegistry: async () => noting,
    registerSchemas: true,
  });
  declaredNodes(topology, serdes.bind);
  await serdes.open();
  return [...written]
    .map(([subject, source]) => ({ subject, source }))
    .sort((a, b) => (a.subject < b.subject ? -1 : 1));
}
