import type { Declaration, PushScope, Topology } from '../dsl/processor.js';
import type { StoreSpec } from '../state/contract.js';
import type { ShownSerdes } from './show.js';

/** The topology's nodes with their serdes, for reading what it wrote; nothing is ever pushed through. */
export function declared(topology: Topology, bind?: PushScope['bind']): Declaration {
  const scope: PushScope = {
    pushing: false,
    index: 0,
    key: undefined,
    from: '',
    fail: () => undefined,
    ...(bind && { bind }),
  };
  return topology.declare(scope);
}

/** How a topology reads or writes a topic; undefined if it does neither by name. */
export function serdesOf(declaration: Declaration, topic: string): ShownSerdes | undefined {
  return (
    declaration.sinks.find((sink) => sink.topic === topic) ??
    declaration.sources.find((source) => source.topic === topic) ??
    declaration.globalTables.find((table) => table.topic === topic)
  );
}

export function storesDeclared(declaration: Declaration): readonly StoreSpec[] {
  return [
    ...declaration.processors.flatMap(({ spec }) => spec.stores),
    ...declaration.globalTables.map(({ store, key, value }) => ({
      name: store,
      kind: 'keyValue' as const,
      key,
      value,
    })),
  ];
}

/** The topics that are read from outside, by streams, tables and global tables. */
export const outsideTopics = ({ sources, globalTables }: Declaration): readonly string[] => [
  ...new Set([...sources, ...globalTables].map(({ topic }) => topic)),
];
