import type { Declaration } from '../../dsl/contract/processor.js';
import type { ShownSerdes } from '../terminal/show.js';

/** The serdes with which a topology reads or writes a topic; undefined if it names the topic nowhere. */
export function serdesOf(declaration: Declaration, topic: string): ShownSerdes | undefined {
  return (
    declaration.sinks.find((sink) => sink.topic === topic) ??
    declaration.sources.find((source) => source.topic === topic) ??
    declaration.globalTables.find((table) => table.topic === topic)
  );
}

/** The topics that are read from outside, by streams, tables and global tables. */
export const outsideTopics = ({ sources, globalTables }: Declaration): readonly string[] => [
  ...new Set([...sources, ...globalTables].map(({ topic }) => topic)),
];
